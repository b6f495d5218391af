import ConversationEngine
import CryptoSuite
import SimulatedWorld
import SottoProtocol
import Testing

/// Members and former members who follow no rules.
@Suite struct MisuseTests {
  @Test(arguments: [SimulatedWorld.Misuse.randomEntry, .garbageMessage, .forbiddenCommit], [false, true])
  func `an insider's garbage wastes a slot and nothing more`(_ misuse: SimulatedWorld.Misuse, spoilsGroupInfo: Bool) async throws {
    let (world, id) = try await GroupTests.group(seed: 40)
    let keys = try #require(world.devices[1].engine?.steal(from: id))
    let answer = try await world.misuse(misuse, with: keys, spoilsGroupInfo: spoilsGroupInfo)
    guard case .appended = answer else { return #expect(Bool(false), "the write key is good") }
    try await world.run()
    let before = try #require(world.devices[0].engine?.standing(in: id))
    #expect(before.devices.count == 3)
    for device in 0..<3 { try world.act(device) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) } }
    for device in 0..<3 { try world.send("canary \(device)", from: device, to: id) }
    try await world.run()
    #expect(world.devices[0].engine?.standing(in: id)?.epoch == before.epoch + 3)
    #expect(world.devices.allSatisfy { !$0.events.contains(.rejoined(id)) })
    try await MeetingTests.requireGood(world)
  }

  @Test func `what a removed member appends is refused, and what it sends means nothing`() async throws {
    let (world, id) = try await GroupTests.group(seed: 41)
    let keys = try #require(world.devices[2].engine?.steal(from: id))
    let cleo = world.devices[2].identity
    try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(cleo, from: id, now: now) }
    try await world.run()
    let slot = try #require(world.devices[0].engine?.standing(in: id)?.nextSlot)
    #expect(try await world.misuse(.garbageMessage, with: keys, slot: slot) == .refused)
    #expect(try await world.misuse(.forbiddenCommit, with: keys, slot: slot) == .refused)
    try await world.misuse(.garbageFrames, with: keys)
    try await world.run()
    for device in 0..<2 { try world.send("canary \(device)", from: device, to: id) }
    try await MeetingTests.requireGood(world)
  }

  @Test func `who cannot read a commit that the others took comes back by itself`() async throws {
    let (world, id) = try await GroupTests.group(seed: 42)
    let keys = try #require(world.devices[1].engine?.steal(from: id))
    let append = try #require(try commitWithBadPath(keys))
    guard case .appended = try await world.callServer(.append(append)) else { return #expect(Bool(false), "the write key is good") }
    try await world.run()
    // Ada has taken it; Cleo could not, and Ben's own device knows nothing of it.
    try world.send("canary from the new epoch", from: 0, to: id)
    try await world.run()
    #expect(world.devices[2].events.contains(.rejoined(id)))
    for device in 0..<3 { try world.send("canary \(device)", from: device, to: id) }
    try await world.run()
    for device in [1, 2] { #expect(try world.texts(device, in: id).contains("Ada: canary from the new epoch")) }
    try await MeetingTests.requireGood(world)
  }

  @Test func `who wants to commit on an epoch that the others have left comes back first`() async throws {
    let (world, id) = try await GroupTests.group(seed: 43)
    let keys = try #require(world.devices[1].engine?.steal(from: id))
    let append = try #require(try commitWithBadPath(keys))
    _ = try await world.callServer(.append(append))
    try await world.run()
    for device in [2, 1, 0] {
      try world.act(device) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) }
      try await world.run()
    }
    try await MeetingTests.requireGood(world)
    let standings = world.devices.map { $0.engine?.standing(in: id)?.epochAuthenticator }
    #expect(Set(standings).count == 1)
  }

  @Test func `garbage behind a commit does not keep out who comes back`() async throws {
    let (world, id) = try await GroupTests.group(seed: 44)
    let keys = try #require(world.devices[1].engine?.steal(from: id))
    let append = try #require(try commitWithBadPath(keys))
    _ = try await world.callServer(.append(append))
    for offset: UInt64 in 1...3 { try await world.misuse(.randomEntry, with: keys, slot: keys.nextSlot + offset) }
    try await world.run()
    try world.send("canary from the new epoch", from: 0, to: id)
    try await world.run()
    // Whoever stands last in the tree: that depends on who was quicker to join.
    #expect(world.devices.count { $0.events.contains(.rejoined(id)) } == 1)
    try await MeetingTests.requireGood(world)
  }
}
