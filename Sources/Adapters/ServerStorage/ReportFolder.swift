import SystemFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Sealed reports to the operator: a file each, with a random name, and the day as its only time. At a server, or in a copy of its folder
/// that the operator has made to read them elsewhere.
public struct ReportFolder: Sendable {
  static let nameByteCount = 16
  /// What is behind the name of a file that is being written.
  private static let newSuffix = ".new"
  private static let reportByteCount = 128 << 10
  /// Of names. A copied folder is no safer than the server that it comes from, and its names are printed.
  private static let digits = Set("0123456789abcdef".utf8)

  let path: String

  public init(_ path: String) { self.path = path }

  /// Whether there is such a folder.
  public var exists: Bool { PrivateFiles.isDirectory(path) }

  /// What waits: the name of each report and the day it came, in days since 1970.
  public func list() throws(ServerStorageError) -> [(name: String, day: UInt32)] {
    try names().map { name in
      var status = stat()
      // `unsafe`: the string is lent to the system, which writes the value during the call.
      guard unsafe stat("\(path)/\(name)", &status) == 0 else { return (name, 0) }
      return (name, UInt32(clamping: modificationSeconds(of: status) / 86_400))
    }
  }

  /// A report as it lies there. It is sealed, so that it may lie open to others.
  ///
  /// - Throws: `.missing`.
  public func read(_ name: String) throws(ServerStorageError) -> [UInt8] {
    guard try names().contains(name) else { throw .missing }
    do throws(SystemFailure) {
      return try SystemFile.read("\(path)/\(name)", limit: Self.reportByteCount).bytes
    } catch { throw error.isMissing ? .missing : ServerStorageError(error) }
  }

  /// Names of whole reports; none without a folder.
  func names() throws(ServerStorageError) -> [String] {
    try all().filter { $0.utf8.count == 2 * Self.nameByteCount && $0.utf8.allSatisfy(Self.digits.contains) }
  }

  /// Removes what was being written when a server ended; nobody may be writing.
  func removeLeftovers() throws(ServerStorageError) {
    for name in try all() where name.hasSuffix(Self.newSuffix) { try PrivateFiles.remove("\(path)/\(name)") }
  }

  /// Writes a report, and returns when it is on disk; one that cannot be written leaves nothing.
  func write(_ sealed: [UInt8], as name: String) throws(ServerStorageError) {
    do throws(ServerStorageError) { try PrivateFiles.replace("\(path)/\(name)", with: sealed) } catch {
      // No later report has this name, to take the place of what is left.
      try? PrivateFiles.remove("\(path)/\(name)\(Self.newSuffix)")
      throw error
    }
  }

  private func all() throws(ServerStorageError) -> [String] { exists ? try PrivateFiles.names(in: path) : [] }

  private func modificationSeconds(of status: stat) -> Int {
    #if canImport(Darwin)
      status.st_mtimespec.tv_sec
    #else
      status.st_mtim.tv_sec
    #endif
  }
}
