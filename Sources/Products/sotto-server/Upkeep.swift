import CProcess
import MailboxEngine
import ServerStorage

/// What the server does every minute without being asked.
struct Upkeep: Sendable {
  private static let interval = Duration.seconds(60)

  let engine: MailboxEngine
  let store: SQLiteMailboxStore
  let directory: ServerDirectory
  let rows: RowCounter
  let log: ServerLog
  /// Tells the operator that the reserve of the disk is given up.
  let noteReserve: @Sendable () -> Void
  /// Sees to the certificate and to the issuer key.
  let renew: @Sendable () async -> Void

  /// Goes on until its task is cancelled.
  ///
  /// - Throws: when the disk has failed for good.
  func run() async throws {
    while !Task.isCancelled {
      if directory.tendReserve() { noteReserve() }
      do { try await tidy() } catch {
        // A quota may be used up that the disk's own numbers do not show.
        if error == .noRoom, directory.giveUpReserve() {
          noteReserve()
          try? await tidy()
        }
      }
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

  /// What does not succeed now does in a minute: expired envelopes are hidden, deleted or not. The log is cut in any case.
  private func tidy() async throws(StoreFailure) {
    let expiry: StoreFailure?
    do {
      try await engine.expire()
      expiry = nil
    } catch { expiry = error }
    try await store.truncateLog()
    if let expiry { throw expiry }
  }
}
