import CryptoSuite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where a server puts sealed reports to its operator, and the key that it seals them to.
public struct ReportBox: Sendable {
  /// Reports that are kept; further ones are refused until the operator deletes some.
  public static let count = 1_000
  private static let keyByteCount = 4_096

  public let folder: ReportFolder
  private let keyFile: String

  init(path: String, keyFile: String) {
    folder = ReportFolder(path)
    self.keyFile = keyFile
  }

  /// The operator's public key, or nil while reports are not taken.
  public func publicKey() -> [UInt8]? { try? PrivateFiles.readPrivate(keyFile, limit: Self.keyByteCount) }

  /// Begins to take reports, sealed to this key.
  ///
  /// - Throws: `.exists` when there is a key already: reports to it would become unreadable.
  public func start(publicKey: [UInt8]) throws(ServerStorageError) {
    guard !PrivateFiles.exists(keyFile) else { throw .exists }
    try PrivateFiles.makeDirectory(folder.path)
    try PrivateFiles.replace(keyFile, with: publicKey)
  }

  /// Removes what a crash left of reports that nobody was given a receipt for. Only for the server that has the directory, before it
  /// takes any.
  public func removeLeftovers() throws(ServerStorageError) { try folder.removeLeftovers() }

  /// Keeps a sealed report; it is on disk when this returns.
  ///
  /// - Parameter day: days since 1970; no time that can be set is finer. The inode's own times are.
  /// - Throws: `.full`.
  public func add(_ sealed: [UInt8], day: UInt32) throws(ServerStorageError) {
    guard try folder.names().count < Self.count else { throw .full }
    let name = SystemRandom().bytes(ReportFolder.nameByteCount).map { byte in
      let digits = Array("0123456789abcdef")
      return "\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
    try folder.write(sealed, as: name)
    var times = [timeval(), timeval()]
    for index in times.indices { times[index].tv_sec = time_t(day) * 86_400 }
    // `unsafe`: the system reads the string and the two values during the call. A time that stays finer is no reason to fail.
    _ = unsafe utimes("\(folder.path)/\(name)", &times)
  }

  /// - Throws: `.missing`.
  public func delete(_ name: String) throws(ServerStorageError) {
    guard try folder.names().contains(name) else { throw .missing }
    // `unsafe`: the string is lent to the system for the duration of the call.
    guard unsafe unlink("\(folder.path)/\(name)") == 0 else { throw .system(errno: errno) }
  }
}

extension ServerDirectory {
  /// Reports to the operator.
  public var reports: ReportBox { ReportBox(path: file("reports"), keyFile: file("server.reports.key")) }
}
