import ConversationEngine
import CryptoSuite
import DeviceStoreTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// A mailbox that is full for a while: what it did not take comes later, and nobody else waits for it.
@Suite struct RedeliveryTests {
  private static func hasGap(_ world: SimulatedWorld, _ id: ConversationID) -> Bool {
    world.devices[2].events.contains { if case .gap(id, _, _) = $0 { true } else { false } }
  }

  private static func notices(_ world: SimulatedWorld, _ device: Int, _ id: ConversationID) throws -> [HistoryEntry.Kind] {
    try (world.devices[device].engine?.history(of: id, after: nil, limit: 1_000) ?? []).map(\.kind).filter {
      switch $0 {
      case .mayHaveExpired, .notFetched, .notTaken: true
      default: false
      }
    }
  }

  @Test func `what a full mailbox did not take comes by itself and in order, and the others have it at once`() async throws {
    let (world, id) = try await GroupTests.group(seed: 110)
    world.fullMailboxes = [2]
    for number in 1...4 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run(for: 10_000)
    let texts = (1...4).map { "Ada: canary \($0)" }
    #expect(try world.texts(1, in: id) == texts)
    #expect(try world.texts(2, in: id).isEmpty)
    #expect(world.devices[0].events.contains { if case .sent(id, _, missed: 0, waiting: 1) = $0 { true } else { false } })
    // Nobody who runs a command waits for this.
    #expect(world.devices[0].engine?.hasWork == false)
    try await world.run(for: 7_200_000)
    world.fullMailboxes = []
    try await world.run()
    #expect(try world.texts(2, in: id) == texts)
    #expect(!Self.hasGap(world, id))
    #expect(try Self.notices(world, 0, id).isEmpty)
    try await MeetingTests.requireGood(world)
  }

  /// Ada wrote "canary 1" while Cleo's mailbox was full. It has room again, and Ada does not know.
  private static func groupAfterADayWithoutRoom(seed: UInt64) async throws -> (world: SimulatedWorld, id: ConversationID) {
    let (world, id) = try await GroupTests.group(seed: seed)
    world.fullMailboxes = [2]
    try world.send("canary 1", from: 0, to: id)
    // Long enough for pauses of hours.
    try await world.run(for: 86_400_000)
    world.fullMailboxes = []
    return (world, id)
  }

  @Test func `nothing overtakes what a full mailbox has yet to take, and a new message hastens it`() async throws {
    let (world, id) = try await Self.groupAfterADayWithoutRoom(seed: 111)
    try world.send("canary 2", from: 0, to: id)
    try await world.run(for: 5_000)
    #expect(try world.texts(2, in: id) == ["Ada: canary 1", "Ada: canary 2"])
    #expect(!Self.hasGap(world, id))
    try await MeetingTests.requireGood(world)
  }

  @Test func `who writes has fetched, and gets at once what waited for room`() async throws {
    let (world, id) = try await Self.groupAfterADayWithoutRoom(seed: 112)
    try world.send("canary of Cleo", from: 2, to: id)
    try await world.run(for: 5_000)
    #expect(try world.texts(2, in: id).contains("Ada: canary 1"))
    try await MeetingTests.requireGood(world)
  }

  @Test func `in a conversation of two a message that finds the other's mailbox full is sent, and comes later`() async throws {
    let world = try await SimulatedWorld(seed: 113, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    world.fullMailboxes = [1]
    for number in 1...3 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run(for: 600_000)
    let own = try world.devices[0].engine?.history(of: id, after: nil, limit: 10) ?? []
    #expect(own.count { $0.delivery == .sent } == 3)
    world.fullMailboxes = []
    try await world.run()
    #expect(try world.texts(1, in: id) == (1...3).map { "Ada: canary \($0)" })
    try await MeetingTests.requireGood(world)
  }

  @Test func `a mailbox that stays full is given up after thirty days, and the person is told once`() async throws {
    let (world, id) = try await GroupTests.group(seed: 114)
    world.ledger.allowsExpiry = true
    world.fullMailboxes = [2]
    let before = world.now
    for number in 1...3 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run()
    #expect(try Self.notices(world, 0, id) == [.notTaken(count: 3)])
    #expect(world.devices[0].engine?.taskCount == 0)
    #expect(world.now - before < 32 * 86_400_000)
    // Doubled pauses of up to twelve hours.
    #expect(world.trace.count { $0.contains("sent [3]") } < 140)
    world.fullMailboxes = []
    try world.send("canary 4", from: 0, to: id)
    try await world.run()
    #expect(try world.texts(2, in: id).sorted() == (1...4).map { "Ada: canary \($0)" })
    #expect(try Self.notices(world, 0, id).count == 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `more messages than are listed wait for a full mailbox, and come in order`() async throws {
    let world = try await SimulatedWorld(seed: 118, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    world.fullMailboxes = [1]
    for number in 1...300 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run(for: 600_000)
    let waiting = world.devices[0].events.count { if case .sent(id, _, missed: 0, waiting: 1) = $0 { true } else { false } }
    #expect(waiting == 300)
    world.fullMailboxes = []
    try await world.run()
    #expect(try world.texts(1, in: id) == (1...300).map { "Ada: canary \($0)" })
    #expect(!world.devices[1].events.contains { if case .gap(id, _, _) = $0 { true } else { false } })
    try await MeetingTests.requireGood(world)
  }

  @Test func `what was given up soon after it was written comes when its device says what it lacks`() async throws {
    let world = try await SimulatedWorld(seed: 119, deviceCount: 2)
    world.ledger.allowsExpiry = true
    let id = try await world.introduce(0, 1)
    world.setOnline(1, false, in: 0)
    try await world.run()
    world.fullMailboxes = [1]
    try world.send("canary 1", from: 0, to: id)
    try await world.run(for: 29 * 86_400_000)
    try world.send("canary 2", from: 0, to: id)
    try await world.run()
    #expect(try Self.notices(world, 0, id) == [.notTaken(count: 2)])
    // The same again while its device is not heard of is no news.
    try world.send("canary 3", from: 0, to: id)
    try await world.run(for: 3_600_000)
    world.fullMailboxes = []
    world.setOnline(1, true, in: 0)
    try await world.run()
    #expect(try world.texts(1, in: id).sorted() == (1...3).map { "Ada: canary \($0)" })
    #expect(try Self.notices(world, 0, id).count == 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `nobody is told of what no person wrote, or twice while nothing is heard`() async throws {
    let world = try await SimulatedWorld(seed: 132, deviceCount: 2)
    world.ledger.allowsExpiry = true
    let id = try await world.introduce(0, 1)
    world.fullMailboxes = [1]
    let ben = world.devices[1].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.createGroup(title: "choir", inviting: [ben], now: now) }
    try await world.run()
    #expect(world.devices[0].engine?.taskCount == 0)
    #expect(try Self.notices(world, 0, id).isEmpty)
    for number in 1...2 {
      try world.send("canary \(number)", from: 0, to: id)
      try await world.run()
      #expect(try Self.notices(world, 0, id) == [.notTaken(count: 1)])
    }
  }

  @Test func `an answer that comes twice speaks for one message`() async throws {
    let world = try await SimulatedWorld(seed: 133, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    world.fullMailboxes = [1]
    for number in 1...2 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run(for: 10_000)
    let now = world.now + 3_600_000
    var engine = try #require(try ConversationEngine.open(store: world.devices[0].store.copy(), random: SeededRandom(seed: 133)))
    func sends() throws -> [UInt64] {
      try engine.nextWork(now: now).compactMap { if case .call(.send) = $0.action { $0.id } else { nil } }
    }
    let first = try #require(try sends().first)
    for _ in 0..<2 { try engine.complete(first, .answer(.sent([.accepted])), now: now) }
    let rest = try sends()
    #expect(rest.count == 1 && rest.first != first)
  }

  @Test func `a device that has encrypted a thousand messages in an epoch begins another`() async throws {
    let world = try await SimulatedWorld(seed: 117, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try world.send("canary", from: 0, to: id)
    try await world.run()
    for (count, commits) in [(998, false), (999, true)] as [(UInt16, Bool)] {
      let store = world.devices[0].store.copy()
      let key = RecordKey(.conversation, id.bytes)
      let record = try #require(try store.record(key))
      // The count is the last of the record.
      var transaction = DeviceTransaction()
      transaction.records = [key: record.dropLast(2) + [UInt8(count >> 8), UInt8(count & 0xFF)]]
      try store.commit(transaction)
      var engine = try #require(try ConversationEngine.open(store: store, random: SeededRandom(seed: 117)))
      _ = try engine.send(text: "canary", to: id, now: world.now)
      let work = try engine.nextWork(now: world.now)
      #expect(work.contains { if case .call(.append) = $0.action { true } else { false } } == commits)
    }
  }

  @Test func `who is removed meanwhile gets nothing of what waited`() async throws {
    let (world, id) = try await GroupTests.group(seed: 115)
    world.fullMailboxes = [2]
    try world.send("canary 1", from: 0, to: id)
    try await world.run(for: 10_000)
    let cleo = world.devices[2].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(cleo, from: id, now: now) }
    try await world.run(for: 10_000)
    world.fullMailboxes = []
    try await world.run()
    #expect(try world.texts(2, in: id).isEmpty)
    #expect(world.devices[0].engine?.taskCount == 0)
    #expect(try Self.notices(world, 0, id).isEmpty)
  }

  @Test func `a crash at any write loses nothing of what waits for room and repeats nothing`() async throws {
    var begin = 0
    func live(_ plan: CrashPlan?) async throws -> (world: SimulatedWorld, id: ConversationID) {
      let world = try await SimulatedWorld(seed: 116, deviceCount: 2)
      let id = try await world.introduce(0, 1)
      world.fullMailboxes = [1]
      begin = world.devices[0].store.writeCount
      if let plan { world.planCrash(of: 0, plan) }
      for number in 1...2 { try world.send("canary \(number)", from: 0, to: id) }
      try await world.run(for: 300_000)
      world.fullMailboxes = []
      try await world.run()
      return (world, id)
    }
    let plain = try await live(nil)
    #expect(try plain.world.texts(1, in: plain.id) == ["Ada: canary 1", "Ada: canary 2"])
    // What fails before the commit record leaves no trace, so one crash for each transaction stands for all of its other writes.
    let writes = plain.world.devices[0].commitWrites.filter { $0 > begin }.map { $0 - begin }
    #expect(writes.count >= 8)
    for write in writes {
      for isDurable in [false, true] {
        let (world, id) = try await live(CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: isDurable))
        // What the crash kept from being queued was not confirmed to anybody.
        let own = try world.texts(0, in: id)
        #expect(try world.texts(1, in: id) == own, "write \(write)\(isDurable ? ", durable" : "")")
      }
    }
  }
}
