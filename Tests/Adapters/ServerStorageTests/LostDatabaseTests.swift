import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// A database that is gone, old, or damaged where it hurts.
@Suite struct LostDatabaseTests {
  private let server: TemporaryServer
  private let random = SeededRandom(seed: 61)

  init() throws { server = try TemporaryServer() }

  private func remove(_ names: String...) throws {
    for name in names where FileManager.default.fileExists(atPath: server.file(name)) {
      try FileManager.default.removeItem(atPath: server.file(name))
    }
  }

  private func boot(_ store: SQLiteMailboxStore) async throws -> Int? {
    try await store.pool.read { try Int.fetchOne($0, sql: "SELECT boot FROM upkeep") }
  }

  @Test func `keys without their database are no reason to begin with an empty one, until somebody says so`() async throws {
    let store = try server.openStore()
    let target = try await Workload(random: random).target(in: store)
    let before = try #require(try await boot(store))
    try store.close()
    #expect(throws: ServerStorageError.exists) { try server.directory.makeNewDatabase() }
    try remove("server.sqlite", "server.sqlite-wal", "server.sqlite-shm")
    for _ in 0..<2 { #expect(throws: ServerStorageError.databaseMissing) { try server.openStore() } }
    #expect(throws: ServerStorageError.databaseMissing) { try server.directory.openStoreForInviting() }
    // Cut to nothing is gone, too.
    try server.write([], to: "server.sqlite")
    #expect(throws: ServerStorageError.databaseMissing) { try server.openStore() }
    #expect(!FileManager.default.fileExists(atPath: server.file("server.sqlite-wal")))
    try server.directory.makeNewDatabase()
    let new = try server.openStore(checking: true)
    #expect(try await new.ownerKey(of: target.mailbox) == nil)
    #expect(try #require(try await boot(new)) > before, "sequences go on")
    #expect(!new.isOlderThanBefore)
  }

  @Test func `a database without tables is as good as gone once a server has run`() async throws {
    let store = try server.openStore()
    _ = try await Workload(random: random).target(in: store)
    try store.close()
    let whole = try server.read("server.sqlite")
    // What SQLite makes first, and all that is left of a young database that loses its log.
    let page = server.file("page.sqlite")
    let queue = try DatabaseQueue(path: page, configuration: Schema.configuration)
    try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
    try queue.close()
    let onePage = try server.read("page.sqlite")
    #expect(onePage.count == Schema.pageByteCount)
    for empty in [[], [0], onePage] {
      try server.write(empty, to: "server.sqlite")
      for _ in 0..<2 { #expect(throws: ServerStorageError.databaseMissing) { try server.openStore() } }
      #expect(throws: ServerStorageError.databaseMissing) { try server.directory.openStoreForInviting() }
    }
    // A mark that was lost with it says as much as a good one.
    let mark = try server.read("server.mark")
    try server.write([], to: "server.mark")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: server.file("server.mark"))
    #expect(throws: ServerStorageError.databaseMissing) { try server.openStore() }
    try server.write(mark, to: "server.mark")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: server.file("server.mark"))
    // A database is never taken for an empty one.
    try server.write(whole, to: "server.sqlite")
    #expect(throws: ServerStorageError.exists) { try server.directory.makeNewDatabase() }
    try server.openStore(checking: true).close()
    // Whoever means it gets a new one, also where a first try was cut off.
    for empty in [[], onePage] {
      try server.write(empty, to: "server.sqlite")
      try server.directory.makeNewDatabase()
      try server.openStore(checking: true).close()
    }
    // Without a mark it is a first start that was cut off; that is for serve to go on with.
    try remove("server.mark")
    try server.write(onePage, to: "server.sqlite")
    #expect(throws: ServerStorageError.missing) { try server.directory.openStoreForInviting() }
    try server.openStore(checking: true).close()
  }

  @Test func `a first start that was cut off at any point is begun again`() async throws {
    // Nothing yet but the empty file.
    try PrivateFiles.touch(server.file("server.sqlite"))
    _ = try server.directory.keys(creating: true)
    // The keys, and the file still empty.
    #expect(try server.read("server.sqlite").isEmpty)
    let store = try server.openStore()
    #expect(try await boot(store) == 1)
    try store.close()
    // The tables, and no mark.
    try remove("server.mark")
    #expect(try await boot(server.openStore()) == 2)
  }

  @Test func `an old copy in the database's place is told, and sequences go on above all that were given out`() async throws {
    var store = try server.openStore()
    let target = try await Workload(random: random).target(in: store)
    try store.close()
    let copy = try server.read("server.sqlite")
    var last: UInt64 = 0
    for number in UInt8(0)..<3 {
      store = try server.openStore()
      #expect(!store.isOlderThanBefore)
      _ = try await store.append([Workload.copy(to: target, [number])], today: Workload.today)
      let page = PageLimit(count: 9, byteCount: 999)
      last = try await store.read(target.mailbox, after: 0, page: page, today: Workload.today).map(\.sequence).max() ?? 0
      try store.close()
    }
    try remove("server.sqlite-wal", "server.sqlite-shm")
    try server.write(copy, to: "server.sqlite")
    store = try server.openStore(checking: true)
    #expect(store.isOlderThanBefore)
    #expect(try await Workload.readAll(target, in: store).isEmpty)
    _ = try await store.append([Workload.copy(to: target, [9])], today: Workload.today)
    let envelopes = try await store.read(target.mailbox, after: last, page: PageLimit(count: 9, byteCount: 999), today: Workload.today)
    #expect(envelopes.map(\.sealed) == [[9]], "behind a cursor from before")
    try store.close()
    #expect(try !server.openStore().isOlderThanBefore)
  }

  @Test func `invite counts as no opening, adds vouchers beside a server, and writes no envelope`() async throws {
    let store = try server.openStore()
    let target = try await Workload(random: random).target(in: store)
    let before = try await boot(store)
    let voucher = StoredName.random(using: random)
    for _ in 0..<5 {
      let inviting = try server.directory.openStoreForInviting()
      try await inviting.addVouchers([voucher], expires: Workload.expires)
      await #expect(throws: StoreFailure.unavailable) {
        try await inviting.append([Workload.copy(to: target, [1])], today: Workload.today)
      }
      try inviting.close()
    }
    #expect(try await boot(store) == before)
    var full = StorageLimits()
    full.maximumByteCount = 1
    let withoutRoom = try server.directory.openStoreForInviting(limits: full)
    await #expect(throws: StoreFailure.noRoom) { try await withoutRoom.addVouchers([.random(using: random)], expires: Workload.expires) }
    try withoutRoom.close()
    #expect(try await store.redeem(voucher, for: .random(using: random), today: Workload.today))
    try store.close()
    #expect(try await boot(server.openStore()) == before.map { $0 + 1 })
  }

  @Test func `a restored server is ahead of tens of thousands of later lives of its original`() async throws {
    let store = try server.openStore()
    let before = try #require(try await boot(store))
    try store.close()
    try server.directory.backUp(to: server.file("copy"), parts: .everything)
    let other = try TemporaryServer()
    try other.directory.restore(from: server.file("copy"), keys: nil)
    let restored = try other.openStore()
    #expect(try #require(try await boot(restored)) > before + 60_000)
    // And that leaves room for dozens of restores.
    #expect(Schema.bootBound / (1 << 16) > 60)
  }

  @Test func `envelopes that the disk has changed hide nothing that waits behind them, and are counted`() async throws {
    let unreadable = Mutex(0)
    let observer: StoreObserver = { event in if case .unreadable(let count) = event { unreadable.withLock { $0 += count } } }
    var store = try server.openStore(limits: StorageLimits(), observer: observer)
    let target = try await Workload(random: random).target(in: store)
    for number in UInt8(0)..<60 {
      let sealed = [UInt8](repeating: number, count: number == 3 ? 9_000 : 500)
      _ = try await store.append([Workload.copy(to: target, sealed)], today: Workload.today)
    }
    var numbers = SlotNumbers(RowKeys(target.mailbox))
    let damaged = (0..<42).map { numbers.number(Workload.expires, $0) }
    try await store.pool.write { db in
      for number in damaged { try db.execute(sql: "UPDATE envelopes SET sealed = zeroblob(620) WHERE id = ?", arguments: [number]) }
    }
    let page = PageLimit(count: 16, byteCount: 1 << 20)
    func first() async throws -> UInt8? {
      try await store.read(target.mailbox, after: 0, page: page, today: Workload.today).first?.sealed.first
    }
    // The long one takes two slots more than the others.
    #expect(try await first() == 40)
    #expect(unreadable.withLock { $0 } == 42, "cells")
    try store.close()
    // Also when the queue is read from its cells.
    store = try server.openStore(limits: StorageLimits(), observer: observer)
    #expect(try await first() == 40)
    #expect(unreadable.withLock { $0 } == 42 + 42)
    let all = try await Workload.readAll(target, in: store)
    #expect(all.map { $0[0] } == Array(40..<60))
  }

  @Test func `a damaged cell at the end of a queue is counted once, however often its owner is woken`() async throws {
    let unreadable = Mutex(0)
    let observer: StoreObserver = { event in if case .unreadable(let count) = event { unreadable.withLock { $0 += count } } }
    var store = try server.openStore(limits: StorageLimits(), observer: observer)
    let target = try await Workload(random: random).target(in: store)
    for sealed in [[1], [UInt8](repeating: 2, count: 9_000), [3], [4]] {
      _ = try await store.append([Workload.copy(to: target, sealed)], today: Workload.today)
    }
    // Of the long one two cells of three, the last of which is gone; and all of the last envelope.
    var numbers = SlotNumbers(RowKeys(target.mailbox))
    let (changed, gone) = ([2, 5].map { numbers.number(Workload.expires, $0) }, numbers.number(Workload.expires, 3))
    try await store.pool.write { db in
      for number in changed { try db.execute(sql: "UPDATE envelopes SET sealed = zeroblob(620) WHERE id = ?", arguments: [number]) }
      try db.execute(sql: "DELETE FROM envelopes WHERE id = ?", arguments: [gone])
    }
    let page = PageLimit(count: 16, byteCount: 1 << 20)
    func read(after sequence: UInt64 = 0) async throws -> [StoredEnvelope] {
      try await store.read(target.mailbox, after: sequence, page: page, today: Workload.today)
    }
    for _ in 0..<3 {
      let envelopes = try await read()
      #expect(envelopes.map(\.sealed) == [[1], [3]])
      #expect(try await read(after: envelopes[1].sequence).isEmpty)
    }
    #expect(unreadable.withLock { $0 } == 3)
    // What comes behind it, and what is acknowledged with it, is as ever.
    #expect(try await store.append([Workload.copy(to: target, [5])], today: Workload.today) == [.accepted])
    let last = try #require(try await read().last)
    #expect(last.sealed == [5] && unreadable.withLock { $0 } == 3)
    try await store.acknowledge(target.mailbox, through: last.sequence)
    try await store.truncateLog()
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE sealed <> x''") } == 0)

    // Also where the writer is the first to read the queue, after a start.
    #expect(try await store.append([Workload.copy(to: target, [6])], today: Workload.today) == [.accepted])
    let sixth = numbers.number(Workload.expires, 7)
    try await store.pool.write { try $0.execute(sql: "UPDATE envelopes SET sealed = zeroblob(620) WHERE id = ?", arguments: [sixth]) }
    try store.close()
    store = try server.openStore(limits: StorageLimits(), observer: observer)
    #expect(try await store.append([Workload.copy(to: target, [7])], today: Workload.today) == [.accepted])
    for _ in 0..<2 { #expect(try await read().map(\.sealed) == [[7]]) }
    #expect(unreadable.withLock { $0 } == 4)
  }

  @Test func `a database of version 2 goes on, with records that its one key covers`() async throws {
    let store = try server.openStore()
    let workload = Workload(random: random)
    let targets = [try await workload.target(in: store), try await workload.target(in: store)]
    let (voucher, batch) = (StoredName.random(using: random), StoredName.random(using: random))
    try await store.addVouchers([voucher, .random(using: random)], expires: Workload.expires)
    #expect(try await store.redeem(voucher, for: batch, today: Workload.today))
    _ = try await store.append([Workload.copy(to: targets[0], [1])], today: Workload.today)
    let veil = try server.directory.keys(creating: false).veil
    try await store.pool.write { db in
      for row in try Row.fetchAll(db, sql: "SELECT name, sealed FROM mailboxes") {
        let (name, sealed): (Data, Data) = (row[0], row[1])
        let aad = Array("mailboxes".utf8) + Array(name)
        let inner = try #require(RecordRows.uncover(Array(sealed), aad, veil: veil))
        try db.execute(
          sql: "UPDATE mailboxes SET sealed = ? WHERE name = ?", arguments: [Data(RowKeys.seal(inner, key: veil, aad: aad)), name])
      }
      try Self.makeVersion2(db)
    }
    try store.close()
    let reopened = try server.openStore()
    #expect(try await reopened.schemaVersion() == Schema.version)
    #expect(try await Workload.readAll(targets[0], in: reopened) == [[1]])
    for target in targets { #expect(try await reopened.grants(for: [target]) != [nil]) }
    _ = try await workload.target(in: reopened)
    #expect(try await reopened.pool.read { try Int.fetchOne($0, sql: "SELECT mailboxes FROM upkeep") } == 3)
    try await reopened.expire(today: Workload.today)
    for target in targets { #expect(try await reopened.grants(for: [target]) != [nil]) }
    // With fresh bytes, the one key of then opens nothing any more.
    try await reopened.pool.read { db in
      for row in try Row.fetchAll(db, sql: "SELECT name, sealed FROM mailboxes") {
        let aad = Array("mailboxes".utf8) + Array(row[0] as Data)
        #expect(RowKeys.open(Array(row[1] as Data), key: veil, aad: aad) == nil)
      }
    }
  }

  /// Takes away what came after version 2.
  private static func makeVersion2(_ db: Database) throws {
    for column in ["mailboxes", "counted", "invitations"] {
      try db.execute(sql: "ALTER TABLE upkeep DROP COLUMN \(column)")
    }
    try db.execute(sql: "UPDATE upkeep SET schema_version = 2")
    try db.execute(sql: "PRAGMA user_version = 2")
  }

  @Test(arguments: [2, 3])
  func `mailboxes of version 1 that a later database still holds are counted`(version: Int) async throws {
    try OldSchema.make(server) { db in
      for _ in 0..<2 {
        try db.execute(
          sql: "INSERT INTO mailboxes VALUES (?, ?, ?, 0, 0, 0, 0, 0)",
          arguments: [Data(random.bytes(32)), Data(random.bytes(32)), Data(random.bytes(32))])
      }
    }
    let store = try server.openStore()
    _ = try await Workload(random: random).target(in: store)
    try await store.pool.write { db in
      if version == 2 { return try Self.makeVersion2(db) }
      // As version 3 came from version 2.
      for statement in [
        "ALTER TABLE upkeep ADD COLUMN entries INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE upkeep ADD COLUMN spares INTEGER NOT NULL DEFAULT 0",
        "UPDATE upkeep SET mailboxes = 1, schema_version = 3", "PRAGMA user_version = 3",
      ] { try db.execute(sql: statement) }
    }
    try store.close()
    let reopened = try server.openStore(checking: true)
    #expect(try await reopened.pool.read { try Int.fetchOne($0, sql: "SELECT mailboxes FROM upkeep") } == 3)
  }
}
