import MailboxEngine
import ServerStorage

/// What the server does every minute without being asked.
struct Upkeep: Sendable {
  private static let interval = Duration.seconds(60)

  let engine: MailboxEngine
  let store: SQLiteMailboxStore

  /// Goes on until its task is cancelled.
  ///
  /// - Throws: when the disk has failed for good.
  func run() async throws {
    while !Task.isCancelled {
      // What does not succeed now does in a minute: expired envelopes are hidden, deleted or not.
      try? await engine.expire()
      try? await store.truncateLog()
      engine.wakes.wakeAll()
      if store.hasFailed { throw ServerFailure.diskFailed }
      do { try await Task.sleep(for: Self.interval) } catch { return }
    }
  }
}
