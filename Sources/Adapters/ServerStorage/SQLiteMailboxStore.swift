import CryptoSuite
import GRDB
public import MailboxEngine
public import SottoProtocol
import Synchronization

/// The store of a server on one machine: SQLite with a write-ahead log, flushed before anything is accepted.
///
/// One process at a time puts envelopes into a database (`ServerLock`): what waits in a mailbox is known in memory alone.
public final class SQLiteMailboxStore: MailboxStore {
  /// Acknowledged cells that one transaction deletes.
  private static let deletionCount = 1_024
  /// Expired rows that one transaction deletes: some milliseconds, in which others wait.
  private static let expiryCount = 256
  /// Rows that a transaction deletes on a full disk. Each may change some pages, which all go into the log first: together they stay
  /// within what `ServerDirectory` keeps in reserve.
  private static let fewest = 16
  /// Pauses between attempts to cut the log, in which nobody's writes wait. Most readers are gone after some milliseconds; a backup is
  /// left to the next minute.
  private static let cutPauses = [Duration.milliseconds(10), .milliseconds(50), .milliseconds(200), .seconds(1)]
  /// Recipients that are looked up at a time: whoever names a thousand waits between them for those who name one.
  private static let lookupCount = 32

  /// What a database is opened for.
  enum Purpose {
    /// Everything.
    case serving
    /// Adding vouchers beside a server that runs: no envelopes are written, and the opening is not counted.
    case inviting
  }

  let pool: DatabasePool
  private let writer: GroupCommit
  private let reader: GroupRead
  private let longReader: GroupRead
  private let wholeReader: GroupRead
  private let room: StorageRoom
  private let observer: StoreObserver
  private let veil: Secret
  let cache: QueueCache
  let knownGrants = KnownGrants()
  private let old = OldTables()
  /// Acknowledged cells at which their minute is not waited for. Who fetches a long queue may be the only one who fetches, so the
  /// write-ahead log is cut then, too: it would show which cells are one owner's.
  private let dueCount: Int
  /// So many acknowledged cells are being deleted that nobody waited for.
  private let isDeletingEarly = Atomic(false)
  /// The last sequence: the number of this opening, and below it a count of all envelopes since. Nil where none may be written.
  private let lastSequence: Mutex<UInt64?>
  /// The number of this opening; nil for one that is not counted.
  public let opening: UInt64?
  /// The database is older than one that was in use in this directory: a disk lost what it had confirmed, or an old copy was put in
  /// its place. Sequences go on above all that were given out.
  public let isOlderThanBefore: Bool

  /// - Parameters:
  ///   - change: what may become of its tables.
  ///   - mark: the highest number of an opening that is known from elsewhere.
  ///   - dueCount: acknowledged cells that are deleted without waiting for their minute.
  init(
    path: String, veil: Secret, checking: Bool, purpose: Purpose = .serving, change: Schema.Change = .make, mark: UInt64 = 0,
    limits: StorageLimits = StorageLimits(), disk: DiskSpace? = nil, dueCount: Int = 4_096,
    observer: @escaping StoreObserver = { _ in }
  ) throws(ServerStorageError) {
    let disk = disk ?? DiskSpace(of: path)
    room = StorageRoom(path: path, disk: disk, limits: limits)
    self.observer = observer
    self.dueCount = dueCount
    cache = QueueCache { observer(.unreadable(cellCount: $0)) }
    self.veil = veil
    let old = old
    do {
      if change != .none { try Schema.widenPages(path: path) }
      pool = try DatabasePool(path: path, configuration: Schema.configuration)
      let opening = try pool.writeWithoutTransaction { db in
        try Schema.prepare(db, checking: checking, change: change)
        try old.find(db)
        return purpose == .serving ? try Schema.beginOpening(db, above: mark) : nil
      }
      self.opening = opening?.number
      isOlderThanBefore = opening?.hasForgotten ?? false
      lastSequence = Mutex(opening.map { $0.number << 40 })
    } catch let error as ServerStorageError {
      throw error
    } catch let error as DatabaseError {
      throw ServerStorageError(error, on: disk)
    } catch {
      throw .databaseDamaged
    }
    writer = GroupCommit(pool, cache: cache, grants: knownGrants, room: room, observer: observer)
    reader = GroupRead(pool, batchCount: GroupRead.smallBatchCount)
    longReader = GroupRead(pool, batchCount: 1)
    wholeReader = GroupRead(pool, batchCount: 1, laneCount: 1)
  }

  /// Uses other limits from now on.
  public func replaceLimits(with limits: StorageLimits) { room.limits = limits }

  /// Whether the disk has failed in a way that only opening the database again can mend.
  public var hasFailed: Bool { writer.hasFailed }

  /// Writes that no transaction has taken up yet.
  public var waitingWriteCount: Int { writer.waitingCount }

  /// Deletes what was acknowledged, moves the write-ahead log into the database and cuts it to nothing, so that no old page
  /// lies in it for long. To be called about every minute.
  ///
  /// - Throws: `.noRoom` where any of it found none; `.unavailable` also where readers are in the way: the next call does it.
  public func truncateLog() async throws(StoreFailure) {
    var failures: [StoreFailure] = []
    do { try await deleteAcknowledged() } catch { failures.append(error) }
    do { try await cutLog() } catch { failures.append(error) }
    knownGrants.age()
    if let failure = StoreFailure.foremost(of: failures) { throw failure }
  }

  private func cutLog() async throws(StoreFailure) {
    for pause in Self.cutPauses {
      if try await cutLogNow() { return }
      try? await Task.sleep(for: pause)
    }
    guard try await cutLogNow() else { throw .unavailable }
  }

  /// - Returns: false while a reader is in the way. It is not waited for here, on the writer, since everybody's writes would wait.
  private func cutLogNow() async throws(StoreFailure) -> Bool {
    let result: Result<Bool, StoreFailure> = await withCheckedContinuation { continuation in
      pool.asyncWriteWithoutTransaction { [observer, disk = room.disk] db in
        do {
          let patience = try Int.fetchOne(db, sql: "PRAGMA busy_timeout") ?? 0
          try db.execute(sql: "PRAGMA busy_timeout = 0")
          defer { try? db.execute(sql: "PRAGMA busy_timeout = \(patience)") }
          try db.checkpoint(.truncate)
          continuation.resume(returning: .success(true))
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
          continuation.resume(returning: .success(false))
        } catch let error as DatabaseError where disk.isFull(error) {
          observer(.noRoom(writeCount: 0))
          continuation.resume(returning: .failure(.noRoom))
        } catch {
          if let error = error as? DatabaseError { observer(.checkpointFailed(code: error.extendedResultCode.rawValue)) }
          continuation.resume(returning: .failure(.unavailable))
        }
      }
    }
    return try result.get()
  }

  /// Deletes step by step, each a transaction of its own. What is deleted takes room in the log before it gives any back, so on a full
  /// disk the steps are small and the log is cut between them.
  ///
  /// - Parameter step: deletes at most so many rows, and says whether there may be more.
  private func delete(atMost count: Int, _ step: (_ count: Int) async throws(StoreFailure) -> Bool) async throws(StoreFailure) {
    var limit = count
    var mayBeMore = true
    while mayBeMore {
      do {
        mayBeMore = try await step(limit)
      } catch {
        guard error == .noRoom, limit > Self.fewest else { throw error }
        limit = Self.fewest
      }
      // Readers may be in the way: then the next step finds no room, and all this goes on in a minute.
      if limit == Self.fewest { try? await cutLog() }
    }
  }

  /// Waits for what is being done, deletes what was acknowledged from the files, and closes them. A disk that does not let it be deleted
  /// costs nothing that was promised: the next opening does it.
  public func close() throws(StoreFailure) {
    do {
      if !hasFailed, opening != nil {
        let cache = cache
        if cache.hasDeletions { try? pool.write { _ = try EnvelopeRows.deleteAcknowledged($0, cache, atMost: .max) } }
        // SQLite would do it with the last connection, if that could write; but a pool closes its writer first.
        try? pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
      }
      try pool.close()
    } catch { throw .unavailable }
  }

  // MARK: Access

  /// What a read works with.
  enum Extent {
    /// Some rows.
    case rows
    /// As many as a queue or a log has: it has a transaction of its own, and however many come, small reads do not wait for them.
    case many
    /// Everything, for the operator: one at a time, and no client's read waits for it.
    case everything
  }

  func read<Value: Sendable>(
    of extent: Extent = .rows, _ body: @escaping @Sendable (Context) throws -> Value
  ) async throws(StoreFailure) -> Value {
    let result: Result<Value, StoreFailure> = await withCheckedContinuation { continuation in
      let read: GroupRead.Read = { database in
        do {
          continuation.resume(returning: .success(try body(self.context(try database.get()))))
        } catch {
          continuation.resume(returning: .failure(.unavailable))
        }
      }
      switch extent {
      case .rows: reader.add(read)
      case .many: longReader.add(read)
      case .everything: wholeReader.add(read)
      }
    }
    return try result.get()
  }

  private func context(_ db: Database) -> Context { Context(db: db, veil: veil, cache: cache, grants: knownGrants, old: old) }

  /// - Parameter addition: bytes that it may add (`StorageCost`); 0 for what changes only what is there; nil for what is never held up for
  ///   want of room.
  private func write<Value: Sendable>(
    adding addition: Int? = 0, _ body: @escaping @Sendable (Context) throws -> Value
  ) async throws(StoreFailure) -> Value {
    try await writer.write(adding: addition) { try body(self.context($0)) }
  }

  /// Deletes, in a transaction of its own.
  private func writeAlone<Value: Sendable>(_ body: @escaping @Sendable (Context) throws -> Value) async throws(StoreFailure) -> Value {
    try await writer.writeAlone { try body(self.context($0)) }
  }

  /// Moves what an older schema holds of a place, before the place is used.
  private func settle(_ kind: OldTables.Kind, _ place: StoredPlace) async throws(StoreFailure) {
    guard old.contains(kind), try await read({ try OldRows.contains(kind, place, $0.db) }) else { return }
    try await write(adding: nil) { try OldRows($0).move(kind, place, sequence: self.nextSequence) }
  }

  private func settle(_ mailboxes: some Collection<StoredPlace>) async throws(StoreFailure) {
    guard old.contains(.mailboxes) else { return }
    for mailbox in mailboxes { try await settle(.mailboxes, mailbox) }
  }

  private func nextSequence() throws -> UInt64 {
    let next = lastSequence.withLock { last in
      last = last.map { $0 + 1 }
      return last
    }
    guard let next else { throw NotServing() }
    return next
  }

  // MARK: Registration

  public func addVouchers(_ vouchers: [StoredName], expires: Day) async throws(StoreFailure) {
    try await write(adding: StorageCost.rows(vouchers.count)) { try TokenRows($0.db).add(vouchers, expires: expires) }
  }

  public func withdrawVoucher(_ voucher: StoredName, today: Day) async throws(StoreFailure) -> VoucherWithdrawal {
    try await write { try TokenRows($0.db).withdraw(voucher, today: today) }
  }

  public func issueVouchers(
    _ vouchers: [StoredName], expires: Day, for mailbox: StoredPlace, quota: Int, today: Day
  ) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, mailbox)
    return try await write(adding: StorageCost.record + StorageCost.rows(vouchers.count)) { [limits = room.limits] context in
      let outcome = try MailboxRows(context, mailbox).use { record, periodEnds in
        try record.useVouchers(vouchers.count, quota: quota, periodEnds: periodEnds)
          && RegistrationRows(context.db).admitInvitations(vouchers.count, limits, today: today)
      }
      if outcome == .done { try TokenRows(context.db).add(vouchers, expires: expires) }
      return outcome
    }
  }

  public func redeem(_ voucher: StoredName, for batch: StoredName, today: Day) async throws(StoreFailure) -> Bool {
    try await write(adding: StorageCost.rows(1)) { try TokenRows($0.db).redeem(voucher, for: batch, today: today) }
  }

  public func countTokens(_ count: Int, for mailbox: StoredPlace, quota: Int) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, mailbox)
    return try await write { context in
      try MailboxRows(context, mailbox).use { $0.useTokens(count, quota: quota, periodEnds: $1) }
    }
  }

  public func spend(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool {
    try await write(adding: StorageCost.rows(tokens.count)) { try TokenRows($0.db).spend(tokens, today: today) }
  }

  public func areUnspent(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool {
    try await read { context in
      let rows = TokenRows(context.db)
      return try !tokens.contains { try rows.isSpent($0, today: today) }
    }
  }

  public func register(_ mailbox: NewMailbox, today: Day) async throws(StoreFailure) -> SpendOutcome {
    try await settle(.mailboxes, mailbox.place)
    let outcome = try await write(adding: StorageCost.record + StorageCost.rows(1)) { [limits = room.limits] context in
      try MailboxRows(context, mailbox.place).register(ownerKey: mailbox.ownerKey, sealKey: mailbox.sealKey) {
        let tokens = TokenRows(context.db)
        // A token that is refused is counted nowhere, and one that finds no room is not spent.
        guard try !tokens.isSpent(mailbox.token, today: today) else { return .tokenSpent }
        guard try RegistrationRows(context.db).admitMailbox(limits) else { return nil }
        return try tokens.spend(mailbox.token, today: today) ? .done : .tokenSpent
      }
    }
    guard let outcome else { throw .noRoom }
    return outcome
  }

  public func ownerKey(of mailbox: StoredPlace) async throws(StoreFailure) -> PublicKey32? {
    try await settle(.mailboxes, mailbox)
    return try await read { try MailboxRows($0, mailbox).record()?.ownerKey }
  }

  // MARK: Envelopes

  public func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredPlace) async throws(StoreFailure) {
    try await settle(.mailboxes, mailbox)
    let capacity = MailboxRecord.capacity(for: keys.count)
    var cost = 0
    if capacity > MailboxRecord.capacity(for: 0) {
      // A record that has to grow needs room; keys that take the place of others are never held up.
      let count = try await read { try MailboxRows($0, mailbox).record()?.deliveryKeyCount } ?? 0
      if capacity > MailboxRecord.capacity(for: count) { cost = StorageCost.content(capacity * StoredName.shortByteCount) }
    }
    try await write(adding: cost) { try MailboxRows($0, mailbox).setDeliveryKeys(keys) }
  }

  public func grants(for targets: [DeliveryTarget]) async throws(StoreFailure) -> [DeliveryGrant?] {
    try await settle(targets.map(\.mailbox))
    // Before the records are read: what changes from now on is looked at again.
    let versions = targets.map { knownGrants.version(of: $0.mailbox.name) }
    var found = zip(targets, versions).map { knownGrants.grant(for: $0, version: $1) }
    // Who names one again and again has it looked up once.
    var unknown: [DeliveryTarget: [Int]] = [:]
    for index in found.indices where found[index] == nil { unknown[targets[index], default: []].append(index) }
    var rest = unknown.map { (target: $0, version: versions[$1[0]], indices: $1) }[...]
    while !rest.isEmpty {
      let some = rest.prefix(Self.lookupCount)
      rest = rest.dropFirst(Self.lookupCount)
      let looked = try await read { context in
        try some.map { target, version, _ in
          // One damaged record is one recipient who cannot be reached, and no reason to refuse the others.
          do {
            let key = try MailboxRows(context, target.mailbox).sealKey(showing: target.deliveryKey)
            return key.map { DeliveryGrant(sealKey: $0, version: version) }
          } catch is DamagedRow { return nil }
        }
      }
      for case (let item, let grant?) in zip(some, looked) {
        for index in item.indices { found[index] = grant }
        knownGrants.note(grant, for: item.target)
      }
    }
    return found
  }

  public func append(_ copies: [SealedCopy], today: Day) async throws(StoreFailure) -> [CopyOutcome] {
    try await settle(copies.map(\.target.mailbox))
    return try await write(adding: StorageCost.envelopes(copies)) { context in
      try copies.map { try self.deliver($0, context, today) }
    }
  }

  private func deliver(_ copy: SealedCopy, _ context: Context, _ today: Day) throws -> CopyOutcome {
    try MailboxRows(context, copy.target.mailbox).append(copy, today: today, sequence: nextSequence)
  }

  public func read(
    _ mailbox: StoredPlace, after sequence: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> [StoredEnvelope] {
    try await settle(.mailboxes, mailbox)
    if let items = cache.page(mailbox.name, after: sequence, page, today: today) {
      guard !items.isEmpty else { return [] }
      return try await read { context in
        let rows = EnvelopeRows(context.db, context.cache, mailbox, RowKeys(mailbox))
        return try Self.envelopes(rows, context.cache, of: mailbox.name) { last in
          // A queue that is forgotten meanwhile is read anew with the next question.
          last.map { context.cache.page(mailbox.name, after: $0, page, today: today) ?? [] } ?? items
        }
      }
    }
    let load = cache.beginLoad(mailbox.name)
    return try await read(of: .many) { context in
      let rows = EnvelopeRows(context.db, context.cache, mailbox, RowKeys(mailbox))
      let queue = try rows.load()
      context.cache.endLoad(load, mailbox.name, queue)
      return try Self.envelopes(rows, context.cache, of: mailbox.name) { queue.page(after: $0 ?? sequence, page, today: today) }
    }
  }

  /// The envelopes of a page that this transaction sees: not those that the writer is about to commit. One that cannot be read any
  /// more is passed over, and so is a page of nothing else: an empty answer would say that nothing waits.
  ///
  /// - Parameter page: the items behind a sequence; behind where the client is for nil.
  private static func envelopes(
    _ rows: EnvelopeRows, _ cache: QueueCache, of name: StoredName, page: (UInt64?) -> [Queue.Item]
  ) throws -> [StoredEnvelope] {
    var items = page(nil)
    while let last = items.last {
      var envelopes: [StoredEnvelope] = []
      var unreadable: [UInt64: Int] = [:]
      for item in items {
        switch try rows.read(item) {
        case .envelope(let envelope): envelopes.append(envelope)
        case .notYet: break
        case .unreadable(let cellCount): unreadable[item.sequence] = cellCount
        }
      }
      if !unreadable.isEmpty { cache.markUnreadable(unreadable, of: name) }
      if !envelopes.isEmpty { return envelopes }
      items = page(last.sequence)
    }
    return []
  }

  public func acknowledge(_ mailbox: StoredPlace, through sequence: UInt64) async throws(StoreFailure) {
    try await settle(.mailboxes, mailbox)
    let keys = RowKeys(mailbox)
    func acknowledge() -> Bool? {
      cache.acknowledge(mailbox.name, through: sequence, dueCount: dueCount) { EnvelopeRows.deletions($0, keys) }
    }
    var isDue = acknowledge()
    while isDue == nil {
      try await write(adding: nil) { try EnvelopeRows($0.db, $0.cache, mailbox, keys).ensureLoaded() }
      isDue = acknowledge()
    }
    guard isDue == true, !isDeletingEarly.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // They are acknowledged, whether or not the disk lets them be deleted now.
    try? await truncateLog()
    isDeletingEarly.store(false, ordering: .releasing)
  }

  private func deleteAcknowledged() async throws(StoreFailure) {
    guard cache.hasDeletions else { return }
    try await delete(atMost: Self.deletionCount) { (count) async throws(StoreFailure) in
      try await writeAlone { try EnvelopeRows.deleteAcknowledged($0.db, $0.cache, atMost: count) }
    }
  }

  // MARK: Key packages

  public func publish(_ publication: Publication, today: Day) async throws(StoreFailure) -> OwnerOutcome {
    try await settle(.mailboxes, publication.mailbox)
    try await settle(.blobs, publication.capability)
    let cost = publication.blobs.reduce(2 * StorageCost.record) { $0 + StorageCost.content($1.bytes.count) }
    return try await write(adding: cost) { try BlobRows($0, publication.capability).publish(publication, today: today) }
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
    return try await write(adding: StorageCost.record + StorageCost.rows(1)) { context in
      try LogRows(context, log.place).create(log) { try TokenRows(context.db).spend(log.token, today: today) }
    }
  }

  public func append(_ append: StoredAppend, today: Day) async throws(StoreFailure) -> AppendOutcome {
    try await settle(.logs, append.log)
    try await settle(append.copies.map(\.target.mailbox))
    let cost =
      StorageCost.record + StorageCost.content(append.entry.count) + StorageCost.content(append.groupInfo.count)
      + StorageCost.envelopes(append.copies)
    return try await write(adding: cost) { context in
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
    return try await read(of: .many) { try LogRows($0, log).read(from: slot, page: page, today: today) }
  }

  public func groupInfo(_ log: StoredPlace) async throws(StoreFailure) -> [UInt8]? {
    try await settle(.logs, log)
    return try await read(of: .many) { try LogRows($0, log).groupInfo() }
  }

  // MARK: Upkeep

  /// Works in steps of some hundred rows, each a transaction, so that others write in between.
  public func expire(today: Day) async throws(StoreFailure) {
    try await delete(atMost: Self.expiryCount) { (count) async throws(StoreFailure) in
      let (mayBeMore, rowCount) = try await writeAlone { context in
        let before = context.db.totalChangesCount
        return (try UpkeepRows(context).expireSome(today: today, atMost: count), context.db.totalChangesCount - before)
      }
      if rowCount > 0 { observer(.expired(rowCount: rowCount)) }
      return mayBeMore
    }
    // Fresh bytes can wait, and nothing is given up for them.
    do { try await refresh(today: today) } catch { guard error == .noRoom else { throw error } }
  }

  private func refresh(today: Day) async throws(StoreFailure) {
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
