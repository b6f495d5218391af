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
    try await world.run(for: 29 * Self.day)
    try Self.look(world, 0)
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await world.run(for: 3 * Self.day)
    for _ in 0..<3 {
      try Self.look(world, 0)
      try await world.run(for: Self.day)
    }
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
    try await world.run(for: 11 * Self.day)
    for device in 1...2 { try Self.look(world, device) }
    try await world.run()
    try await world.run(for: 22 * Self.day)
    try Self.look(world, 0)
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
      try await world.run(for: Self.day)
    }
    let (ben, cleo, dan) = (world.devices[1].identity, world.devices[2].identity, world.devices[3].identity)
    try world.act(0) { (engine, now) throws(EngineError) in
      try engine.add(dan, to: id, now: now)
      try engine.remove(cleo, from: id, now: now)
    }
    try await world.run()
    try world.acceptAll(3)
    try await world.run()
    for _ in 0..<6 {
      try await world.run(for: 6 * Self.day)
      try Self.look(world, 0)
    }
    let told = try Self.notices(world, 0, id)
    #expect(told.map(\.author) == [ben])
    // Two days, told at the first that was over.
    #expect(told.allSatisfy { if case .notFetched(let count, 1) = $0.kind { (1...2).contains(count) } else { false } })
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
    #expect(try store.record(key)?.first == 2)
  }
}
