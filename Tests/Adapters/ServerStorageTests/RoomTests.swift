import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// What a store does when there is no room.
@Suite struct RoomTests {
  private let server: TemporaryServer
  private let random = SeededRandom(seed: 41)
  /// Free bytes of the disk.
  private let free = FreeBytes()

  init() throws { server = try TemporaryServer() }

  private final class FreeBytes: Sendable {
    private let state = Mutex((free: Int.max, looks: 0))

    var count: Int {
      get {
        state.withLock { state in
          state.looks += 1
          return state.free
        }
      }
      set { state.withLock { $0.free = newValue } }
    }

    var looks: Int { state.withLock { $0.looks } }
  }

  private func open(_ change: (inout StorageLimits) -> Void, observer: @escaping StoreObserver = { _ in }) throws -> SQLiteMailboxStore {
    var limits = StorageLimits()
    change(&limits)
    return try server.openStore(limits: limits, free: { [free] in free.count }, observer: observer)
  }

  private func name() -> StoredName { .random(using: random) }
  private func token() -> SpentToken { SpentToken(name: name(), expires: Workload.expires) }

  @Test func `the operator is told what the cells take, by the day on which they go`() async throws {
    let store = try server.openStore()
    let workload = Workload(random: random)
    let (target, today) = (try await workload.target(in: store), Workload.today)
    let copies = [(100, 3), (100, 3), (3_000, 30)].map { (byteCount: Int, days: UInt32) in
      Workload.copy(to: target, workload.random.bytes(byteCount), expires: today.adding(days))
    }
    #expect(try await store.append(copies, today: today) == [.accepted, .accepted, .accepted])
    let counts = try await store.counts()
    let overhead = RowKeys.overheadByteCount
    let (small, large) = (CellRows.sizes[0] + overhead, CellRows.sizes[3] + overhead)
    #expect(counts.rows["envelopes"] == 3)
    #expect(counts.cellBytes == [today.adding(3): 2 * small, today.adding(30): large])
    try store.close()
  }

  @Test func `without room who adds is refused, and who reads, empties, withdraws and changes keys is not`() async throws {
    let store = try open { $0.minimumFreeByteCount = 1 << 20 }
    let workload = Workload(random: random)
    let (target, today) = (try await workload.target(in: store), Workload.today)
    let log = try await workload.log(in: store)
    let publication = Publication(
      capability: .random(using: random), publisher: name(), blobs: [.init(name: name(), bytes: [1])], expires: Workload.expires,
      mailbox: target.mailbox, quota: 9, capabilityQuota: 9)
    #expect(try await store.publish(publication, today: today) == .done)
    for number in UInt8(0)..<3 { _ = try await store.append([Workload.copy(to: target, [number])], today: today) }

    free.count = 1 << 20
    let newMailbox = NewMailbox(
      place: .random(using: random), token: token(), ownerKey: .random(using: random), sealKey: .random(using: random))
    let newLog = NewLog(place: .random(using: random), writeKey: name(), administrators: [], creation: name(), token: token())
    let entry = StoredAppend(
      log: log.place, slot: 0, writeKey: log.writeKey, entry: [1], expires: Workload.expires, rotation: nil, groupInfo: [], copies: [])
    var more = publication
    more.blobs = [.init(name: name(), bytes: [2])]
    let adding: [(String, () async throws -> Void)] = [
      ("send", { _ = try await store.append([Workload.copy(to: target, [9])], today: today) }),
      ("register", { _ = try await store.register(newMailbox, today: today) }),
      ("create a log", { _ = try await store.createLog(newLog, today: today) }),
      ("append", { _ = try await store.append(entry, today: today) }),
      ("publish", { [more] in _ = try await store.publish(more, today: today) }),
      ("add vouchers", { try await store.addVouchers([.random(using: random)], expires: Workload.expires) }),
      (
        "hand out vouchers",
        { _ = try await store.issueVouchers([name()], expires: Workload.expires, for: target.mailbox, quota: 9, today: today) }
      ),
      ("redeem", { _ = try await store.redeem(name(), for: name(), today: today) }),
      ("spend", { _ = try await store.spend([token()], today: today) }),
    ]
    for (what, add) in adding {
      await #expect(throws: StoreFailure.noRoom, "\(what)") { try await add() }
    }

    let all = try await store.read(target.mailbox, after: 0, page: PageLimit(count: 9, byteCount: 1 << 20), today: today)
    #expect(all.map(\.sealed) == [[0], [1], [2]])
    try await store.acknowledge(target.mailbox, through: all[1].sequence)
    try await store.truncateLog()
    #expect(try await Workload.readAll(target, in: store) == [[2]])
    try await store.setDeliveryKeys([target.deliveryKey, name()], of: target.mailbox)
    #expect(try await store.countTokens(1, for: target.mailbox, quota: 9) == .done)
    #expect(try await store.claim(publication.capability, by: name(), today: today) == [1])
    #expect(try await store.withdraw(publication.capability, publisher: publication.publisher))
    let rotation = StoredRotation(writeKey: name(), administrators: [], signer: name())
    #expect(try await store.rotate(log.place, slot: 0, rotation: rotation, identifier: name()) == .refused)
    try await store.expire(today: today.adding(40))
    #expect(!store.hasFailed)

    free.count = .max
    for (what, add) in adding {
      await #expect(throws: Never.self, "\(what)") { try await add() }
    }
  }

  @Test func `many delivery keys take the place of others without room, and their record grows only with it`() async throws {
    let store = try open { $0.minimumFreeByteCount = 1 << 20 }
    let target = try await Workload(random: random).target(in: store)
    func set(_ count: Int) async throws {
      try await store.setDeliveryKeys(Set([target.deliveryKey] + (1..<count).map { _ in name() }), of: target.mailbox)
    }
    func isReached() async throws -> Bool { try await store.grants(for: [target]) != [nil] }
    free.count = 1 << 20
    try await set(64)
    await #expect(throws: StoreFailure.noRoom) { try await set(65) }
    free.count = .max
    try await set(80)
    free.count = 1 << 20
    for count in [80, 256, 96] { try await set(count) }
    await #expect(throws: StoreFailure.noRoom) { try await set(257) }
    #expect(try await isReached(), "the old ones stay in force")
    try await store.setDeliveryKeys([name()], of: target.mailbox)
    #expect(try await !isReached())
    await #expect(throws: StoreFailure.noRoom) { try await set(80) }
    free.count = .max
    try await set(2_048)
    #expect(try await isReached())
  }

  @Test func `the database ends at its bound with its log, and what is deleted makes room for more`() async throws {
    let bound = 2 << 20
    let refused = Mutex(0)
    let store = try open({ $0.maximumByteCount = bound }) { event in
      if case .noRoom(let count) = event { refused.withLock { $0 += count } }
    }
    let target = try await Workload(random: random).target(in: store)
    let sealed = [UInt8](repeating: 7, count: 30_000)
    func size() throws -> Int { try server.read("server.sqlite").count + server.read("server.sqlite-wal").count }
    for round in 0..<3 {
      var count = 0
      do throws(StoreFailure) {
        while count < 1_000 {
          guard try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) == [.accepted] else { break }
          count += 1
        }
      } catch {
        #expect(error == .noRoom)
        // The log keeps a page once for each transaction: cut, there is room for some more.
        try await store.truncateLog()
      }
      #expect((5..<100).contains(count), "round \(round): \(count)")
      #expect(try size() <= bound)
      let all = try await store.read(target.mailbox, after: 0, page: PageLimit(count: 9_999, byteCount: 1 << 30), today: Workload.today)
      #expect(all.count == count)
      try await store.acknowledge(target.mailbox, through: all[all.count - 1].sequence)
      try await store.truncateLog()
    }
    #expect(refused.withLock { $0 } == 3)
    store.replaceLimits(with: StorageLimits())
    for _ in 0..<60 { #expect(try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) == [.accepted]) }
    #expect(try size() > bound, "the limit was lifted")
  }

  @Test func `on a disk that has no more, what was deleted makes room, for the file does not shrink`() async throws {
    let minimum = 1 << 20
    let store = try open { $0.minimumFreeByteCount = minimum }
    let target = try await Workload(random: random).target(in: store)
    let sealed = [UInt8](repeating: 7, count: 30_000)
    for _ in 0..<20 { #expect(try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) == [.accepted]) }
    free.count = minimum
    await #expect(throws: StoreFailure.noRoom) { try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) }
    let all = try await store.read(target.mailbox, after: 0, page: PageLimit(count: 9_999, byteCount: 1 << 30), today: Workload.today)
    try await store.acknowledge(target.mailbox, through: all[all.count - 1].sequence)
    try await store.truncateLog()
    #expect(try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) == [.accepted])
    // What stays free for the log is not given away.
    free.count = minimum / 2
    await #expect(throws: StoreFailure.noRoom) { try await store.append([Workload.copy(to: target, sealed)], today: Workload.today) }
  }

  @Test func `changes may fill the log with half of what stays free, and the rest is for who deletes`() async throws {
    let minimum = 2 << 20
    let store = try open { $0.minimumFreeByteCount = minimum }
    let target = try await Workload(random: random).target(in: store)
    for number in UInt8(0)..<3 { _ = try await store.append([Workload.copy(to: target, [number])], today: Workload.today) }
    try await store.truncateLog()
    let reader = try server.reader()
    func change() async throws(StoreFailure) { try await store.setDeliveryKeys([target.deliveryKey, name()], of: target.mailbox) }
    free.count = minimum - 1
    var count = 0
    do throws(StoreFailure) {
      while count < 2_000 {
        try await change()
        count += 1
      }
    } catch { #expect(error == .noRoom) }
    let log = try server.read("server.sqlite-wal").count
    #expect((minimum / 2..<minimum / 2 + 300_000).contains(log), "\(count) changes: \(log)")
    await #expect(throws: StoreFailure.noRoom) { _ = try await store.countTokens(1, for: target.mailbox, quota: 9) }
    // Who reads, acknowledges and deletes goes on.
    let all = try await store.read(target.mailbox, after: 0, page: PageLimit(count: 9, byteCount: 1 << 20), today: Workload.today)
    try await store.acknowledge(target.mailbox, through: all[1].sequence)
    await #expect(throws: StoreFailure.unavailable, "the reader is in the way") { try await store.truncateLog() }
    #expect(try await Workload.readAll(target, in: store) == [[2]])
    func cellCount() async throws -> Int? {
      try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE sealed <> x''") }
    }
    #expect(try await cellCount() == 1)
    try await store.expire(today: Workload.today.adding(40))
    #expect(try await cellCount() == 0)
    // What the disk has beyond what stays free is the log's.
    free.count = minimum
    try await change()
    free.count = minimum - 1
    await #expect(throws: StoreFailure.noRoom) { try await change() }
    try reader.close()
    try await store.truncateLog()
    try await change()
  }

  @Test func `one transaction looks once, and takes as many of its writes as there is room for`() async throws {
    let store = try open { $0.minimumFreeByteCount = 1 }
    let target = try await Workload(random: random).target(in: store)
    let cost = StorageCost.envelopes([Workload.copy(to: target, [0])])
    for (room, expected) in [(Int.max, 100), (1 + 40 * cost, 40), (1, 0), (0, 0)] {
      free.count = room
      let before = free.looks
      let gate = DispatchSemaphore(value: 0)
      store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
      let accepted = await withTaskGroup { group in
        for number in UInt8(0)..<100 {
          group.addTask { (try? await store.append([Workload.copy(to: target, [number])], today: Workload.today)) == [.accepted] }
        }
        while store.waitingWriteCount < 100 { await Task.yield() }
        gate.signal()
        return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(accepted == expected)
      #expect(free.looks == before + 1)
    }
  }

  @Test func `clients hear how long to wait, and a stream goes on`() async throws {
    let store = try open { $0.minimumFreeByteCount = 1 << 20 }
    let fixture = try EngineFixture(store: store)
    let key = Permission.random(using: random)
    let mailbox = try await fixture.makeMailbox(deliveryKeys: [key])
    func send(_ text: String) async throws -> Answer {
      try await fixture.call(.send(id: .random(using: random), frame: fixture.frame(text), recipients: [mailbox.recipient(key)]))
    }
    #expect(try await send("before") == .sent([.accepted]))
    free.count = 0
    #expect(try await send("without room") == .noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds))
    let stream = try await fixture.attach(mailbox)
    #expect(await stream.envelopes.count == 1)
    try await stream.send(.publish(id: 1, capabilityHash: key.hash, days: 1, blobs: [[1]]))
    #expect(await stream.messages.last == .done(id: 1, outcome: .overQuota))
    try await stream.send(.vouchers(id: 2, count: 1))
    #expect(await stream.messages.last == .done(id: 2, outcome: .overQuota))
    try await stream.send(.acknowledge(cursor: await stream.envelopes[0].cursor))
    #expect(await !stream.isClosed)
    free.count = .max
    #expect(try await send("after") == .sent([.accepted]))
    try await stream.runWakes()
    #expect(await stream.envelopes.count == 2)
  }
}
