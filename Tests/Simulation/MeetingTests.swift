import ConversationEngine
import SimulatedWorld
import SottoProtocol
import Testing

/// Two people, from the link to the first texts.
@Suite struct MeetingTests {
  /// Whatever a scenario was about, in the end everything must be as it must be.
  static func requireGood(_ world: SimulatedWorld, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await world.settle()
    let problems = try world.problems()
    if !problems.isEmpty { for line in world.trace.suffix(200) { print(line) } }
    #expect(problems.isEmpty, sourceLocation: sourceLocation)
  }

  @Test func `two people meet by an invitation and write to each other`() async throws {
    let world = try await SimulatedWorld(seed: 1, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    try world.send("canary hello", from: 0, to: id)
    try await world.run()
    try world.send("canary hello yourself", from: 1, to: id)
    try await world.run()
    for device in 0..<2 { #expect(try world.texts(device, in: id) == ["Ada: canary hello", "Ben: canary hello yourself"]) }
    try await Self.requireGood(world)
  }

  @Test func `nothing is sent to somebody who is not confirmed`() async throws {
    let world = try await SimulatedWorld(seed: 2, deviceCount: 2)
    let link = try await world.invitation(of: 0)
    try world.accept(link, by: 1)
    try await world.run()
    let id = try world.direct(0, 1)
    #expect(throws: EngineError.unconfirmed) {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.send(text: "canary", to: id, now: now) }
    }
    let contact = world.devices[0].engine?.contacts.first
    #expect(contact?.isConfirmed == false && contact?.claimedName == "Ben")
    try world.send("canary early", from: 1, to: id)
    try await world.run()
    #expect(try world.texts(0, in: id) == ["Ben: canary early"])
    try world.confirmAll(0)
    try world.send("canary now", from: 0, to: id)
    try await Self.requireGood(world)
  }

  @Test func `a link that was used is refused the second time`() async throws {
    let world = try await SimulatedWorld(seed: 3, deviceCount: 3)
    let link = try await world.invitation(of: 0)
    try world.accept(link, by: 1)
    try await world.run()
    try world.accept(link, by: 2)
    try await world.run()
    #expect(world.devices[2].events.contains { if case .invitationRefused = $0 { true } else { false } })
    #expect(world.devices[2].engine?.contacts.isEmpty == true)
    #expect(world.devices[0].engine?.contacts.count == 1)
    try await Self.requireGood(world)
  }

  @Test func `an invitation that had to wait for the server shows its link later, until it is used or has expired`() async throws {
    let world = try await SimulatedWorld(seed: 8, deviceCount: 2)
    try await world.run()
    func invitations() -> [PendingInvitation] { world.devices[0].engine?.invitations(now: world.now) ?? [] }
    for name in ["used", "expired"] {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.invite(petname: name, now: now) }
    }
    #expect(invitations().map(\.link) == [nil, nil])
    #expect(Set(invitations().map(\.name)) == ["used", "expired"])
    try await world.run()
    let ready = invitations()
    #expect(Set(ready.compactMap(\.link)) == Set(world.devices[0].links.map(\.link)) && ready.count == 2)
    let used = try #require(ready.first { $0.name == "used" }?.link)
    try world.accept(used, by: 1)
    try await world.run()
    #expect(invitations().map(\.name) == ["expired"])
    #expect(world.devices[0].engine?.invitations(now: world.now + 29 * 86_400_000).count == 1)
    #expect(world.devices[0].engine?.invitations(now: world.now + 30 * 86_400_000).isEmpty == true)
    try await Self.requireGood(world)
  }

  @Test func `a lost answer to a claim does not burn the link`() async throws {
    let world = try await SimulatedWorld(seed: 4, deviceCount: 2)
    var lossCount = 0
    world.interceptAnswer = { _, request, _ in
      guard case .claim = request, lossCount < 3 else { return false }
      lossCount += 1
      return true
    }
    let id = try await world.introduce(0, 1)
    #expect(lossCount == 3)
    try world.send("canary after all", from: 1, to: id)
    try await Self.requireGood(world)
  }

  @Test func `a stranger's token was used, and the one with the link hears of it`() async throws {
    let world = try await SimulatedWorld(seed: 5, deviceCount: 2)
    var link = try InvitationLink(try await world.invitation(of: 0))
    link.server = world.server.address
    try await world.run()
    #expect(throws: EngineError.ownInvitation) {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.accept(link, now: now) }
    }
    try await Self.requireGood(world)
  }

  @Test func `an envelope that comes again shows once`() async throws {
    let world = try await SimulatedWorld(seed: 6, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    // Every stream breaks soon, before most acknowledgements are there.
    world.faults = Faults(duplicate: 1, cut: 0.4)
    for number in 1...6 { try world.send("canary \(number)", from: 0, to: id) }
    try await world.run()
    #expect(try world.texts(1, in: id) == (1...6).map { "Ada: canary \($0)" })
    try await Self.requireGood(world)
  }

  @Test func `two who invite each other at once can write`() async throws {
    let world = try await SimulatedWorld(seed: 7, deviceCount: 2)
    let links = [try await world.invitation(of: 0), try await world.invitation(of: 1)]
    try world.accept(links[0], by: 1)
    try world.accept(links[1], by: 0)
    try await world.run()
    for device in 0..<2 {
      for summary in world.devices[device].engine?.conversations ?? [] { try world.send("canary \(device)", from: device, to: summary.id) }
    }
    try await Self.requireGood(world)
  }
}
