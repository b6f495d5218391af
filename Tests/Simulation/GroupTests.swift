import ConversationEngine
import SimulatedWorld
import SottoProtocol
import Testing

/// Groups: who is in, who is out, and what each can read.
@Suite struct GroupTests {
  /// Three people who know each other, the first of whom owns a group of all.
  static func group(seed: UInt64, owner: Int = 0) async throws -> (world: SimulatedWorld, id: ConversationID) {
    let world = try await SimulatedWorld(seed: seed, deviceCount: 3)
    try await world.introduce(0, 1)
    try await world.introduce(0, 2)
    try await world.introduce(1, 2)
    return (world, try await world.makeGroup("choir", owner: owner, members: [0, 1, 2].filter { $0 != owner }))
  }

  @Test func `three people in a group read each other, and who is removed reads no more`() async throws {
    let (world, id) = try await Self.group(seed: 20)
    for author in 0..<3 { try world.send("canary \(author)", from: author, to: id) }
    try await world.run()
    for reader in 0..<3 { #expect(try world.texts(reader, in: id).count == 3) }
    let removed = world.devices[2].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(removed, from: id, now: now) }
    try await world.run()
    try world.send("canary without Cleo", from: 1, to: id)
    try await world.run()
    #expect(try world.texts(1, in: id).count == 4)
    #expect(try world.texts(2, in: id).count == 3)
    #expect(world.devices[2].events.contains(.removed(id)))
    #expect(world.devices[2].engine?.standing(in: id)?.holdsKeys == false)
    try await MeetingTests.requireGood(world)
  }

  @Test func `who was removed can be asked in again, and reads from then on`() async throws {
    let (world, id) = try await Self.group(seed: 21)
    try world.send("canary one", from: 2, to: id)
    try await world.run()
    let cleo = world.devices[2].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(cleo, from: id, now: now) }
    try await world.run()
    try world.send("canary two", from: 0, to: id)
    try await world.run()
    try world.act(0) { (engine, now) throws(EngineError) in try engine.add(cleo, to: id, now: now) }
    try await world.run()
    try world.acceptAll(2)
    try await world.run()
    try world.send("canary three", from: 0, to: id)
    try world.send("canary four", from: 2, to: id)
    try await world.run()
    #expect(try world.texts(2, in: id).sorted() == ["Ada: canary three", "Cleo: canary four", "Cleo: canary one"])
    #expect(try world.texts(1, in: id).sorted() == ["Ada: canary three", "Ada: canary two", "Cleo: canary four", "Cleo: canary one"])
    try await MeetingTests.requireGood(world)
  }

  @Test func `who comes later gets nothing from before, even by asking`() async throws {
    let world = try await SimulatedWorld(seed: 22, deviceCount: 3)
    try await world.introduce(0, 1)
    try await world.introduce(0, 2)
    let id = try await world.makeGroup("choir", owner: 0, members: [1])
    for number in 1...3 { try world.send("canary secret \(number)", from: 0, to: id) }
    try await world.run()
    let cleo = world.devices[2].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.add(cleo, to: id, now: now) }
    try await world.run()
    try world.acceptAll(2)
    try await world.run()
    let asker = try #require(world.devices[2].engine?.steal(from: id))
    try await world.ask(for: [1, 2, 3], with: asker)
    try await world.run()
    try world.send("canary open", from: 0, to: id)
    try await world.run()
    #expect(try world.texts(2, in: id) == ["Ada: canary open"])
    #expect(try world.texts(1, in: id).count == 4)
    try await MeetingTests.requireGood(world)
  }

  @Test func `who leaves is let go by the owner's device`() async throws {
    let (world, id) = try await Self.group(seed: 23)
    try world.act(1) { (engine, now) throws(EngineError) in try engine.leave(id, now: now) }
    try await world.run()
    #expect(world.devices[1].engine?.conversations.first { $0.id == id }?.state == .ended)
    #expect(world.devices[0].engine?.standing(in: id)?.devices.count == 2)
    #expect(throws: EngineError.lastOwner) {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.leave(id, now: now) }
    }
    try await MeetingTests.requireGood(world)
  }

  @Test func `of commits made at once one wins each slot, and nobody's intent is lost`() async throws {
    let (world, id) = try await Self.group(seed: 24)
    let before = try #require(world.devices[0].engine?.standing(in: id)?.epoch)
    for _ in 0..<3 {
      for device in 0..<3 { try world.act(device) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) } }
      try await world.run()
    }
    let after = try #require(world.devices[0].engine?.standing(in: id)?.epoch)
    #expect(after == before + 9)
    #expect(world.trace.contains { $0.contains("conflict") })
    try await MeetingTests.requireGood(world)
  }

  @Test func `both owners of a conversation of two commit at once`() async throws {
    let world = try await SimulatedWorld(seed: 25, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    for device in 0..<2 { try world.act(device) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) } }
    for device in 0..<2 { try world.send("canary \(device)", from: device, to: id) }
    try await world.run()
    #expect(world.devices[0].engine?.standing(in: id)?.epoch == 3)
    try await MeetingTests.requireGood(world)
  }

  @Test func `an append whose answers are lost counts once`() async throws {
    let (world, id) = try await Self.group(seed: 26)
    var lossCount = 0
    world.interceptAnswer = { _, request, _ in
      guard case .append = request, lossCount < 2 else { return false }
      lossCount += 1
      return true
    }
    let before = try #require(world.devices[1].engine?.standing(in: id)?.epoch)
    try world.act(1) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) }
    try await world.run()
    #expect(lossCount == 2)
    #expect(world.devices[2].engine?.standing(in: id)?.epoch == before + 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `a text that was under way for several epochs arrives once`() async throws {
    let (world, id) = try await Self.group(seed: 27)
    var isHeld = true
    world.interceptCall = { device, request in
      guard device == 1, isHeld, case .send = request else { return false }
      return true
    }
    try world.send("canary late", from: 1, to: id)
    for round in 1...5 {
      world.onUser = { world, _ in
        if round == 5 { isHeld = false }
        try world.act(round.isMultiple(of: 2) ? 0 : 2) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) }
      }
      world.planUser(0, in: 1_000)
      if round == 5 { try await world.run() } else { try await world.run(for: 5_000) }
    }
    #expect(try world.texts(0, in: id) == ["Ben: canary late"])
    #expect(try world.texts(2, in: id) == ["Ben: canary late"])
    try await MeetingTests.requireGood(world)
  }
}
