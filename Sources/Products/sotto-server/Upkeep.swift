import CProcess
import MailboxEngine
import ServerStorage

/// What the server does every minute without being asked.
struct Upkeep: Sendable {
  private static let interval = Duration.seconds(60)

  let engine: MailboxEngine
  let store: SQLiteMailboxStore
  let rows: RowCounter
  let log: ServerLog
  /// Sees to the certificate and to the issuer key.
  let renew: @Sendable () async -> Void

  /// Goes on until its task is cancelled.
  ///
  /// - Throws: when the disk has failed for good.
  func run() async throws {
    while !Task.isCancelled {
      // What does not succeed now does in a minute: expired envelopes are hidden, deleted or not.
      try? await engine.expire()
      try? await store.truncateLog()
      _ = await rows.counts()
      engine.wakes.wakeAll()
      await renew()
      // What thousands of connections had in use a minute ago.
      sotto_give_back_memory()
      log.debug("upkeep is done", ("waiting_writes", .count(store.waitingWriteCount)))
      if store.hasFailed { throw ServerFailure.diskFailed }
      do { try await Task.sleep(for: Self.interval) } catch { return }
    }
  }
}
