import GRDB
import MailboxEngine
import Synchronization

/// Does reads that come while others are being done together, in one transaction, and no more transactions at a time than it has lanes.
///
/// What surrounds a read (two changes of threads, a transaction, pages that are read anew after each commit) costs more than
/// to look up a row. A transaction takes what waits before it begins, so a read sees all that was committed before it was
/// asked for.
final class GroupRead: Sendable {
  /// Small reads in one transaction: as many pages of envelopes, or 32 times as many lookups, are some tens of milliseconds.
  static let smallBatchCount = 32
  /// Transactions side by side, of what is short and of what takes long.
  static let laneCount = 2
  /// Connections: for both, and for one read of everything.
  static let connectionCount = 2 * laneCount + 1

  typealias Read = @Sendable (Result<Database, any Error>) -> Void

  private let pool: DatabasePool
  private let line: Mutex<BatchLine<Read>>

  init(_ pool: DatabasePool, batchCount: Int, laneCount: Int = laneCount) {
    self.pool = pool
    line = Mutex(BatchLine(batchCount: batchCount, laneCount: laneCount))
  }

  /// Calls `read` once: in a transaction, or with what kept it from beginning.
  func add(_ read: @escaping Read) {
    if line.withLock({ $0.add(read) }) { schedule() }
  }

  /// The transaction is begun here, since one that the pool begins has seen the database before this can take what waits.
  private func schedule() { pool.asyncUnsafeRead { self.drain($0) } }

  private func drain(_ connection: Result<Database, any Error>) {
    perform(line.withLock { $0.takeBatch() }, connection)
    if line.withLock({ $0.endBatch() }) { schedule() }
  }

  private func perform(_ batch: [Read], _ connection: Result<Database, any Error>) {
    guard !batch.isEmpty else { return }
    do {
      let db = try connection.get()
      let rows = Rows(db)
      try rows.run("BEGIN DEFERRED")
      for read in batch { read(.success(db)) }
      // It has read, so there is nothing that could be lost.
      do { try rows.run("COMMIT") } catch { try? db.rollback() }
    } catch {
      for read in batch { read(.failure(error)) }
    }
  }
}
