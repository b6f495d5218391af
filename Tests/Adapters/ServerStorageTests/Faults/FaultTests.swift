import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// Disks that fail while a server works: flushes that fail, writes that end in the middle, input and output errors, a disk that is
/// full or can only be read from one moment on. Whatever it was, what was accepted is there when the database is opened again on a
/// disk that works, nothing is there twice, and the database verifies.
@Suite struct FaultTests {
  struct Fault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let operations: Int32
    let lasts: Bool
    let code: Int32
    /// Of a write that fails, percent that reach the disk.
    let percent: Int
    /// How many moments are tried.
    let count: Int

    static let all = [
      Fault(testDescription: "one flush fails", .sync, lasts: false, SQLITE_IOERR | 4 << 8, count: 30),
      Fault(testDescription: "no flush succeeds any more", .sync, lasts: true, SQLITE_IOERR | 4 << 8, count: 12),
      Fault(testDescription: "one write fails", .write, lasts: false, SQLITE_IOERR | 3 << 8, count: 20),
      Fault(testDescription: "one write ends in the middle", .write, lasts: false, SQLITE_IOERR | 3 << 8, percent: 60, count: 30),
      Fault(testDescription: "the disk is full once, in the middle of a write", .write, lasts: false, SQLITE_FULL, percent: 30, count: 30),
      Fault(testDescription: "the disk is full", .write, lasts: true, SQLITE_FULL, percent: 50, count: 20),
      Fault(
        testDescription: "the disk can only be read any more", [.write, .sync, .truncate, .open], lasts: true, SQLITE_IOERR | 3 << 8,
        count: 20),
      Fault(testDescription: "the log cannot be cut", .truncate, lasts: true, SQLITE_IOERR | 6 << 8, count: 3),
      Fault(testDescription: "one read fails", .read, lasts: false, SQLITE_IOERR | 1 << 8, count: 12),
    ]

    init(
      testDescription: String, _ operations: FaultyDisk.Operation, lasts: Bool, _ code: Int32, percent: Int = 0, count: Int
    ) {
      self.testDescription = testDescription
      self.operations = operations.rawValue
      self.lasts = lasts
      self.code = code
      self.percent = percent
      self.count = count
    }
  }

  private static let SQLITE_IOERR: Int32 = 10
  private static let SQLITE_FULL: Int32 = 13

  @Test(arguments: Fault.all)
  func `at whatever moment a disk fails, nothing accepted is lost and nothing is there twice`(_ fault: Fault) async throws {
    let operations = FaultyDisk.Operation(rawValue: fault.operations)
    let life = try await FaultyLife()
    for moment in 0..<fault.count {
      // Over the whole of a life, and several at its beginning: counted in what was accepted, which two lives have alike however their
      // writers run. As late as that there is one write that is not on disk yet, and early on there are several transactions of them.
      let lastCount = operations == .truncate ? fault.count - 1 : FaultyLife.lastSureCount
      let acceptedCount = moment * lastCount / max(1, fault.count - 1)
      let nth = operations != .truncate && acceptedCount <= FaultyLife.lastSureCount / 2 ? 1 + moment % 3 : 1
      let disk = try await life.live(until: acceptedCount) { disk in
        disk.fail(operations, nth: nth, lasts: fault.lasts, code: fault.code, percent: fault.percent)
      }
      #expect(disk.failureCount > 0, "the \(nth). after \(acceptedCount) accepted writes")
    }
  }

  @Test func `a transaction that is lost before its commit is counted as one that failed`() async throws {
    let server = try TemporaryServer()
    var store = try server.openStore()
    let target = try await Workload(random: SeededRandom(seed: 4)).target(in: store)
    try store.close()
    let disk = try FaultyDisk(server)
    let failures = Mutex(0)
    let observer: StoreObserver = { event in if case .commitFailed = event { failures.withLock { $0 += 1 } } }
    store = try server.openStore(limits: StorageLimits(), observer: observer)
    func send() async throws { _ = try await store.append([Workload.copy(to: target, [1])], today: Workload.today) }
    // SQLite takes back all of a transaction in which it cannot read: the first page as it begins, others in its middle.
    for nth in 1...3 {
      try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA shrink_memory") }
      disk.fail(.read, nth: nth, lasts: true, code: Self.SQLITE_IOERR | 1 << 8)
      await #expect(throws: StoreFailure.unavailable) { try await send() }
      #expect(failures.withLock { $0 } == nth)
      disk.mend()
      try await send()
    }
    // And none can begin while somebody else writes.
    try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA busy_timeout = 0") }
    var configuration = Configuration()
    configuration.allowsUnsafeTransactions = true
    let other = try DatabaseQueue(path: server.file("server.sqlite"), configuration: configuration)
    try await other.writeWithoutTransaction { try $0.beginTransaction(.immediate) }
    await #expect(throws: StoreFailure.unavailable) { try await send() }
    #expect(failures.withLock { $0 } == 4)
    try await other.writeWithoutTransaction { try $0.rollback() }
    try other.close()
    try await send()
    #expect(failures.withLock { $0 } == 4)
    try store.close()
  }

  @Test(arguments: [false, true])
  func `a disk that becomes full in the middle of a batch says so to all of it, and has not failed`(
    beforeTheCommit: Bool
  ) async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let refused = Mutex(0)
    let observer: StoreObserver = { event in if case .noRoom(let count) = event { refused.withLock { $0 += count } } }
    let store = try server.openStore(limits: StorageLimits(), observer: observer)
    let target = try await Workload(random: SeededRandom(seed: 5)).target(in: store)
    // More than the writer keeps in memory is written before the commit.
    let copies = (UInt8(0)..<(beforeTheCommit ? 100 : 1)).map {
      Workload.copy(to: target, [$0] + [UInt8](repeating: $0, count: 200_000))
    }
    for round in 1...2 {
      disk.fail(.write, nth: round, lasts: true, code: Self.SQLITE_FULL, percent: 30)
      let gate = DispatchSemaphore(value: 0)
      store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
      async let count = outcome { _ = try await store.countTokens(1, for: target.mailbox, quota: 99) }
      async let first = outcome { _ = try await store.append(copies, today: Workload.today) }
      async let second = outcome { _ = try await store.append(copies, today: Workload.today) }
      while store.waitingWriteCount < 3 { await Task.yield() }
      gate.signal()
      #expect(await [count, first, second] == [.noRoom, .noRoom, .noRoom])
      #expect(refused.withLock { $0 } == 3 * round)
      #expect(!store.hasFailed)
      // Owners read, and what they acknowledge stays so.
      #expect(try await Workload.readAll(target, in: store).isEmpty)
      disk.mend()
    }
    #expect(try await store.append(copies, today: Workload.today) == copies.map { _ in .accepted })
    #expect(try await Workload.readAll(target, in: store) == copies.map(\.sealed))
    try store.close()
    try server.openStore(checking: true).close()
  }

  @Test func `on a disk that is full but for a little, thousands of envelopes and rows are deleted all the same`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let store = try server.openStore(limits: StorageLimits())
    let workload = Workload(random: SeededRandom(seed: 7))
    let target = try await workload.target(in: store)
    let count = 3_000
    for start in stride(from: 0, to: count, by: 100) {
      let copies = (start..<start + 100).map { _ in
        Workload.copy(to: target, [1], receipt: .random(using: workload.random), expires: Workload.today.adding(10))
      }
      _ = try await store.append(copies, today: Workload.today)
    }
    let last = Workload.copy(to: target, [2], expires: Workload.today.adding(20))
    _ = try await store.append([last], today: Workload.today)
    try await store.truncateLog()
    func rowCount(_ table: String) async throws -> Int {
      try await store.pool.read {
        try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table) WHERE \(table == "envelopes" ? "sealed <> x''" : "true")") ?? 0
      }
    }
    let before = try await rowCount("envelopes")
    #expect(before > count)
    // What is kept in reserve: a tenth of what one transaction for all would write.
    disk.leaveRoom(forLog: ServerDirectory.reserveByteCount)
    let page = PageLimit(count: count / 2, byteCount: 1 << 30)
    let half = try await store.read(target.mailbox, after: 0, page: page, today: Workload.today)
    for envelope in half.enumerated() where (envelope.offset + 1).isMultiple(of: 500) {
      try await store.acknowledge(target.mailbox, through: envelope.element.sequence)
    }
    try await store.truncateLog()
    #expect(disk.failureCount > 0, "the bound was met")
    #expect(try await rowCount("envelopes") == before - half.count)
    let refusals = disk.failureCount
    try await store.expire(today: Workload.today.adding(11))
    #expect(disk.failureCount > refusals, "the bound was met")
    #expect(try await Workload.readAll(target, in: store) == [[2]])
    #expect(try await (rowCount("envelopes"), rowCount("receipts")) == (1, 0))
    #expect(!store.hasFailed)
    disk.mend()
    try store.close()
    try server.openStore(checking: true).close()
  }

  @Test func `a stream stays open on a disk that has no room for anything, and what asks for some hears so`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let store = try server.openStore(limits: StorageLimits())
    let fixture = try EngineFixture(store: store)
    let key = Permission.random(using: fixture.random)
    let mailbox = try await fixture.makeMailbox(deliveryKeys: [key])
    func send(_ text: String) async throws -> Answer {
      try await fixture.call(.send(id: .random(using: fixture.random), frame: fixture.frame(text), recipients: [mailbox.recipient(key)]))
    }
    for text in ["one", "two"] { #expect(try await send(text) == .sent([.accepted])) }
    disk.fail(.write, nth: 1, lasts: true, code: Self.SQLITE_FULL)
    let stream = try await fixture.attach(mailbox)
    #expect(await stream.envelopes.count == 2)
    try await stream.send(.delivery(id: 1, keyHashes: (0..<Limits.deliveryKeyPadding).map { _ in .random(using: fixture.random) }))
    #expect(await stream.messages.last == .done(id: 1, outcome: .overQuota))
    // The queue is forgotten with the transaction that failed, and each write is asked of the disk once.
    for envelope in await stream.envelopes { try await stream.send(.acknowledge(cursor: envelope.cursor)) }
    #expect(await !stream.isClosed)
    #expect(try await send("three") == .noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds))
    disk.mend()
    #expect(try await send("four") == .sent([.accepted]))
    try await stream.runWakes()
    #expect(try await stream.frames().count == 3)
    #expect(await !stream.isClosed)
  }

  private func outcome(_ body: () async throws -> Void) async -> StoreFailure? {
    do { try await body() } catch { return error as? StoreFailure }
    return nil
  }

  @Test func `on a full disk owners read and acknowledge, and what they emptied is deleted when there is room again`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let failures = Mutex(0)
    let observer: StoreObserver = { event in if case .checkpointFailed = event { failures.withLock { $0 += 1 } } }
    let store = try server.openStore(limits: StorageLimits(), observer: observer)
    let target = try await Workload(random: SeededRandom(seed: 6)).target(in: store)
    // More cells than are deleted at a time.
    let count = 1_100
    for start in stride(from: 0, to: count, by: 100) {
      _ = try await store.append((start..<start + 100).map { _ in Workload.copy(to: target, [1]) }, today: Workload.today)
    }
    disk.fail(.write, nth: 1, lasts: true, code: Self.SQLITE_FULL)
    let page = PageLimit(count: count, byteCount: 1 << 30)
    let all = try await store.read(target.mailbox, after: 0, page: page, today: Workload.today)
    #expect(all.count == count)
    for number in [600, count - 1, count - 1] { try await store.acknowledge(target.mailbox, through: all[number].sequence) }
    #expect(try await Workload.readAll(target, in: store).isEmpty)
    await #expect(throws: StoreFailure.noRoom) { try await store.truncateLog() }
    #expect(failures.withLock { $0 } == 0, "no room is no fault of the disk")
    disk.mend()
    // Also where the log cannot be cut for another reason.
    disk.leaveRoom(forLog: 1)
    let reader = try server.reader()
    await #expect(throws: StoreFailure.noRoom) { try await store.truncateLog() }
    try reader.close()
    disk.mend()
    try await store.truncateLog()
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE sealed <> x''") } == 0)
    try store.close()
  }

  @Test(arguments: [true, false])
  func `a write that fails is want of room where a quota is used up, and else the end of a disk`(takesMore: Bool) async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let failures = Mutex(0)
    let observer: StoreObserver = { event in if case .checkpointFailed = event { failures.withLock { $0 += 1 } } }
    let store = try server.openStore(limits: StorageLimits(), takesMore: { takesMore }, observer: observer)
    let target = try await Workload(random: SeededRandom(seed: 8)).target(in: store)
    func send(_ byteCount: Int) async -> StoreFailure? {
      await outcome {
        _ = try await store.append([Workload.copy(to: target, [UInt8](repeating: 1, count: byteCount))], today: Workload.today)
      }
    }
    // As SQLite calls it, whatever the system's reason.
    disk.fail(.write, nth: 1, lasts: true, code: Self.SQLITE_IOERR | 3 << 8)
    #expect(await outcome { try await store.truncateLog() } == (takesMore ? .unavailable : .noRoom))
    #expect(failures.withLock { $0 } == (takesMore ? 1 : 0))
    #expect(await send(1) == (takesMore ? .outcomeUnknown : .noRoom))
    #expect(store.hasFailed == takesMore)
    if !takesMore {
      disk.mend()
      // A flush that fails says nothing of room.
      disk.fail(.sync, nth: 1, lasts: true, code: Self.SQLITE_IOERR | 4 << 8)
      #expect(await send(1) == .outcomeUnknown)
      #expect(store.hasFailed)
    }
    disk.mend()
    try? store.close()
    try server.openStore(checking: true).close()
  }

  @Test func `what finds no room to be deleted takes nobody's write with it`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let store = try server.openStore(limits: StorageLimits())
    let target = try await Workload(random: SeededRandom(seed: 9)).target(in: store)
    let count = 1_000
    for start in stride(from: 0, to: count, by: 100) {
      _ = try await store.append((start..<start + 100).map { _ in Workload.copy(to: target, [1]) }, today: Workload.today)
    }
    try await store.truncateLog()
    let page = PageLimit(count: count, byteCount: 1 << 30)
    let all = try await store.read(target.mailbox, after: 0, page: page, today: Workload.today)
    try await store.acknowledge(target.mailbox, through: all[count - 1].sequence)
    disk.leaveRoom(forLog: 256 << 10)
    let gate = DispatchSemaphore(value: 0)
    store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
    async let deletion = outcome { try await store.truncateLog() }
    // Time for it to get in line, if it did.
    for _ in 0..<10_000 where store.waitingWriteCount == 0 { await Task.yield() }
    let before = store.waitingWriteCount
    async let change = outcome { _ = try await store.countTokens(1, for: target.mailbox, quota: 99) }
    while store.waitingWriteCount == before { await Task.yield() }
    gate.signal()
    #expect(await change == nil)
    #expect(await deletion == nil)
    #expect(disk.failureCount > 0, "the bound was met")
    #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE sealed <> x''") } == 0)
    disk.mend()
    try store.close()
  }

  @Test func `a disk that can only be read is said so at the start`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    try server.openStore().close()
    disk.fail(.open, nth: 1, lasts: true, code: 1)
    #expect(throws: ServerStorageError.readOnly) { try server.openStore(checking: true) }
    disk.mend()
    try server.openStore(checking: true).close()
  }

  @Test func `a checkpoint that fails is told, and costs nothing`() async throws {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let failures = Mutex(0)
    let observer: StoreObserver = { event in if case .checkpointFailed = event { failures.withLock { $0 += 1 } } }
    let store = try server.openStore(limits: StorageLimits(), observer: observer)
    let target = try await Workload(random: SeededRandom(seed: 3)).target(in: store)
    #expect(try await store.append([Workload.copy(to: target, [1])], today: Workload.today) == [.accepted])
    disk.fail(.sync, nth: 1, lasts: true, code: 10 | 4 << 8)
    await #expect(throws: StoreFailure.unavailable) { try await store.truncateLog() }
    #expect(failures.withLock { $0 } == 1)
    disk.mend()
    try await store.truncateLog()
    #expect(try await Workload.readAll(target, in: store) == [[1]])
    try store.close()
  }
}

/// A short life under load, of which every accepted write is remembered.
struct FaultyLife: Sendable {
  private final class Accepted: Sendable {
    private let writes = Mutex<[[UInt8]]>([])
    private let count: Int
    private let reached: @Sendable () -> Void

    /// - Parameter reached: is called when so many were accepted.
    init(until count: Int, _ reached: @escaping @Sendable () -> Void) {
      self.count = count
      self.reached = reached
      if count == 0 { reached() }
    }

    var all: [[UInt8]] { writes.withLock { $0 } }

    func add(_ write: [UInt8]) {
      let isReached = writes.withLock { writes in
        writes.append(write)
        return writes.count == count
      }
      if isReached { reached() }
    }
  }

  private let template: TemporaryServer
  private let targets: [DeliveryTarget]
  private let log: NewLog
  private static let writerCount = UInt8(4)
  private static let count = UInt8(6)
  /// When so many are known to be accepted, one at least is not on disk yet: no more than one of each writer is on its way.
  static let lastSureCount = Int(writerCount) * (Int(count) - 1)

  init() async throws {
    template = try TemporaryServer()
    let workload = Workload(random: SeededRandom(seed: 71))
    let store = try template.openStore()
    targets = [try await workload.target(in: store), try await workload.target(in: store)]
    log = try await workload.log(in: store)
    try store.close()
  }

  /// Lives once, and looks at what is left.
  ///
  /// - Parameters:
  ///   - count: how many writes are accepted before.
  ///   - plan: lets the disk fail.
  func live(until count: Int, failing plan: @escaping @Sendable (FaultyDisk) -> Void) async throws -> FaultyDisk {
    let server = try TemporaryServer()
    for name in ["server.keys", "server.sqlite"] { try PrivateFiles.copy(template.file(name), to: server.file(name)) }
    let disk = try FaultyDisk(server)
    let store = try server.openStore()
    let accepted = Accepted(until: count) { plan(disk) }
    await withTaskGroup { group in
      for writer in 0..<Self.writerCount {
        group.addTask { await write(writer, store, accepted) }
      }
    }
    try? store.close()
    disk.mend()
    try await check(server, accepted.all)
    return disk
  }

  private func write(_ writer: UInt8, _ store: SQLiteMailboxStore, _ accepted: Accepted) async {
    var slot: UInt64 = 0
    for number in 0..<Self.count {
      let bytes = [writer, number] + [UInt8](repeating: number, count: number.isMultiple(of: 3) ? 9_000 : 500)
      let copies = targets.map { Workload.copy(to: $0, bytes) }
      // What is refused is not asked for again: in a history, nothing fills its place.
      if writer == 0 {
        let append = StoredAppend(
          log: log.place, slot: slot, writeKey: log.writeKey, entry: bytes, expires: Workload.expires, rotation: nil, groupInfo: bytes,
          copies: copies)
        if case .appended([.accepted, .accepted])? = try? await store.append(append, today: Workload.today) {
          accepted.add(bytes)
          slot += 1
        }
      } else if (try? await store.append(copies, today: Workload.today)) == [.accepted, .accepted] {
        accepted.add(bytes)
      }
      if number == 2 { try? await store.truncateLog() }
      // Reading goes on beside it.
      _ = try? await Workload.readAll(targets[0], in: store)
    }
  }

  private func check(_ server: TemporaryServer, _ accepted: [[UInt8]]) async throws {
    let store = try server.openStore(checking: true)
    let mailboxes = [try await Workload.readAll(targets[0], in: store), try await Workload.readAll(targets[1], in: store)]
    #expect(Set(mailboxes[0]) == Set(mailboxes[1]), "every write goes to both")
    #expect(Set(mailboxes[0]).count == mailboxes[0].count, "nothing is there twice")
    #expect(Set(accepted).isSubset(of: mailboxes[0]), "nothing accepted is lost")
    let page = PageLimit(count: 1_000, byteCount: 1 << 24)
    let entries = try await store.readLog(log.place, from: 0, page: page, today: Workload.today)
    #expect(entries?.entries.map(\.frame) == mailboxes[0].filter { $0[0] == 0 }, "entries stand with their copies")
    #expect(try await store.append([Workload.copy(to: targets[0], [255])], today: Workload.today) == [.accepted])
    #expect(try await Workload.readAll(targets[0], in: store).last == [255])
    try store.close()
  }
}
