import CryptoSuite
import GRDB
public import MailboxEngine
public import SottoProtocol
import Synchronization

/// The store of a server on one machine: SQLite with a write-ahead log, flushed before anything is accepted.
///
/// One process at a time puts envelopes into a database (`ServerLock`): what waits in a mailbox is known in memory alone.
public final class SQLiteMailboxStore: MailboxStore {
  /// Acknowledged cells that wait to be deleted. They go with the others of about a minute, so that one transaction's deletions
  /// are not one owner's.
  private static let deletionCount = 1_024

  let pool: DatabasePool
  private let writer: GroupCommit
  private let observer: StoreObserver
  private let veil: Secret
  let cache = QueueCache()
  private let old = OldTables()
  /// The last sequence: the number of this opening, and below it a count of all envelopes since.
  private let lastSequence: Mutex<UInt64>

  init(
    path: String, veil: Secret, checking: Bool, observer: @escaping StoreObserver = { _ in }
  ) throws(ServerStorageError) {
    self.observer = observer
    self.veil = veil
    let old = old
    do {
      try Schema.widenPages(path: path)
      pool = try DatabasePool(path: path, configuration: Schema.configuration)
      let boot = try pool.writeWithoutTransaction { db in
        let boot = try Schema.prepare(db, checking: checking)
        try old.find(db)
        return boot
      }
      lastSequence = Mutex(boot << 40)
    } catch let error as ServerStorageError {
      throw error
    } catch let error as DatabaseError {
      switch error.resultCode {
      case .SQLITE_NOTADB: throw .notADatabase
      case .SQLITE_CORRUPT: throw .databaseDamaged
      default: throw .database(code: error.extendedResultCode.rawValue)
      }
    } catch {
      throw .databaseDamaged
    }
    writer = GroupCommit(pool, cache: cache, observer: observer)
  }

  /// Whether the disk has failed in a way that only opening the database again can mend.
  public var hasFailed: Bool { writer.hasFailed }

  /// Writes that no transaction has taken up yet.
  public var waitingWriteCount: Int { writer.waitingCount }

  /// Deletes what was acknowledged, moves the write-ahead log into the database and cuts it to nothing, so that no old page
  /// lies in it for long. To be called about every minute; when readers are in the way, the next call does it.
  public func truncateLog() async throws(StoreFailure) {
    try await deleteAcknowledged()
    let result: Result<Void, StoreFailure> = await withCheckedContinuation { continuation in
      pool.asyncWriteWithoutTransaction { db in
        let isDone = (try? db.checkpoint(.truncate)) != nil
        continuation.resume(returning: isDone ? .success(()) : .failure(.unavailable))
      }
    }
    try result.get()
  }

  /// Waits for what is being done, and closes the files.
  public func close() throws(StoreFailure) {
    do {
      if !hasFailed, cache.hasDeletions {
        let cache = cache
        try? pool.write { try EnvelopeRows.deleteAcknowledged($0, cache) }
      }
      try pool.close()
    } catch { throw .unavailable }
  }

  // MARK: Access

  func read<Value: Sendable>(
    _ body: @escaping @Sendable (Context) throws -> Value
  ) async throws(StoreFailure) -> Value {
    let (veil, cache, old) = (veil, cache, old)
    let result: Result<Value, StoreFailure> = await withCheckedContinuation { continuation in
      pool.asyncRead { database in
        do {
          let context = Context(db: try database.get(), veil: veil, cache: cache, old: old)
          continuation.resume(returning: .success(try body(context)))
        } catch {
          continuation.resume(returning: .failure(.unavailable))
        }
      }
    }
    return try result.get()
  }

  private func write<Value: Sendable>(
    _ body: @escaping @Sendable (Context) throws -> Value
  ) async throws(StoreFailure) -> Value {
    let (veil, cache, old) = (veil, cache, old)
    return try await writer.write { try body(Context(db: $0, veil: veil, cache: cache, old: old)) }
  }

  /// Moves what an older schema holds of a place, before the place is used.
  private func settle(_ kind: OldTables.Kind, _ place: StoredPlace) async throws(StoreFailure) {
    guard old.contains(kind), try await read({ try OldRows.contains(kind, place, $0.db) }) else { return }
    try await write { try OldRows($0).move(kind, place, sequence: self.nextSequence) }
  }

  private func settle(_ mailboxes: some Collection<StoredPlace>) async throws(StoreFailure) {
    guard old.contains(.mailboxes) else { return }
    for mailbox in mailboxes { try await settle(.mailboxes, mailbox) }
  }

  private func nextSequence() -> UInt64 {
    lastSequence.withLock { last in
      last += 1
      return last
    }
  }

  // MARK: Registration

  public func addVouchers(_ vouchers: [StoredName], expires: Day) async throws(StoreFailure) {
    try await write { try TokenRows($0.db).add(vouchers, expires: expires) }
  }

  public func issueVouchers(
    _ vouchers: [StoredName], expires: Day, for mailbox: StoredPlace, quota: Int
  ) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, mailbox)
    return try await write { context in
      let outcome = try MailboxRows(context, mailbox).use { $0.useVouchers(vouchers.count, quota: quota, periodEnds: $1) }
      if outcome == .done { try TokenRows(context.db).add(vouchers, expires: expires) }
      return outcome
    }
  }

  public func redeem(_ voucher: StoredName, for batch: StoredName, today: Day) async throws(StoreFailure) -> Bool {
    try await write { try TokenRows($0.db).redeem(voucher, for: batch, today: today) }
  }

  public func countTokens(_ count: Int, for mailbox: StoredPlace, quota: Int) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, mailbox)
    return try await write { context in
      try MailboxRows(context, mailbox).use { $0.useTokens(count, quota: quota, periodEnds: $1) }
    }
  }

  public func spend(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool {
    try await write { try TokenRows($0.db).spend(tokens, today: today) }
  }

  public func register(_ mailbox: NewMailbox, today: Day) async throws(StoreFailure) -> SpendOutcome {
    try await settle(.mailboxes, mailbox.place)
    return try await write { context in
      try MailboxRows(context, mailbox.place).register(ownerKey: mailbox.ownerKey, sealKey: mailbox.sealKey) {
        try TokenRows(context.db).spend(mailbox.token, today: today)
      }
    }
  }

  public func ownerKey(of mailbox: StoredPlace) async throws(StoreFailure) -> PublicKey32? {
    try await settle(.mailboxes, mailbox)
    return try await read { try MailboxRows($0, mailbox).record()?.ownerKey }
  }

  // MARK: Envelopes

  public func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredPlace) async throws(StoreFailure) {
    try await settle(.mailboxes, mailbox)
    try await write { try MailboxRows($0, mailbox).setDeliveryKeys(keys) }
  }

  public func sealKeys(for targets: [DeliveryTarget]) async throws(StoreFailure) -> [PublicKey32?] {
    try await settle(targets.map(\.mailbox))
    return try await read { context in
      try targets.map { target in
        // One damaged record is one recipient who cannot be reached, and no reason to refuse the others.
        do { return try MailboxRows(context, target.mailbox).sealKey(showing: target.deliveryKey) } catch is DamagedRow { return nil }
      }
    }
  }

  public func append(_ copies: [SealedCopy], today: Day) async throws(StoreFailure) -> [RecipientAnswer] {
    try await settle(copies.map(\.target.mailbox))
    return try await write { context in try copies.map { try self.deliver($0, context, today) } }
  }

  private func deliver(_ copy: SealedCopy, _ context: Context, _ today: Day) throws -> RecipientAnswer {
    try MailboxRows(context, copy.target.mailbox).append(copy, today: today, sequence: nextSequence)
  }

  public func read(
    _ mailbox: StoredPlace, after sequence: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> [StoredEnvelope] {
    try await settle(.mailboxes, mailbox)
    if let items = cache.page(mailbox.name, after: sequence, page, today: today) {
      return items.isEmpty ? [] : try await read { try Self.envelopes(items, of: mailbox, $0) }
    }
    let load = cache.beginLoad(mailbox.name)
    return try await read { context in
      let queue = try EnvelopeRows(context.db, context.cache, mailbox, RowKeys(mailbox)).load()
      context.cache.endLoad(load, mailbox.name, queue)
      return try Self.envelopes(queue.page(after: sequence, page, today: today), of: mailbox, context)
    }
  }

  /// The envelopes of these items that this transaction sees: not those that the writer is about to commit.
  private static func envelopes(
    _ items: [Queue.Item], of mailbox: StoredPlace, _ context: Context
  ) throws -> [StoredEnvelope] {
    let rows = EnvelopeRows(context.db, context.cache, mailbox, RowKeys(mailbox))
    return try items.compactMap { try rows.read($0) }
  }

  public func acknowledge(_ mailbox: StoredPlace, through sequence: UInt64) async throws(StoreFailure) {
    try await settle(.mailboxes, mailbox)
    let keys = RowKeys(mailbox)
    func acknowledge() -> Int? {
      cache.acknowledge(mailbox.name, through: sequence) { EnvelopeRows.deletions($0, keys) }
    }
    var count = acknowledge()
    while count == nil {
      try await write { try EnvelopeRows($0.db, $0.cache, mailbox, keys).ensureLoaded() }
      count = acknowledge()
    }
    if let count, count >= Self.deletionCount { try await deleteAcknowledged() }
  }

  private func deleteAcknowledged() async throws(StoreFailure) {
    guard cache.hasDeletions else { return }
    try await write { try EnvelopeRows.deleteAcknowledged($0.db, $0.cache) }
  }

  // MARK: Key packages

  public func publish(_ publication: Publication, today: Day) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, publication.mailbox)
    try await settle(.blobs, publication.capability)
    return try await write { try BlobRows($0, publication.capability).publish(publication, today: today) }
  }

  public func claim(
    _ capability: StoredPlace, by claimer: StoredName, today: Day
  ) async throws(StoreFailure) -> [UInt8]? {
    try await settle(.blobs, capability)
    return try await write { try BlobRows($0, capability).claim(by: claimer, today: today) }
  }

  public func withdraw(_ capability: StoredPlace, publisher: StoredName) async throws(StoreFailure) -> Bool {
    try await settle(.blobs, capability)
    return try await write { try BlobRows($0, capability).withdraw(publisher: publisher) }
  }

  // MARK: Handle logs

  public func createLog(_ log: NewLog, today: Day) async throws(StoreFailure) -> SpendOutcome {
    try await settle(.logs, log.place)
    return try await write { context in
      try LogRows(context, log.place).create(log) { try TokenRows(context.db).spend(log.token, today: today) }
    }
  }

  public func append(_ append: StoredAppend, today: Day) async throws(StoreFailure) -> AppendOutcome {
    try await settle(.logs, append.log)
    try await settle(append.copies.map(\.target.mailbox))
    return try await write { context in
      try LogRows(context, append.log).append(append, today: today) { try self.deliver($0, context, today) }
    }
  }

  public func rotate(
    _ log: StoredPlace, slot: UInt64, rotation: StoredRotation, identifier: StoredName
  ) async throws(StoreFailure) -> RotateOutcome {
    try await settle(.logs, log)
    return try await write { try LogRows($0, log).rotate(slot: slot, rotation: rotation, identifier: identifier) }
  }

  public func readLog(
    _ log: StoredPlace, from slot: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> LogPage? {
    try await settle(.logs, log)
    return try await read { try LogRows($0, log).read(from: slot, page: page, today: today) }
  }

  public func groupInfo(_ log: StoredPlace) async throws(StoreFailure) -> [UInt8]? {
    try await settle(.logs, log)
    return try await read { try LogRows($0, log).groupInfo() }
  }

  // MARK: Upkeep

  /// Works in steps of some hundred rows, each a transaction, so that others write in between.
  public func expire(today: Day) async throws(StoreFailure) {
    var mayBeMore = true
    while mayBeMore {
      let (more, rowCount) = try await write { context in
        let before = context.db.totalChangesCount
        return (try UpkeepRows(context).expireSome(today: today), context.db.totalChangesCount - before)
      }
      if rowCount > 0 { observer(.expired(rowCount: rowCount)) }
      mayBeMore = more
    }
    guard try await read({ try UpkeepRows($0).mustRefresh(today: today) }) else { return }
    for table in RecordRows.Table.allCases {
      var last: [UInt8]? = []
      while let start = last {
        last = try await write { try RecordRows($0.db, table, veil: $0.veil).refreshSome(after: start) }
      }
    }
    try await write { try UpkeepRows($0).endRefresh(today: today) }
  }
}
