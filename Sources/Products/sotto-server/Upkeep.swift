import CProcess
import MailboxEngine
import ServerStorage

/// What the server does every minute without being asked.
struct Upkeep: Sendable {
  private static let interval = Duration.seconds(60)

  let engine: MailboxEngine
  let store: SQLiteMailboxStore
  let reserve: ReserveKeeper
  let rows: RowCounter
  let log: ServerLog
  /// Sees to the certificate and to the issuer key.
  let renew: @Sendable () async -> Void

  /// Goes on until its task is cancelled.
  ///
  /// - Throws: when the disk has failed for good.
  func run() async throws {
    while !Task.isCancelled {
      reserve.tend()
      do { try await tidy() } catch {
        // A quota may be used up that the disk's own numbers do not show.
        if error == .noRoom, reserve.giveUp() { try? await tidy() }
      }
      // Counting reads all of the database, which may take longer than what has to be done every minute can wait.
      Task { [rows] in _ = await rows.counts() }
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
    var failures: [StoreFailure] = []
    do { try await engine.expire() } catch { failures.append(error) }
    do { try await store.truncateLog() } catch { failures.append(error) }
    if let failure = StoreFailure.foremost(of: failures) { throw failure }
  }
}
