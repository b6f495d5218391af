import CryptoSuite
import Dispatch
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// What reads for long beside what has to go on.
@Suite struct LogCutTests {
  private let server: TemporaryServer

  init() throws { server = try TemporaryServer() }

  @Test(.timeLimit(.minutes(10)))
  func `the log is not cut while somebody reads it, and nobody's writes wait for that`() async throws {
    let store = try server.openStore()
    let target = try await Workload(random: SeededRandom(seed: 61)).target(in: store)
    func patience() async throws -> Int? {
      try await store.pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA busy_timeout") }
    }
    #expect(try await patience() == 5_000)
    // Whoever waits for the reader waits for longer than this test may take.
    let long = 120_000
    try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA busy_timeout = \(long)") }
    let reader = try server.reader()
    for number in UInt8(0)..<2 {
      #expect(try await store.append([Workload.copy(to: target, [number])], today: Workload.today) == [.accepted])
      await #expect(throws: StoreFailure.unavailable) { try await store.truncateLog() }
    }
    #expect(try await patience() == long, "for others who write it is as it was")
    #expect(try await Workload.readAll(target, in: store) == [[0], [1]])
    #expect(try !server.read("server.sqlite-wal").isEmpty)
    try reader.close()
    try await store.truncateLog()
    #expect(try server.read("server.sqlite-wal").isEmpty)
    try store.close()
  }

  /// Lookups that take as long as they are let.
  private final class LongLookups: Sendable {
    private let gate = DispatchSemaphore(value: 0)
    private let begun = Mutex(0)

    var begunCount: Int { begun.withLock { $0 } }

    /// - Returns: whether it was let go.
    func run(of extent: SQLiteMailboxStore.Extent, in store: SQLiteMailboxStore) async throws -> Bool {
      try await store.read(of: extent) { [self] _ in
        begun.withLock { $0 += 1 }
        return gate.wait(timeout: .now() + .seconds(300)) == .success
      }
    }

    func letGo() { gate.signal() }
  }

  @Test func `rows are counted beside what clients read, and not in line with it`() async throws {
    let store = try server.openStore()
    let lookups = LongLookups()
    var running: [Task<Bool, any Error>] = []
    // One after the other, so that each takes a lane, and together all lanes.
    for (number, extent) in [SQLiteMailboxStore.Extent.rows, .rows, .many, .many].enumerated() {
      running.append(Task { try await lookups.run(of: extent, in: store) })
      while lookups.begunCount <= number { await Task.yield() }
    }
    #expect(try await store.counts().rows["upkeep"] == 1)
    for _ in running { lookups.letGo() }
    for lookup in running { #expect(try await lookup.value, "it was there all the while") }
    try store.close()
  }
}
