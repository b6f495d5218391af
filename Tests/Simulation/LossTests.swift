import ConversationEngine
import SimulatedWorld
import SottoProtocol
import Testing

/// What does not arrive is noticed, asked for, and comes from its author.
@Suite struct LossTests {
  @Test func `what a full mailbox did not take is asked for and comes from its author`() async throws {
    let (world, id) = try await GroupTests.group(seed: 60)
    world.fullMailboxes = [2]
    world.ledger.allowsExpiry = true
    for number in 1...3 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run()
    #expect(try world.texts(2, in: id).isEmpty)
    world.fullMailboxes = []
    try world.send("canary 4", from: 0, to: id)
    try await world.run()
    #expect(world.devices[2].events.contains { if case .gap(id, _, _) = $0 { true } else { false } })
    #expect(try world.texts(2, in: id).sorted() == (1...4).map { "Ada: canary \($0)" })
    try await MeetingTests.requireGood(world)
  }

  @Test func `a gap at the end shows in what others have seen`() async throws {
    let (world, id) = try await GroupTests.group(seed: 61)
    world.ledger.allowsExpiry = true
    try world.send("canary 1", from: 0, to: id)
    try await world.run()
    world.fullMailboxes = [2]
    try world.send("canary 2", from: 0, to: id)
    try await world.run()
    world.fullMailboxes = []
    // Ben has seen it, and says so.
    try world.send("canary of Ben", from: 1, to: id)
    try await world.run()
    #expect(try world.texts(2, in: id).contains("Ada: canary 2"))
    try await MeetingTests.requireGood(world)
  }

  @Test func `a commit that a full mailbox did not take is found in the log`() async throws {
    let (world, id) = try await GroupTests.group(seed: 62)
    world.fullMailboxes = [2]
    for device in 0..<2 {
      try world.act(device) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) }
      try await world.run()
    }
    world.fullMailboxes = []
    try world.send("canary of a later epoch", from: 0, to: id)
    try await world.run()
    #expect(try world.texts(2, in: id) == ["Ada: canary of a later epoch"])
    #expect(!world.devices[2].events.contains(.rejoined(id)))
    try await MeetingTests.requireGood(world)
  }

  @Test func `a request and an answer that find full mailboxes are made again`() async throws {
    let (world, id) = try await GroupTests.group(seed: 63)
    world.fullMailboxes = [2]
    world.ledger.allowsExpiry = true
    try world.send("canary 1", from: 0, to: id)
    try await world.run()
    world.fullMailboxes = []
    var refusals = 0
    world.onUser = { world, number in world.fullMailboxes = number == 1 ? [0, 2] : [] }
    try world.send("canary 2", from: 0, to: id)
    // The first request is made after two seconds, the second half a minute later.
    world.planUser(1, in: 1_500)
    world.planUser(2, in: 10_000)
    try await world.run()
    refusals = world.trace.count { $0.contains("sent [3]") }
    #expect(refusals >= 1)
    #expect(try world.texts(2, in: id).sorted() == ["Ada: canary 1", "Ada: canary 2"])
    try await MeetingTests.requireGood(world)
  }

  @Test func `what nobody can send again is named in the history`() async throws {
    let (world, id) = try await GroupTests.group(seed: 64)
    world.fullMailboxes = [2]
    try world.send("canary lost", from: 1, to: id)
    try await world.run()
    world.fullMailboxes = []
    try world.send("canary kept", from: 1, to: id)
    // Before Cleo asks, Ben is gone.
    let ben = world.devices[1].identity
    world.onUser = { world, _ in try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(ben, from: id, now: now) } }
    world.planUser(0, in: 500)
    try await world.run()
    let history = try world.devices[2].engine?.history(of: id, after: nil, limit: 100) ?? []
    #expect(history.contains { $0.kind == .lost(count: 1) && $0.author == ben })
    #expect(world.devices[2].engine?.standing(in: id)?.missingCount == 0)
  }

  @Test func `who was away for a week gets everything in order`() async throws {
    let (world, id) = try await GroupTests.group(seed: 65)
    world.setOnline(2, false, in: 0)
    world.setOnline(2, true, in: 7 * 86_400_000)
    world.onUser = { world, number in
      try world.send("canary \(number)", from: number % 2, to: id)
      if number.isMultiple(of: 3) { try world.act(number % 2) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) } }
    }
    for number in 1...24 { world.planUser(number, in: UInt64(number) * 20_000_000) }
    try await world.run()
    #expect(try world.texts(2, in: id).count == 24)
    #expect(!world.devices[2].events.contains { if case .gap(id, _, _) = $0 { true } else { false } })
    try await MeetingTests.requireGood(world)
  }
}
