import GRDB
import MailboxEngine
import Synchronization

/// How much a server may take: of its disk, and in mailboxes.
public struct StorageLimits: Sendable, Equatable {
  /// Bytes of the database's pages in use and of its write-ahead log beyond which nothing is added.
  public var maximumByteCount = Int.max
  /// Bytes of the disk that stay free: for the log, for deleting, and for whatever else lives there.
  public var minimumFreeByteCount = 0
  /// Mailboxes in all.
  public var maximumMailboxCount = Int.max
  /// Vouchers that the owners of mailboxes may hand out in a day, all together.
  public var maximumInvitationsPerDay = Int.max

  public init() {}

  /// What a server keeps to unless its operator says otherwise.
  public static let standard = {
    var limits = StorageLimits()
    limits.maximumByteCount = 32 << 30
    limits.minimumFreeByteCount = 256 << 20
    limits.maximumMailboxCount = 100_000
    limits.maximumInvitationsPerDay = 500
    return limits
  }()
}

/// Looks how much room there is, once for each transaction that adds something. What acknowledges and what expires is never
/// held up by it; what changes records or withdraws them hardly ever.
final class StorageRoom: Sendable {
  private let path: String
  let disk: DiskSpace
  private let current: Mutex<StorageLimits>

  init(path: String, disk: DiskSpace, limits: StorageLimits) {
    self.path = path
    self.disk = disk
    current = Mutex(limits)
  }

  var limits: StorageLimits {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  /// Bytes that may be added; 0 without room, and where it cannot be known.
  ///
  /// Two numbers from the database's first page, and two questions to the system: some microseconds. Free pages in the file are
  /// room: SQLite uses them before the file grows.
  func byteCount(_ db: Database) -> Int {
    let limits = limits
    guard let pages = Self.number(db, "PRAGMA page_count"), let free = Self.number(db, "PRAGMA freelist_count"), pages >= free else {
      return 0
    }
    let onDisk = Self.byteCount(onDisk: disk.freeByteCount, minimum: limits.minimumFreeByteCount, reusable: free)
    guard limits.maximumByteCount < .max else { return max(0, onDisk) }
    let (used, overflow) = (pages - free).multipliedReportingOverflow(by: Schema.pageByteCount)
    let (sum, isBeyond) = used.addingReportingOverflow(PrivateFiles.byteCount(path + "-wal") ?? 0)
    guard !overflow, !isBeyond else { return 0 }
    return max(0, min(onDisk, limits.maximumByteCount - sum))
  }

  /// Whether there is room for what adds nothing, and changes what is there.
  ///
  /// Such changes take pages of the log until it is cut, one record's again and again, and what reads for long (a backup) keeps it from
  /// being cut. While the disk has more than is to stay free, the log may have that. Of what is to stay free it may have half: with what
  /// servers usually keep, some 1,800 changes of records with up to 64 keys. The other half is for what is deleted.
  var takesChanges: Bool {
    let minimum = limits.minimumFreeByteCount
    guard minimum > 0, (PrivateFiles.byteCount(path + "-wal") ?? 0) > minimum / 2 else { return true }
    return (disk.freeByteCount() ?? 0) >= minimum
  }

  /// What the disk has beyond what stays free. The file never shrinks: once pages of it are free, they are room, and only the log that
  /// fills them needs the disk. It may take half of what stays free for the minute until it is cut.
  private static func byteCount(onDisk free: () -> Int?, minimum: Int, reusable pages: Int) -> Int {
    guard minimum > 0 else { return .max }
    guard let free = free() else { return 0 }
    let (reusable, overflow) = pages.multipliedReportingOverflow(by: Schema.pageByteCount)
    return max(free - minimum, min(overflow ? .max : reusable, free - minimum / 2))
  }

  private static func number(_ db: Database, _ pragma: String) -> Int? { (try? Rows(db).first(pragma)).map { $0[0] } }
}

/// What different kinds of content take at most: each cell changes a page of the file, and the log gets that page too.
enum StorageCost {
  private static let page = 2 * Schema.pageByteCount

  /// Some rows that are found by name.
  static func rows(_ count: Int) -> Int { count * page }

  /// A record, with the crowd that gets fresh bytes beside it: those of some twenty rows side by side are in fewer pages than this,
  /// unless mailboxes with more than 64 delivery keys are among them.
  static let record = rows(RecordRows.crowdCount)

  static func content(_ byteCount: Int) -> Int { CellRows.cellCount(contentByteCount: byteCount) * page }

  /// Envelopes, each with its receipt.
  static func envelopes(_ copies: [SealedCopy]) -> Int {
    copies.reduce(0) { $0 + content(Queue.Item.contentByteCount($1.sealed.count)) + rows(1) }
  }
}
