import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

/// The store beside its obvious twin: whatever is done to both, the same waits in both.
@Suite struct TwinTests {
  private let server: TemporaryServer

  init() throws { server = try TemporaryServer() }

  @Test(arguments: [UInt64(1), 2, 3])
  func `queues are what a simple store says, after any restarts`(seed: UInt64) async throws {
    let random = SeededRandom(seed: seed)
    func number(_ bound: Int) -> Int { Int(random.bytes(4).reduce(0) { $0 << 8 | UInt64($1) } % UInt64(bound)) }
    let workload = Workload(random: random)
    var store = try server.openStore()
    let twin = InMemoryMailboxStore()
    var targets: [DeliveryTarget] = []
    for _ in 0..<4 {
      targets.append(try await workload.target(in: store))
      try await Workload.register(targets[targets.count - 1], in: twin, random: random)
    }
    var today = Workload.today
    for step in 0..<400 {
      let target = targets[number(targets.count)]
      switch number(20) {
      case 0..<12:
        // Some long enough for several cells, and runs long enough for several marks.
        let copies = (0..<1 + number(9)).map { _ in
          Workload.copy(
            to: target, random.bytes([30, 600, 1_500, 4_000, 20_000][number(40) / 9]), expires: today.adding(1 + UInt32(number(4))))
        }
        #expect(try await store.append(copies, today: today) == twin.append(copies, today: today))
      case 12..<16:
        let (all, twins) = (try await store.readAll(target, today), try await twin.readAll(target, today))
        #expect(all.map(\.sealed) == twins.map(\.sealed), "seed \(seed), step \(step)")
        guard !all.isEmpty, all.count == twins.count else { continue }
        let index = number(all.count)
        try await store.acknowledge(target.mailbox, through: all[index].sequence)
        try await twin.acknowledge(target.mailbox, through: twins[index].sequence)
      case 16: try await store.truncateLog()
      case 17:
        today = today.adding(1)
        try await store.expire(today: today)
        try await twin.expire(today: today)
      default:
        try store.close()
        store = try server.openStore(checking: step.isMultiple(of: 7))
      }
    }
    for target in targets {
      let (all, twins) = (try await store.readAll(target, today), try await twin.readAll(target, today))
      #expect(all.map(\.sealed) == twins.map(\.sealed), "seed \(seed)")
    }
  }

  @Test func `numbers that others have taken are left out, and the queue is found all the same`() async throws {
    let workload = Workload(random: SeededRandom(seed: 8))
    var store = try server.openStore()
    let target = try await workload.target(in: store)
    var numbers = SlotNumbers(RowKeys(target.mailbox))
    // Two marked numbers, and three in a row.
    for slot in [0, 40, 41, 42, 64] as [UInt64] {
      let number = numbers.number(Workload.expires, slot)
      try await store.pool.write { db in
        try db.execute(sql: "INSERT INTO envelopes VALUES (?, ?)", arguments: [number, Data(repeating: 7, count: 620)])
      }
    }
    let sent = (UInt8(0)..<60).map { [$0] }
    for sealed in sent { _ = try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) }
    func check(_ expected: [[UInt8]]) async throws {
      try store.close()
      store = try server.openStore()
      #expect(try await Workload.readAll(target, in: store) == expected)
    }
    try await check(sent)
    try await store.pool.write {
      try $0.execute(sql: "DELETE FROM envelopes WHERE sealed = ?", arguments: [Data(repeating: 7, count: 620)])
    }
    try await check(sent)
    let all = try await store.readAll(target, Workload.today)
    try await store.acknowledge(target.mailbox, through: all[49].sequence)
    try await check(Array(sent[50...]))
    #expect(try await store.append([Workload.copy(to: target, [99])], today: Workload.today) == [.accepted])
    try await check(sent[50...] + [[99]])
  }

  @Test func `a clock that jumps back or forth loses nothing that has not expired, and keeps the order`() async throws {
    let workload = Workload(random: SeededRandom(seed: 9))
    var store = try server.openStore()
    let target = try await workload.target(in: store)
    var sent: [[UInt8]] = []
    for (index, day) in [20_000, 20_020, 19_990, 20_001, 1, 20_002].enumerated() {
      let today = Day(number: UInt32(day))
      sent.append([UInt8(index)])
      #expect(try await store.append([Workload.copy(to: target, sent[index], expires: today.adding(30))], today: today) == [.accepted])
      if index.isMultiple(of: 2) {
        try store.close()
        store = try server.openStore()
      }
    }
    let all = try await store.readAll(target, Day(number: 1))
    #expect(all.map(\.sealed) == sent)
    #expect(zip(all, all.dropFirst()).allSatisfy { $0.sequence < $1.sequence })
    try await store.expire(today: Day(number: 20_002))
    #expect(try await store.readAll(target, Day(number: 20_002)).map(\.sealed) == [[0], [1], [2], [3], [5]])
    try await store.expire(today: Day(number: .max))
    #expect(try await store.readAll(target, Day(number: 1)).isEmpty)
    #expect(try await store.append([Workload.copy(to: target, [9])], today: Workload.today) == [.accepted])
  }

  @Test func `what was acknowledged and not yet deleted does not come back from a queue that is read again`() async throws {
    let workload = Workload(random: SeededRandom(seed: 10))
    let store = try server.openStore()
    let target = try await workload.target(in: store)
    for number in UInt8(0)..<40 { _ = try await store.append([Workload.copy(to: target, [number])], today: Workload.today) }
    let all = try await store.readAll(target, Workload.today)
    try await store.acknowledge(target.mailbox, through: all[35].sequence)
    store.cache.undo()
    #expect(try await Workload.readAll(target, in: store) == [[36], [37], [38], [39]])
    #expect(try await store.append([Workload.copy(to: target, [40])], today: Workload.today) == [.accepted])
    try await store.truncateLog()
    store.cache.undo()
    #expect(try await Workload.readAll(target, in: store) == [[36], [37], [38], [39], [40]])
  }

  private func records(_ store: SQLiteMailboxStore) async throws -> [Data: Data] {
    try await store.pool.read { db in
      Dictionary(
        uniqueKeysWithValues: try Row.fetchAll(db, sql: "SELECT name, sealed FROM mailboxes").map { ($0[0] as Data, $0[1] as Data) })
    }
  }

  @Test func `every record has other bytes on the next day`() async throws {
    let workload = Workload(random: SeededRandom(seed: 12))
    let store = try server.openStore()
    var targets: [DeliveryTarget] = []
    for _ in 0..<100 { targets.append(try await workload.target(in: store)) }
    try await store.expire(today: Workload.today)
    let before = try await records(store)
    try await store.expire(today: Workload.today)
    #expect(try await records(store) == before)
    try await store.expire(today: Workload.today.adding(1))
    #expect(try await records(store).allSatisfy { before[$0.key] != $0.value })
    #expect(Set(before.values.map(\.count)).count == 1)
    for target in targets { #expect(try await store.grants(for: [target]) != [nil]) }
  }

  @Test func `a record that is written changes with its crowd, and each time with the same one`() async throws {
    let workload = Workload(random: SeededRandom(seed: 14))
    let store = try server.openStore()
    var targets: [DeliveryTarget] = []
    for _ in 0..<120 { targets.append(try await workload.target(in: store)) }
    /// The names whose records have other bytes once this one is written.
    func changed(by target: DeliveryTarget) async throws -> Set<Data> {
      let before = try await records(store)
      try await store.setDeliveryKeys([target.deliveryKey], of: target.mailbox)
      return Set(try await records(store).filter { before[$0.key] != $0.value }.keys)
    }
    var crowds: Set<Set<Data>> = []
    for target in targets {
      let crowd = try await changed(by: target)
      #expect(crowd.contains(target.mailbox.name.data))
      crowds.insert(crowd)
    }
    // Each row is in one of them, so whoever of them writes, the same rows change.
    #expect(crowds.count > 2 && crowds.allSatisfy { $0.count >= RecordRows.crowdCount })
    #expect(crowds.reduce(0) { $0 + $1.count } == targets.count)
    for target in targets.prefix(20) { #expect(crowds.contains(try await changed(by: target))) }
  }

  @Test func `a table with fewer records than a crowd changes as a whole`() async throws {
    let workload = Workload(random: SeededRandom(seed: 15))
    let store = try server.openStore()
    var targets: [DeliveryTarget] = []
    for _ in 0..<5 { targets.append(try await workload.target(in: store)) }
    let before = try await records(store)
    try await store.setDeliveryKeys([targets[0].deliveryKey], of: targets[0].mailbox)
    #expect(try await records(store).allSatisfy { before[$0.key] != $0.value })
  }

  @Test func `a database that refuses to be written refuses appends, and goes on reading`() async throws {
    let workload = Workload(random: SeededRandom(seed: 13))
    let store = try server.openStore()
    let target = try await workload.target(in: store)
    #expect(try await store.append([Workload.copy(to: target, [1])], today: Workload.today) == [.accepted])
    try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = ON") }
    await #expect(throws: StoreFailure.unavailable) { try await store.append([Workload.copy(to: target, [2])], today: Workload.today) }
    #expect(try await Workload.readAll(target, in: store) == [[1]])
    try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = OFF") }
    #expect(try await store.append([Workload.copy(to: target, [3])], today: Workload.today) == [.accepted])
    #expect(try await Workload.readAll(target, in: store) == [[1], [3]])
  }
}

extension MailboxStore {
  fileprivate func readAll(_ target: DeliveryTarget, _ today: Day) async throws -> [StoredEnvelope] {
    try await read(target.mailbox, after: 0, page: PageLimit(count: 100_000, byteCount: 1 << 30), today: today)
  }
}
