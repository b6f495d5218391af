import ConversationEngine
import CryptoSuite
import DeviceStoreTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// A server keeps what waits for thirty days; then both ends hear of it.
@Suite struct ExpiryTests {
  private static let day: UInt64 = 86_400_000

  /// A device's shell looks at the calendar.
  private static func look(_ world: SimulatedWorld, _ device: Int) throws {
    try world.act(device) { (_, _) throws(EngineError) in }
  }

  /// Days on which these devices are switched on, and look at the calendar now and then.
  private static func live(_ world: SimulatedWorld, days: UInt64, _ devices: [Int]) async throws {
    for _ in 0..<2 * days {
      try await world.run(for: day / 2)
      for device in devices { try look(world, device) }
    }
    try await world.run(for: 60_000)
  }

  private static func notices(_ world: SimulatedWorld, _ device: Int, _ id: ConversationID) throws -> [HistoryEntry] {
    try (world.devices[device].engine?.history(of: id, after: nil, limit: 1_000) ?? []).filter {
      switch $0.kind {
      case .mayHaveExpired, .notFetched, .notTaken: true
      default: false
      }
    }
  }

  private static func absences(_ world: SimulatedWorld, _ device: Int) -> [UInt64] {
    world.devices[device].events.compactMap { if case .mayHaveExpired(_, let since) = $0 { since } else { nil } }
  }

  private static func go(_ world: SimulatedWorld, _ device: Int, online isOnline: Bool) async throws {
    world.setOnline(device, isOnline, in: 0)
    try await world.run()
  }

  @Test func `who was away for longer than the server keeps messages hears it, and so does who wrote to them`() async throws {
    let world = try await SimulatedWorld(seed: 120, deviceCount: 2)
    world.ledger.allowsExpiry = true
    let id = try await world.introduce(0, 1)
    try await Self.go(world, 1, online: false)
    let left = world.now
    for number in 1...3 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run()
    try await Self.live(world, days: 29, [0])
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await Self.live(world, days: 6, [0])
    let ben = world.devices[1].identity
    let told = try Self.notices(world, 0, id)
    #expect(told.map(\.kind) == [.notFetched(count: 3, deviceCount: 1)])
    #expect(told.first?.author == ben)

    try await Self.go(world, 1, online: true)
    #expect(Self.absences(world, 1).count == 1)
    #expect(Self.absences(world, 1).allSatisfy { $0 <= left && left - $0 < Self.day })
    #expect(try Self.notices(world, 1, id).map(\.kind) == Self.absences(world, 1).map { .mayHaveExpired(since: $0) })
    // Ben's device has said what it has, and Ada's has sent the rest again.
    #expect(try world.texts(1, in: id).sorted() == (1...3).map { "Ada: canary \($0)" })
    try await Self.go(world, 1, online: false)
    try await Self.go(world, 1, online: true)
    #expect(Self.absences(world, 1).count == 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `who was away for less hears nothing, and gets everything`() async throws {
    let world = try await SimulatedWorld(seed: 121, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try await Self.go(world, 1, online: false)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    try await world.run(for: 28 * Self.day)
    try await Self.go(world, 1, online: true)
    #expect(try world.texts(1, in: id) == ["Ada: canary"])
    #expect(Self.absences(world, 1).isEmpty)
    try await MeetingTests.requireGood(world)
  }

  @Test func `who reads and never writes says so after a while, and nobody thinks them away`() async throws {
    let (world, id) = try await GroupTests.group(seed: 122)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    try await Self.live(world, days: 33, [0, 1, 2])
    #expect(try Self.notices(world, 0, id).isEmpty)
    // One word each to who wrote, and none to each other.
    let seen = world.trace.count { $0.contains("calls send") && $0.contains("to 1") && ($0.contains("Ben") || $0.contains("Cleo")) }
    #expect(seen >= 2)
    try await MeetingTests.requireGood(world)
  }

  @Test func `in a group those are named who have not fetched, once, and none who came later or have gone`() async throws {
    let world = try await SimulatedWorld(seed: 123, deviceCount: 4)
    world.ledger.allowsExpiry = true
    for other in 1...3 { try await world.introduce(0, other) }
    let id = try await world.makeGroup("choir", owner: 0, members: [1, 2])
    try await Self.go(world, 1, online: false)
    try await Self.go(world, 2, online: false)
    for number in 1...2 {
      try world.send("canary \(number)", from: 0, to: id)
      try await world.run()
      try await Self.live(world, days: 1, [0])
    }
    let (ben, cleo, dan) = (world.devices[1].identity, world.devices[2].identity, world.devices[3].identity)
    try world.act(0) { (engine, now) throws(EngineError) in
      try engine.add(dan, to: id, now: now)
      try engine.remove(cleo, from: id, now: now)
    }
    try await world.run()
    try world.acceptAll(3)
    try await world.run()
    try await Self.live(world, days: 36, [0])
    let told = try Self.notices(world, 0, id)
    #expect(told.map(\.author) == [ben])
    // Two days, told at the first that was over.
    #expect(told.allSatisfy { if case .notFetched(let count, 1) = $0.kind { (1...2).contains(count) } else { false } })
  }

  @Test(arguments: [31, 45] as [UInt64])
  func `an author who was away names nobody before those who have fetched could say so`(days: UInt64) async throws {
    let (world, id) = try await GroupTests.group(seed: 127)
    world.ledger.allowsExpiry = true
    try await Self.go(world, 2, online: false)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    try await Self.go(world, 0, online: false)
    // Ben says what he has; after 45 days the server has that no more.
    try await Self.live(world, days: days, [1])
    try Self.look(world, 0)
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await Self.go(world, 0, online: true)
    try await Self.live(world, days: 12, [0, 1])
    let cleo = world.devices[2].identity
    let told = try Self.notices(world, 0, id).filter { if case .notFetched = $0.kind { true } else { false } }
    #expect(told.map(\.author) == [cleo])
  }

  @Test func `who fetches late but in time says so in time`() async throws {
    let world = try await SimulatedWorld(seed: 128, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try await Self.go(world, 1, online: false)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    try await Self.live(world, days: 25, [0])
    try await Self.go(world, 1, online: true)
    try await Self.live(world, days: 8, [0, 1])
    #expect(try world.texts(1, in: id) == ["Ada: canary"])
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await MeetingTests.requireGood(world)
  }

  @Test func `what a device has to say finds a full mailbox, and is said again`() async throws {
    let world = try await SimulatedWorld(seed: 129, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    world.fullMailboxes = [0]
    try await Self.live(world, days: 11, [0, 1])
    world.fullMailboxes = []
    try await Self.live(world, days: 22, [0, 1])
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await MeetingTests.requireGood(world)
  }

  @Test func `a clock that is wrong for a while makes nobody absent`() async throws {
    let world = try await SimulatedWorld(seed: 130, deviceCount: 1)
    try await world.run()
    let server = world.server.address
    // Set back, and never set.
    try world.act(0) { (engine, now) throws(EngineError) in
      for wrong in [now - 100 * Self.day, 5 * Self.day] {
        try engine.caughtUp(with: server, now: wrong)
        try engine.caughtUp(with: server, now: now + 2 * 3_600_000)
      }
    }
    #expect(Self.absences(world, 0).isEmpty)
    // One that was years ahead is found out, too late for one word.
    try world.act(0) { (engine, now) throws(EngineError) in
      try engine.caughtUp(with: server, now: now + 800 * Self.day)
      try engine.caughtUp(with: server, now: now)
      try engine.caughtUp(with: server, now: now + 20 * Self.day)
    }
    #expect(Self.absences(world, 0).count == 1)
    try world.act(0) { (engine, now) throws(EngineError) in try engine.caughtUp(with: server, now: now + 60 * Self.day) }
    #expect(Self.absences(world, 0).count == 2)
  }

  @Test func `a device that was there all the time without a word from anybody was not away`() async throws {
    let world = try await SimulatedWorld(seed: 124, deviceCount: 2)
    _ = try await world.introduce(0, 1)
    for _ in 0..<40 {
      try await world.run(for: 23 * 3_600_000)
      try Self.look(world, 1)
    }
    try await Self.go(world, 1, online: false)
    try await Self.go(world, 1, online: true)
    #expect(Self.absences(world, 1).isEmpty)
  }

  @Test func `a device that slept with its connection open was away`() async throws {
    let world = try await SimulatedWorld(seed: 125, deviceCount: 2)
    world.ledger.allowsExpiry = true
    _ = try await world.introduce(0, 1)
    try await world.run(for: 40 * Self.day)
    // It wakes and looks at the calendar before it notices that nobody is there any more.
    try Self.look(world, 1)
    try await Self.go(world, 1, online: false)
    try await Self.go(world, 1, online: true)
    #expect(Self.absences(world, 1).count == 1)
  }

  @Test func `a conversation of the version before is read, and nobody is blamed for what was sent then`() async throws {
    let world = try await SimulatedWorld(seed: 126, deviceCount: 1)
    try await world.run()
    let id = try await world.makeGroup("alone", owner: 0, members: [])
    let store = world.devices[0].store.copy()
    let key = RecordKey(.conversation, id.bytes)
    let record = try #require(try store.record(key))
    // Without the two empty lists and the three numbers at its end.
    var transaction = DeviceTransaction()
    transaction.records = [key: [1] + record.dropFirst().dropLast(22)]
    try store.commit(transaction)
    var engine = try #require(try ConversationEngine.open(store: store, random: SeededRandom(seed: 126)))
    #expect(engine.conversations.map(\.id) == [id])
    _ = try engine.send(text: "canary", to: id, now: world.now)
    #expect(try store.record(key)?.first == 3)
  }

  @Test func `a conversation of version 2 is read, with what was heard by then`() async throws {
    let world = try await SimulatedWorld(seed: 131, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    let store = world.devices[0].store.copy()
    let key = RecordKey(.conversation, id.bytes)
    let record = try #require(try store.record(key))
    // At its end: one device's receipts, behind their length; a day on which something was sent and the number before it; two numbers.
    let (receipts, days) = (Array(record.dropLast(25 + 12).suffix(2 + 73)), record.dropLast(12).suffix(25))
    try #require(receipts.prefix(2).elementsEqual([0x40, 73]), "\(record.suffix(120))")
    try #require(days.first == 16, "\(record.suffix(120))")
    var transaction = DeviceTransaction()
    transaction.records = [key: [2] + record.dropFirst().dropLast(2 + 73 + 25 + 12) + [57] + receipts.dropFirst(2).prefix(57) + days]
    try store.commit(transaction)
    var engine = try #require(try ConversationEngine.open(store: store, random: SeededRandom(seed: 131)))
    #expect(engine.conversations.map(\.id) == [id])
    _ = try engine.send(text: "canary", to: id, now: world.now)
    let written = try #require(try store.record(key))
    #expect(written.first == 3 && written.count == record.count)
  }
}
