import CryptoSuite
import GRDB

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Asks how much of a disk is free. Tests put a number of their own in its place.
struct DiskSpace: Sendable {
  /// Bytes that are written to see whether they are taken: more than a write that failed leaves.
  private static let trialByteCount = 16 * Schema.pageByteCount
  /// Bytes that this user may still write; nil where the system does not say.
  let freeByteCount: @Sendable () -> Int?
  /// Whether a little more can be written; asked by doing it, for a quota that is used up is in none of the disk's numbers.
  let takesMore: @Sendable () -> Bool

  init(freeByteCount: @escaping @Sendable () -> Int?, takesMore: @escaping @Sendable () -> Bool = { true }) {
    self.freeByteCount = freeByteCount
    self.takesMore = takesMore
  }

  /// The disk on which a directory lies.
  init(of path: String) {
    freeByteCount = {
      var status = statvfs()
      // `unsafe`: the string is lent to the system, which writes the value during the call.
      guard unsafe statvfs(path, &status) == 0 else { return nil }
      let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
      return overflow ? .max : Int(clamping: bytes)
    }
    takesMore = { Self.takesMore(besides: path) }
  }

  private static func takesMore(besides path: String) -> Bool {
    let trial = path + ".room"
    defer { for name in [trial, trial + ".new"] { try? PrivateFiles.remove(name) } }
    do throws(ServerStorageError) {
      // Zeros would take no room on a disk that compresses.
      try PrivateFiles.replace(trial, with: SystemRandom().bytes(trialByteCount))
    } catch { return error != .diskFull }
    return true
  }

  /// Whether it was for want of room that a database failed.
  ///
  /// SQLite calls a disk full that says so (`ENOSPC`). A quota that is used up (`EDQUOT`) is a failed write to it, whose `errno` it has
  /// forgotten by the time of the answer (3.40.1, of a `COMMIT`), and a log or its index for which there is no room cannot be opened.
  func isFull(_ error: DatabaseError) -> Bool {
    switch (error.resultCode, error.extendedResultCode) {
    case (.SQLITE_FULL, _): true
    case (.SQLITE_CANTOPEN, _), (_, .SQLITE_IOERR_WRITE), (_, .SQLITE_IOERR_SHMOPEN), (_, .SQLITE_IOERR_SHMSIZE),
      (_, .SQLITE_IOERR_SHMMAP):
      !takesMore()
    default: false
    }
  }
}
