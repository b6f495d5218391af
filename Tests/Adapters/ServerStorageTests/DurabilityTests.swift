import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

@Suite struct DurabilityTests {
  private let server: TemporaryServer
  private let random = SeededRandom(seed: 11)

  init() throws { server = try TemporaryServer() }

  private func target(in store: SQLiteMailboxStore) async throws -> DeliveryTarget {
    try await Workload(random: random).target(in: store)
  }

  @Test func `a commit is flushed, and what is deleted is overwritten`() throws {
    let store = try server.openStore()
    let pragmas = try store.pool.writeWithoutTransaction { db in
      try ["synchronous", "secure_delete", "journal_mode"].map { try String.fetchOne(db, sql: "PRAGMA \($0)") }
    }
    #expect(pragmas == ["2", "1", "wal"])
  }

  @Test func `writes that wait together are committed together`() async throws {
    let store = try server.openStore()
    let target = try await target(in: store)
    let commits = CommitObserver()
    store.pool.add(transactionObserver: commits, extent: .databaseLifetime)
    let gate = DispatchSemaphore(value: 0)
    store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
    try await withThrowingTaskGroup { group in
      for number in UInt8(0)..<100 {
        let copy = Workload.copy(to: target, [number])
        group.addTask { try await store.append([copy], today: Workload.today) }
      }
      while store.waitingWriteCount < 100 { await Task.yield() }
      gate.signal()
      for try await answers in group { #expect(answers == [.accepted]) }
    }
    #expect(commits.count == 1)
  }

  @Test func `a full disk refuses without a trace, and afterwards all goes on`() async throws {
    let store = try server.openStore()
    let target = try await target(in: store)
    func limitPages(beyond count: Int) throws {
      try store.pool.writeWithoutTransaction { db in
        let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        try db.execute(sql: "PRAGMA max_page_count = \(pages + count)")
      }
    }
    try limitPages(beyond: 40)
    var accepted: [[UInt8]] = []
    var failures = 0
    for number in UInt8(0)..<40 {
      let sealed = [UInt8](repeating: number, count: 10_000)
      do throws(StoreFailure) {
        #expect(try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) == [.accepted])
        accepted.append(sealed)
      } catch {
        #expect(error == .noRoom, "nothing but room was missing")
        failures += 1
      }
    }
    #expect(failures > 0 && !accepted.isEmpty)
    #expect(!store.hasFailed)
    try limitPages(beyond: 100_000)
    let last = [UInt8](repeating: 99, count: 10_000)
    #expect(try await store.append([Workload.copy(to: target, last)], today: Workload.today) == [.accepted])
    try store.close()
    let reopened = try server.openStore(checking: true)
    #expect(try await Workload.readAll(target, in: reopened) == accepted + [last])
  }

  @Test func `one write that fails does not take the others of its transaction along`() async throws {
    let store = try server.openStore()
    let target = try await target(in: store)
    try await store.pool.write { db in
      try db.execute(
        sql: "CREATE TRIGGER fault BEFORE INSERT ON log_entries BEGIN SELECT raise(ABORT, 'fault'); END")
    }
    let log = try await Workload(random: random).log(in: store)
    let gate = DispatchSemaphore(value: 0)
    store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
    let append = StoredAppend(
      log: log.place, slot: 0, writeKey: log.writeKey, entry: [1], expires: Workload.expires, rotation: nil, groupInfo: [],
      copies: [Workload.copy(to: target, [1])])
    async let failing = Result { () async throws in try await store.append(append, today: Workload.today) }
    async let working = store.append([Workload.copy(to: target, [2])], today: Workload.today)
    while store.waitingWriteCount < 2 { await Task.yield() }
    gate.signal()
    let (answers, failure) = (try await working, await failing)
    #expect(answers == [.accepted])
    #expect(throws: StoreFailure.unavailable) { try failure.get() }
    #expect(try await Workload.readAll(target, in: store) == [[2]])
    #expect(try await store.readLog(log.place, from: 0, page: PageLimit(count: 9, byteCount: 9), today: Workload.today)?.nextSlot == 0)
  }

  @Test func `after a commit of unknown outcome nothing is written until the database is opened again`() async throws {
    let store = try server.openStore()
    let target = try await target(in: store)
    let fault = CommitObserver(failing: true)
    store.pool.add(transactionObserver: fault, extent: .databaseLifetime)
    await #expect(throws: StoreFailure.outcomeUnknown) {
      try await store.append([Workload.copy(to: target, [1])], today: Workload.today)
    }
    #expect(store.hasFailed)
    await #expect(throws: StoreFailure.unavailable) {
      try await store.append([Workload.copy(to: target, [2])], today: Workload.today)
    }
    try store.close()
    let reopened = try server.openStore(checking: true)
    #expect(!reopened.hasFailed)
    #expect(try await reopened.append([Workload.copy(to: target, [3])], today: Workload.today) == [.accepted])
    #expect(try await Workload.readAll(target, in: reopened) == [[3]])
  }

  @Test func `a closed store is unavailable`() async throws {
    let store = try server.openStore()
    let target = try await target(in: store)
    try store.close()
    await #expect(throws: StoreFailure.unavailable) {
      try await store.append([Workload.copy(to: target, [1])], today: Workload.today)
    }
    await #expect(throws: StoreFailure.unavailable) { try await store.ownerKey(of: target.mailbox) }
  }

  @Test func `another process's write is seen, and so are ours by it`() async throws {
    let store = try server.openStore()
    let other = try server.openStore()
    let target = try await target(in: other)
    #expect(try await store.append([Workload.copy(to: target, [1])], today: Workload.today) == [.accepted])
    #expect(try await Workload.readAll(target, in: other) == [[1]])
    #expect(try await other.ownerKey(of: target.mailbox) != nil)
  }
}

extension Result where Failure == any Error {
  fileprivate init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}

/// Counts commits, or lets them fail.
private final class CommitObserver: TransactionObserver, Sendable {
  private struct Fault: Error {}

  private let commits = Mutex(0)
  private let isFailing: Bool

  init(failing: Bool = false) { isFailing = failing }

  var count: Int { commits.withLock { $0 } }

  func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
  func databaseDidChange(with event: DatabaseEvent) {}
  func databaseWillCommit() throws { if isFailing { throw Fault() } }
  func databaseDidCommit(_ db: Database) { commits.withLock { $0 += 1 } }
  func databaseDidRollback(_ db: Database) {}
}
