import GRDB
public import MailboxEngine
public import SottoProtocol

/// The store of a server on one machine: SQLite with a write-ahead log, flushed before anything is accepted.
public final class SQLiteMailboxStore: MailboxStore {
  let pool: DatabasePool
  private let writer: GroupCommit
  private let observer: StoreObserver

  init(path: String, checking: Bool, observer: @escaping StoreObserver = { _ in }) throws(ServerStorageError) {
    self.observer = observer
    do {
      pool = try DatabasePool(path: path, configuration: Schema.configuration)
      try pool.writeWithoutTransaction { try Schema.prepare($0, checking: checking) }
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
    writer = GroupCommit(pool, observer: observer)
  }

  /// Whether the disk has failed in a way that only opening the database again can mend.
  public var hasFailed: Bool { writer.hasFailed }

  /// Writes that no transaction has taken up yet.
  public var waitingWriteCount: Int { writer.waitingCount }

  /// Moves the write-ahead log into the database and cuts it to nothing, so that no old page lies in it for long. To be
  /// called about every minute; when readers are in the way, the next call does it.
  public func truncateLog() async throws(StoreFailure) {
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
    do { try pool.close() } catch { throw .unavailable }
  }

  // MARK: Access

  func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(StoreFailure) -> Value {
    let result: Result<Value, StoreFailure> = await withCheckedContinuation { continuation in
      pool.asyncRead { database in
        do {
          continuation.resume(returning: .success(try body(try database.get())))
        } catch {
          continuation.resume(returning: .failure(.unavailable))
        }
      }
    }
    return try result.get()
  }

  private func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(StoreFailure) -> Value {
    try await writer.write(body)
  }

  // MARK: Registration

  public func addTokens(_ tokens: [StoredName], expires: Day) async throws(StoreFailure) {
    try await write { try TokenRows($0).add(tokens, expires: expires) }
  }

  public func issueTokens(
    _ tokens: [StoredName], expires: Day, for mailbox: StoredPlace, quota: Int
  ) async throws(StoreFailure) -> OwnerOutcome {
    try await write { try MailboxRows($0).issueTokens(tokens, expires: expires, for: mailbox.name, quota: quota) }
  }

  public func register(_ mailbox: NewMailbox, today: Day) async throws(StoreFailure) -> Bool {
    try await write { try MailboxRows($0).register(mailbox, today: today) }
  }

  public func ownerKey(of mailbox: StoredPlace) async throws(StoreFailure) -> PublicKey32? {
    try await read { try MailboxRows($0).ownerKey(of: mailbox.name) }
  }

  // MARK: Envelopes

  public func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredPlace) async throws(StoreFailure) {
    try await write { try MailboxRows($0).setDeliveryKeys(keys, of: mailbox.name) }
  }

  public func sealKeys(for targets: [DeliveryTarget]) async throws(StoreFailure) -> [PublicKey32?] {
    try await read { db in
      let rows = MailboxRows(db)
      return try targets.map { try rows.sealKey(for: $0) }
    }
  }

  public func append(_ copies: [SealedCopy], today: Day) async throws(StoreFailure) -> [RecipientAnswer] {
    try await write { db in
      let rows = EnvelopeRows(db)
      return try copies.map { try rows.append($0, today: today) }
    }
  }

  public func read(
    _ mailbox: StoredPlace, after sequence: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> [StoredEnvelope] {
    try await read { try EnvelopeRows($0).read(mailbox.name, after: sequence, page: page, today: today) }
  }

  public func acknowledge(_ mailbox: StoredPlace, through sequence: UInt64) async throws(StoreFailure) {
    try await write { try EnvelopeRows($0).acknowledge(mailbox.name, through: sequence) }
  }

  // MARK: Key packages

  public func publish(_ publication: Publication, today: Day) async throws(StoreFailure) -> OwnerOutcome {
    try await write { try BlobRows($0).publish(publication) }
  }

  public func claim(
    _ capability: StoredPlace, by claimer: StoredName, today: Day
  ) async throws(StoreFailure) -> [UInt8]? {
    try await write { try BlobRows($0).claim(capability.name, by: claimer, today: today) }
  }

  public func withdraw(_ capability: StoredPlace, publisher: StoredName) async throws(StoreFailure) -> Bool {
    try await write { try BlobRows($0).withdraw(capability.name, publisher: publisher) }
  }

  // MARK: Handle logs

  public func createLog(_ log: NewLog) async throws(StoreFailure) -> Bool {
    try await write { try LogRows($0).create(log) }
  }

  public func append(_ append: StoredAppend, today: Day) async throws(StoreFailure) -> AppendOutcome {
    try await write { try LogRows($0).append(append, today: today) }
  }

  public func rotate(
    _ log: StoredPlace, slot: UInt64, rotation: StoredRotation, identifier: StoredName
  ) async throws(StoreFailure) -> RotateOutcome {
    try await write { try LogRows($0).rotate(log.name, slot: slot, rotation: rotation, identifier: identifier) }
  }

  public func readLog(
    _ log: StoredPlace, from slot: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> LogPage? {
    try await read { try LogRows($0).read(log.name, from: slot, page: page, today: today) }
  }

  public func groupInfo(_ log: StoredPlace) async throws(StoreFailure) -> [UInt8]? {
    try await read { try LogRows($0).groupInfo(log.name) }
  }

  // MARK: Upkeep

  /// Deletes in steps of some hundred rows, each a transaction, so that others write in between.
  public func expire(today: Day) async throws(StoreFailure) {
    var mayBeMore = true
    while mayBeMore {
      let (more, rowCount) = try await write { db in
        let before = db.totalChangesCount
        return (try UpkeepRows(db).expireSome(today: today), db.totalChangesCount - before)
      }
      if rowCount > 0 { observer(.expired(rowCount: rowCount)) }
      mayBeMore = more
    }
  }
}
