import CryptoSuite
import Foundation
import ServerStorage
import SottoProtocol
import Synchronization
import Testing

@testable import MailboxEngine
@testable import SottoServer

/// What a server does every minute.
@Suite struct UpkeepTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)").path

  @Test(.timeLimit(.minutes(10)))
  func `the minute's work does not wait until all rows are counted`() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let directory = ServerDirectory(path)
    let store = try directory.openStore(creating: true, checking: true)
    let clock = SystemClock()
    let engine = MailboxEngine(
      store: store, secrets: try directory.keys(creating: false).secrets(),
      issuer: TokenIssuer(keys: try directory.issuerKeys(today: clock.today)), clock: clock, random: SystemRandom())
    let (renewals, renewed) = AsyncStream<Void>.makeStream()
    let (ends, end) = AsyncStream<Void>.makeStream()
    let counted = Mutex(false)
    let rows = RowCounter {
      for await _ in ends {}
      counted.withLock { $0 = true }
      return nil
    }
    let upkeep = Upkeep(
      engine: engine, store: store, reserve: ReserveKeeper(directory) {}, rows: rows, log: ServerLog(level: .info) { _ in },
      renew: { renewed.yield() })
    let task = Task { try await upkeep.run() }
    for await _ in renewals { break }
    #expect(!counted.withLock { $0 })
    end.finish()
    task.cancel()
    try await task.value
    try store.close()
  }

  @Test func `where a quota took the reserve, it is not made again for an hour`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let notes = Mutex(0)
    let keeper = ReserveKeeper(ServerDirectory(path)) { notes.withLock { $0 += 1 } }
    var isThere: Bool { FileManager.default.fileExists(atPath: "\(path)/server.reserve") }
    #expect(!keeper.giveUp(), "there is none yet")
    keeper.tend()
    #expect(isThere)
    // Something found no room, although the disk's own numbers show some.
    #expect(throws: ServerStorageError.diskFull) { try keeper.givingUp { () throws(ServerStorageError) in throw .diskFull } }
    #expect(!isThere && notes.withLock { $0 } == 1)
    for _ in 0..<ReserveKeeper.restMinutes {
      keeper.tend()
      #expect(!isThere)
    }
    #expect(notes.withLock { $0 } == 1, "it is said once")
    keeper.tend()
    #expect(isThere)
    #expect(keeper.giveUp())
    keeper.tend()
    #expect(!isThere && notes.withLock { $0 } == 2)
  }
}
