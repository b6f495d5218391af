import GRDB
import MailboxEngine
import Synchronization

/// Puts the writes that arrive while one transaction is being flushed into the next one together.
///
/// A flush to disk costs milliseconds and a write microseconds, so a busy server's throughput is that of its batches.
/// Each write is a savepoint of its own; all are answered after the one commit. Everything runs on the database's writer
/// queue, and no write is ever cancelled.
final class GroupCommit: Sendable {
  /// Writes in one transaction: with 16 MiB of the largest append that is some seconds of a slow disk at worst.
  private static let batchCount = 256

  private struct State {
    var line = BatchLine<any Write>(batchCount: GroupCommit.batchCount, laneCount: 1)
    var hasFailed = false
  }

  private let pool: DatabasePool
  private let cache: QueueCache
  private let grants: KnownGrants
  private let room: StorageRoom
  private let observer: StoreObserver
  private let state = Mutex(State())

  /// - Parameters:
  ///   - cache: is told what became of each transaction, before the next one begins.
  ///   - grants: so are these.
  ///   - room: is asked once for each transaction that adds something.
  init(
    _ pool: DatabasePool, cache: QueueCache, grants: KnownGrants, room: StorageRoom, observer: @escaping StoreObserver = { _ in }
  ) {
    self.pool = pool
    self.cache = cache
    self.grants = grants
    self.room = room
    self.observer = observer
  }

  /// Whether a commit has ended in a way that leaves the disk's content unknown: nothing is written any more until the
  /// database is opened again.
  var hasFailed: Bool { state.withLock { $0.hasFailed } }

  /// Writes that no transaction has taken up yet.
  var waitingCount: Int { state.withLock { $0.line.waiting.count } }

  /// Does a write in a transaction, and returns when it is on disk.
  ///
  /// - Parameter addition: bytes that it may add; 0 for what changes only what is there; nil for what is never held up.
  /// - Throws: `.noRoom` where there is no room for so many, `.unavailable`, `.outcomeUnknown`.
  func write<Result: Sendable>(
    adding addition: Int?, _ body: @escaping @Sendable (Database) throws -> Result
  ) async throws(StoreFailure) -> Result {
    let outcome = await withCheckedContinuation { continuation in
      add(TypedWrite(addition: addition, body: body) { continuation.resume(returning: $0) })
    }
    return try outcome.get()
  }

  /// Does a write that is never held up, in a transaction of its own: where that finds no room, nobody else's write fails with it.
  ///
  /// - Throws: as `write`.
  func writeAlone<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(StoreFailure) -> Result {
    let outcome = await withCheckedContinuation { continuation in
      let write = TypedWrite(addition: nil, body: body) { continuation.resume(returning: $0) }
      pool.asyncWriteWithoutTransaction { self.commit([write], $0) }
    }
    return try outcome.get()
  }

  private func add(_ write: some Write) {
    let (mustSchedule, hasFailed) = state.withLock { state in
      guard !state.hasFailed else { return (false, true) }
      return (state.line.add(write), false)
    }
    if hasFailed { return write.end(.unavailable) }
    if mustSchedule { schedule() }
  }

  private func schedule() { pool.asyncWriteWithoutTransaction { self.flush($0) } }

  private func flush(_ db: Database) {
    commit(state.withLock { $0.line.takeBatch() }, db)
    if state.withLock({ $0.line.endBatch() }) { schedule() }
  }

  private func commit(_ batch: [any Write], _ db: Database) {
    guard !hasFailed else { return end(batch, .unavailable) }
    do {
      try db.beginTransaction(.immediate)
    } catch {
      observer(.commitFailed)
      return end(batch, failure(of: error))
    }
    var applied: [any Write] = []
    func endAll(_ failure: StoreFailure?) {
      cache.end(isCommitted: failure == nil)
      grants.endTransaction(isCommitted: failure == nil)
      end(applied, failure)
    }
    /// What ended the transaction before its time.
    var lost = StoreFailure.unavailable
    for write in admitted(batch, db) {
      // A full disk, for one, makes SQLite roll back the whole transaction and not the savepoint alone.
      guard db.isInsideTransaction else {
        end([write], lost)
        continue
      }
      do {
        try inSavepoint(db) { try write.apply(db) }
        applied.append(write)
      } catch {
        cache.undo()
        grants.undo()
        lost = failure(of: error)
        end([write], lost)
      }
    }
    guard db.isInsideTransaction else {
      observer(.commitFailed)
      return endAll(lost)
    }
    let start = ContinuousClock.now
    do {
      try db.commit()
      observer(.committed(writeCount: applied.count, duration: start.duration(to: .now)))
      endAll(nil)
    } catch {
      observer(.commitFailed)
      if db.isInsideTransaction { try? db.rollback() }
      endAll(failure(ofCommit: error))
    }
  }

  private func end(_ writes: [any Write], _ failure: StoreFailure?) {
    for write in writes { write.end(failure) }
    if failure == .noRoom, !writes.isEmpty { observer(.noRoom(writeCount: writes.count)) }
  }

  /// Those writes for which there is room, in their order; the others are answered.
  private func admitted(_ batch: [any Write], _ db: Database) -> [any Write] {
    let takesChanges = !batch.contains { $0.addition == 0 } || room.takesChanges
    let adds = batch.contains { ($0.addition ?? 0) > 0 }
    guard adds || !takesChanges else { return batch }
    var left = adds ? room.byteCount(db) : 0
    var admitted: [any Write] = []
    for write in batch {
      let isAdmitted =
        switch write.addition {
        case nil: true
        case 0?: takesChanges
        case let addition?: addition <= left
        }
      guard isAdmitted else {
        write.end(.noRoom)
        continue
      }
      left -= write.addition ?? 0
      admitted.append(write)
    }
    if admitted.count < batch.count { observer(.noRoom(writeCount: batch.count - admitted.count)) }
    return admitted
  }

  /// As GRDB's own, but with statements that are prepared once: they cost more than the rest of a small write.
  private func inSavepoint(_ db: Database, _ body: () throws -> Void) throws {
    let rows = Rows(db)
    try rows.run("SAVEPOINT one")
    do {
      try body()
      try rows.run("RELEASE one")
    } catch {
      // The whole transaction may be gone by now, and the savepoint with it.
      if db.isInsideTransaction {
        do {
          try rows.run("ROLLBACK TO one")
          try rows.run("RELEASE one")
        } catch {
          // What a failing disk does not let be taken back alone is taken back with all the others.
          try? db.rollback()
        }
      }
      throw error
    }
  }

  /// What it means that something failed before its commit.
  private func failure(of error: any Error) -> StoreFailure {
    (error as? DatabaseError).map(room.disk.isFull) == true ? .noRoom : .unavailable
  }

  /// What a failed commit means.
  private func failure(ofCommit error: any Error) -> StoreFailure {
    let failure = failure(of: error)
    // Without room, the page that commits is not there.
    if failure == .noRoom || (error as? DatabaseError)?.resultCode == .SQLITE_BUSY { return failure }
    // Pages may or may not have reached the disk, and after a failed flush the system may claim that they did.
    state.withLock { $0.hasFailed = true }
    return .outcomeUnknown
  }
}

/// A write that waits for its commit.
private protocol Write: AnyObject, Sendable {
  /// Bytes that it may add; nil for what is never held up.
  var addition: Int? { get }
  func apply(_ db: Database) throws
  /// Answers the caller: with the result, or with a failure.
  func end(_ failure: StoreFailure?)
}

private final class TypedWrite<Value: Sendable>: Write {
  let addition: Int?
  private let body: @Sendable (Database) throws -> Value
  private let answer: @Sendable (Result<Value, StoreFailure>) -> Void
  private let value = Mutex<Value?>(nil)

  init(
    addition: Int?, body: @escaping @Sendable (Database) throws -> Value,
    answer: @escaping @Sendable (Result<Value, StoreFailure>) -> Void
  ) {
    self.addition = addition
    self.body = body
    self.answer = answer
  }

  func apply(_ db: Database) throws {
    let result = try body(db)
    value.withLock { $0 = result }
  }

  func end(_ failure: StoreFailure?) {
    if let failure { return answer(.failure(failure)) }
    guard let value = value.withLock({ $0 }) else { preconditionFailure("only writes that were applied are committed") }
    answer(.success(value))
  }
}
