import CryptoSuite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where sealed reports to the operator lie: a file each, with a random name, and the day as its only time.
public struct ReportBox: Sendable {
  /// Reports that are kept; further ones are refused until the operator deletes some.
  public static let count = 1_000
  private static let nameByteCount = 16
  private static let reportByteCount = 128 << 10
  private static let keyByteCount = 4_096

  private let path: String
  private let keyFile: String

  init(path: String, keyFile: String) {
    self.path = path
    self.keyFile = keyFile
  }

  /// The operator's public key, or nil while reports are not taken.
  public func publicKey() -> [UInt8]? { try? PrivateFiles.readPrivate(keyFile, limit: Self.keyByteCount) }

  /// Begins to take reports, sealed to this key.
  ///
  /// - Throws: `.exists` when there is a key already: reports to it would become unreadable.
  public func start(publicKey: [UInt8]) throws(ServerStorageError) {
    guard !PrivateFiles.exists(keyFile) else { throw .exists }
    try PrivateFiles.makeDirectory(path)
    try PrivateFiles.replace(keyFile, with: publicKey)
  }

  /// Keeps a sealed report; it is on disk when this returns.
  ///
  /// - Parameter day: days since 1970; no time that can be set is finer. The inode's own times are.
  /// - Throws: `.full`.
  public func add(_ sealed: [UInt8], day: UInt32) throws(ServerStorageError) {
    guard try names().count < Self.count else { throw .full }
    let name = SystemRandom().bytes(Self.nameByteCount).map { byte in
      let digits = Array("0123456789abcdef")
      return "\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
    try PrivateFiles.replace("\(path)/\(name)", with: sealed)
    var times = [timeval(), timeval()]
    for index in times.indices { times[index].tv_sec = time_t(day) * 86_400 }
    // `unsafe`: the system reads the string and the two values during the call. A time that stays finer is no reason to fail.
    _ = unsafe utimes("\(path)/\(name)", &times)
  }

  /// What waits: the name of each report and the day it came, in days since 1970.
  public func list() throws(ServerStorageError) -> [(name: String, day: UInt32)] {
    try names().map { name in
      var status = stat()
      // `unsafe`: the string is lent to the system, which writes the value during the call.
      guard unsafe stat("\(path)/\(name)", &status) == 0 else { return (name, 0) }
      return (name, UInt32(clamping: modificationSeconds(of: status) / 86_400))
    }
  }

  /// - Throws: `.missing`.
  public func read(_ name: String) throws(ServerStorageError) -> [UInt8] {
    guard try names().contains(name) else { throw .missing }
    return try PrivateFiles.readPrivate("\(path)/\(name)", limit: Self.reportByteCount)
  }

  /// - Throws: `.missing`.
  public func delete(_ name: String) throws(ServerStorageError) {
    guard try names().contains(name) else { throw .missing }
    // `unsafe`: the string is lent to the system for the duration of the call.
    guard unsafe unlink("\(path)/\(name)") == 0 else { throw .system(errno: errno) }
  }

  private func names() throws(ServerStorageError) -> [String] {
    guard PrivateFiles.isDirectory(path) else { return [] }
    return try PrivateFiles.names(in: path).filter { $0.utf8.count == 2 * Self.nameByteCount }
  }

  private func modificationSeconds(of status: stat) -> Int {
    #if canImport(Darwin)
      status.st_mtimespec.tv_sec
    #else
      status.st_mtim.tv_sec
    #endif
  }
}

extension ServerDirectory {
  /// Reports to the operator.
  public var reports: ReportBox { ReportBox(path: file("reports"), keyFile: file("server.reports.key")) }
}
