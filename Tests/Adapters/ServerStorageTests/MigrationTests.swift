import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

@Suite struct MigrationTests {
  private static let today = Workload.today

  private let server: TemporaryServer
  private let random = SeededRandom(seed: 31)

  init() throws { server = try TemporaryServer() }

  private func data(_ name: StoredName) -> Data { Data(name.bytes) }

  /// An old mailbox with some envelopes.
  private func mailbox(_ db: Database, _ target: DeliveryTarget, _ envelopes: [(sealed: [UInt8], expires: Day)]) throws -> PublicKey32 {
    let ownerKey = PublicKey32.random(using: random)
    let name = data(target.mailbox.name)
    try db.execute(
      sql: "INSERT INTO mailboxes VALUES (?, ?, ?, ?, ?, ?, 3, 5)",
      arguments: [
        name, Data(ownerKey.bytes), Data(random.bytes(32)), envelopes.count * 9_000, envelopes.count,
        envelopes.reduce(0) { $0 + $1.sealed.count },
      ])
    try db.execute(sql: "INSERT INTO delivery_keys VALUES (?, ?)", arguments: [name, data(target.deliveryKey)])
    try db.execute(sql: "INSERT INTO delivery_keys VALUES (?, ?)", arguments: [name, Data(random.bytes(32))])
    for (index, envelope) in envelopes.enumerated() {
      try db.execute(
        sql: "INSERT INTO envelopes VALUES (?, ?, ?, ?)",
        arguments: [name, (index + 1) * 9_000, Int64(envelope.expires.number), Data(envelope.sealed)])
    }
    return ownerKey
  }

  private func target() -> DeliveryTarget {
    DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random))
  }

  private func oldTables(_ store: SQLiteMailboxStore) async throws -> [String] {
    try await store.pool.read { try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema WHERE name LIKE 'old%' ORDER BY name") }
  }

  @Test func `a token of schema 1 that was not used is a voucher, and a used voucher stays one`() async throws {
    let (token, batch) = (StoredName.random(using: random), StoredName.random(using: random))
    try OldSchema.make(server) { db in
      try db.execute(sql: "INSERT INTO tokens VALUES (?, ?)", arguments: [data(token), Int64(Self.today.adding(3).number)])
    }
    let store = try server.openStore(checking: true)
    #expect(try await !store.redeem(token, for: batch, today: Self.today.adding(3)))
    #expect(try await store.redeem(token, for: batch, today: Self.today))
    #expect(try await !store.redeem(token, for: .random(using: random), today: Self.today))
    try store.close()
    #expect(try await server.openStore(checking: true).redeem(token, for: batch, today: Self.today))
  }

  @Test func `no command changes a database of an older version under the server that uses it`() async throws {
    try OldSchema.make(server)
    func version() throws -> Int? {
      let queue = try DatabaseQueue(path: server.file("server.sqlite"))
      defer { try? queue.close() }
      return try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
    }
    var lock: ServerLock? = try server.directory.lock()
    #expect(throws: ServerStorageError.serverOlder) { try server.directory.openStoreForInviting() }
    try server.directory.backUp(to: server.file("copy"), parts: .everything)
    #expect(server.directory.isInUse)
    #expect(try version() == 1)
    withExtendedLifetime(lock) {}
    lock = nil
    // Nobody serves: then it is brought up to date, by whoever comes first.
    let inviting = try server.directory.openStoreForInviting()
    try await inviting.addVouchers([.random(using: random)], expires: Self.today)
    try inviting.close()
    #expect(try version() == Schema.version)
    #expect(!server.directory.isInUse)
    lock = try server.directory.lock()
    // Of this version, it takes vouchers beside the server.
    try server.directory.openStoreForInviting().close()
    withExtendedLifetime(lock) {}
  }

  @Test func `a database of version 3 goes on without its counts of redemptions, and a voucher that was used stays used`() async throws {
    var store = try server.openStore()
    let workload = Workload(random: random)
    let target = try await workload.target(in: store)
    _ = try await store.append([Workload.copy(to: target, [1])], today: Self.today)
    let (used, unused) = (StoredName.random(using: random), StoredName.random(using: random))
    let batches = [StoredName.random(using: random), .random(using: random)]
    try await store.addVouchers([used, unused], expires: Workload.expires)
    #expect(try await store.redeem(used, for: batches[0], today: Self.today))
    let spent = SpentToken(name: .random(using: random), expires: Workload.expires)
    #expect(try await store.spend([spent], today: Self.today))
    let outcome = try await store.issueVouchers(
      [.random(using: random)], expires: Workload.expires, for: target.mailbox, quota: 9, today: Self.today)
    #expect(outcome == .done)
    try await store.pool.write { db in
      // Where the statements of version 3 left them.
      for column in ["entries", "spares"] { try db.execute(sql: "ALTER TABLE upkeep ADD COLUMN \(column) INTEGER NOT NULL DEFAULT 0") }
      try db.execute(sql: "UPDATE upkeep SET schema_version = 3, entries = 64, spares = 16")
      try db.execute(sql: "PRAGMA user_version = 3")
    }
    try store.close()
    var limits = StorageLimits()
    (limits.maximumMailboxCount, limits.maximumInvitationsPerDay) = (2, 1)
    store = try server.openStore(limits: limits)
    #expect(try await store.schemaVersion() == Schema.version)
    let columns = try await store.pool.read { try $0.columns(in: "upkeep").map(\.name) }
    #expect(Set(columns).isDisjoint(with: ["entries", "spares"]))
    #expect(try await Workload.readAll(target, in: store) == [[1]])
    // What was counted goes on being counted.
    let more = try await store.issueVouchers(
      [.random(using: random)], expires: Workload.expires, for: target.mailbox, quota: 9, today: Self.today)
    #expect(more == .overQuota)
    #expect(try await store.redeem(used, for: batches[0], today: Self.today))
    #expect(try await !store.redeem(used, for: batches[1], today: Self.today))
    #expect(try await store.redeem(unused, for: batches[1], today: Self.today))
    #expect(try await !store.spend([spent], today: Self.today))
    _ = try await workload.target(in: store)
    await #expect(throws: StoreFailure.noRoom) { _ = try await workload.target(in: store) }
    try store.close()
    #expect(try await server.openStore(checking: true).schemaVersion() == Schema.version)
  }

  @Test func `a mailbox of schema 1 keeps its keys and what waits, in order, and takes more`() async throws {
    let (one, other) = (target(), target())
    let waiting = (UInt8(0)..<70).map { number in
      (sealed: [number] + random.bytes(number == 9 ? 30_000 : 700), expires: Self.today.adding(1 + UInt32(number) / 10))
    }
    var ownerKey: PublicKey32?
    let receipt = StoredName.random(using: random)
    try OldSchema.make(server) { db in
      ownerKey = try mailbox(db, one, waiting)
      _ = try mailbox(db, other, [])
      try db.execute(sql: "INSERT INTO receipts VALUES (?, ?)", arguments: [data(receipt), 20_020])
    }
    var store = try server.openStore(checking: true)
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "PRAGMA page_size") } == Schema.pageByteCount)
    #expect(try await Workload.readAll(one, in: store) == waiting.map(\.sealed))
    let (foreign, repeated) = (target(), Workload.copy(to: one, [3], receipt: receipt))
    #expect(
      try await store.append([Workload.copy(to: one, [200]), Workload.copy(to: foreign, [1]), repeated], today: Self.today)
        == [.accepted, .refused, .repeated])
    try await store.acknowledge(one.mailbox, through: 90_000)
    #expect(try await Workload.readAll(one, in: store).count == 71, "a cursor of the old numbers deletes nothing")
    try store.close()
    store = try server.openStore(checking: true)
    #expect(try await Workload.readAll(one, in: store) == waiting.map(\.sealed) + [[200]])
    #expect(try await store.ownerKey(of: one.mailbox) == ownerKey)
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM old_mailboxes") } == 1)
    #expect(try await store.grants(for: [other]) != [nil])
    try await store.expire(today: Self.today)
    #expect(try await oldTables(store).isEmpty)
  }

  @Test func `logs and bundles of schema 1 are as they were`() async throws {
    let (log, capability) = (StoredPlace.random(using: random), StoredPlace.random(using: random))
    let names = (0..<6).map { _ in StoredName.random(using: random) }
    let entries = (0..<4).map { _ in random.bytes(5_000) }
    let info = random.bytes(9_000)
    try OldSchema.make(server) { db in
      try db.execute(
        sql: "INSERT INTO logs VALUES (?, ?, ?, ?, 6, ?)",
        arguments: [data(log.name), data(names[0]), Data(names[1].bytes + names[2].bytes), data(names[3]), data(names[4])])
      for (index, entry) in entries.enumerated() {
        try db.execute(
          sql: "INSERT INTO log_entries VALUES (?, ?, ?, ?)",
          arguments: [data(log.name), index + 2, Int64(Self.today.number) + 3 + Int64(index) / 2, Data(entry)])
      }
      try db.execute(sql: "INSERT INTO group_infos VALUES (?, ?)", arguments: [data(log.name), Data(info)])
      for (index, bytes) in ([[1], [2], []] as [[UInt8]]).enumerated() {
        try db.execute(
          sql: "INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?)",
          arguments: [
            data(capability.name), Data([UInt8](repeating: UInt8(index), count: 32)), data(names[5]), 20_009,
            index == 0 ? data(names[4]) : nil, Data(bytes),
          ])
      }
    }
    let store = try server.openStore(checking: true)
    let page = PageLimit(count: 99, byteCount: 1 << 20)
    let read = try await store.readLog(log, from: 0, page: page, today: Self.today)
    #expect(read?.firstSlot == 2 && read?.nextSlot == 6)
    #expect(read?.entries == entries.enumerated().map { LogEntry(slot: UInt64($0) + 2, frame: $1) })
    #expect(try await store.readLog(log, from: 0, page: page, today: Self.today.adding(3))?.firstSlot == 4)
    #expect(try await store.groupInfo(log) == info)
    let repeated = NewLog(
      place: log, writeKey: names[0], administrators: [], creation: names[3], token: SpentToken(name: names[5], expires: Workload.expires))
    #expect(try await store.createLog(repeated, today: Self.today) == .done)
    func append(_ slot: UInt64, _ entry: [UInt8]) -> StoredAppend {
      StoredAppend(
        log: log, slot: slot, writeKey: names[0], entry: entry, expires: Workload.expires, rotation: nil, groupInfo: [], copies: [])
    }
    #expect(try await store.append(append(3, entries[1]), today: Self.today) == .duplicate)
    #expect(try await store.append(append(6, [1]), today: Self.today) == .appended([]))
    #expect(try await store.claim(capability, by: names[4], today: Self.today) == [1])
    #expect(try await store.claim(capability, by: names[0], today: Self.today) == [2])
    #expect(try await store.claim(capability, by: names[1], today: Self.today) == nil)
    #expect(try await !store.withdraw(capability, publisher: names[0]))
    try await store.expire(today: Self.today)
    #expect(try await oldTables(store).isEmpty)
  }

  @Test func `what nobody names expires where it is`() async throws {
    let silent = target()
    try OldSchema.make(server) { db in
      _ = try mailbox(db, silent, [([1], Self.today.adding(1)), ([2], Self.today.adding(5))])
    }
    let store = try server.openStore(checking: true)
    try await store.expire(today: Self.today.adding(2))
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM old_envelopes") } == 1)
    #expect(try await oldTables(store).contains("old_mailboxes"), "a mailbox does not expire")
    #expect(try await !oldTables(store).contains("old_logs"))
    #expect(try await Workload.readAll(silent, in: store) == [[2]])
  }
}
