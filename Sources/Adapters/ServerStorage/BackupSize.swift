import GRDB
import SystemFiles

/// How much a copy of a data directory takes of a disk, and how much of it is free there.
public struct BackupSize: Equatable, Sendable {
  /// What file systems give a file or a directory at least, as most of them do.
  private static let blockByteCount = 4_096
  /// For the keys and what is accepted while it is measured.
  static let slackByteCount = 1 << 20
  /// For the keys alone.
  private static let keysByteCount = 1 << 16

  /// Bytes of the database without freed pages, what its log has included; 0 where it is no part of the copy.
  public internal(set) var database = 0
  /// Bytes of stored objects and reports with their directories, in whole blocks.
  public internal(set) var files = 0
  /// Bytes that are free where the copy goes, with the copy there or without; nil where the system does not say.
  public internal(set) var free: Int?
  /// Whether the copy takes room of the server's own disk.
  public internal(set) var isOnServersDisk = false

  /// Bytes that have to be free before.
  var needed: Int { database == 0 ? Self.keysByteCount : Self.sum(Self.sum(database, files), Self.slackByteCount) }

  /// Counts all that lies below a directory; what is gone meanwhile counts for nothing.
  mutating func addFiles(below path: String) {
    guard let names = try? SystemFile.names(in: path) else { return }
    files = Self.sum(files, Self.blockByteCount)
    for name in names {
      let inner = "\(path)/\(name)"
      if SystemFile.isDirectory(inner) { addFiles(below: inner) } else { addFile(SystemFile.byteCount(inner) ?? 0) }
    }
  }

  private mutating func addFile(_ byteCount: Int) {
    let blocks = byteCount / Self.blockByteCount + (byteCount % Self.blockByteCount == 0 ? 0 : 1)
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: Self.blockByteCount)
    files = Self.sum(files, overflow ? .max : bytes)
  }

  private static func sum(_ first: Int, _ second: Int) -> Int {
    let (sum, overflow) = first.addingReportingOverflow(second)
    return overflow ? .max : sum
  }
}
