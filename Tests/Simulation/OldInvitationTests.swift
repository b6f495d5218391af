import CryptoSuite
import DeviceStoreTesting
import SimulatedWorld
import SottoProtocol
import Testing

@testable import ConversationEngine

/// Invitations that nobody can use any more: their keys are erased, and not before.
@Suite struct OldInvitationTests {
  private static let day: UInt64 = 86_400_000
  private let random = SeededRandom(seed: 130)

  /// A device with an invitation that is out.
  private func inviting(seed: UInt64) async throws -> (world: SimulatedWorld, keys: [KeyHash]) {
    let world = try await SimulatedWorld(seed: seed, deviceCount: 2)
    try await world.run()
    let before = try #require(world.devices[0].engine?.state.servers[world.server.address.serverKey]).deliveryKeys
    try world.act(0) { (engine, now) throws(EngineError) in try engine.invite(petname: nil, now: now) }
    try await world.run()
    return (world, before)
  }

  @Test func `the keys of an invitation are erased when no answer to it can come any more, and its delivery key is withdrawn`() async throws
  {
    let (world, before) = try await inviting(seed: 131)
    let address = world.server.address
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    // Somebody takes it up at the last moment, and what they send then waits for thirty days.
    now += 60 * Self.day
    try engine.caughtUp(with: address, now: now)
    _ = try engine.nextWork(now: now)
    #expect(engine.invitations(now: now).isEmpty)
    #expect(engine.state.offers.count == 1)

    now += 2 * Self.day
    engine = try #require(try ConversationEngine.open(store: world.devices[0].store, random: random))
    _ = try engine.nextWork(now: now)
    #expect(engine.state.offers.count == 1, "what waits at the server was not fetched")
    try engine.caughtUp(with: address, now: now)
    let work = try engine.nextWork(now: now)
    #expect(engine.state.offers.isEmpty)
    #expect(engine.state.servers[address.serverKey]?.deliveryKeys == before)
    #expect(work.contains { if case .owner(.delivery) = $0.action { true } else { false } })
    let stored = try world.devices[0].store.records(of: .offer)
    #expect(stored.isEmpty, "nor are they on the disk")
  }

  @Test func `who answered an invitation on its last day is met a month later`() async throws {
    let (world, _) = try await inviting(seed: 132)
    world.ledger.allowsExpiry = true
    let link = try #require(world.devices[0].links.first).link
    world.setOnline(0, false, in: 1)
    try await world.run(for: 29 * Self.day)
    try world.accept(link, by: 1)
    try await world.run(for: 29 * Self.day)
    world.setOnline(0, true, in: 1)
    try await world.run(for: 1_000)
    #expect(world.devices[0].events.contains { if case .contactAppeared = $0 { true } else { false } })
  }

  @Test func `an invitation into a group from a conversation that has ended is gone with it`() async throws {
    let world = try await SimulatedWorld(seed: 133, deviceCount: 2)
    let direct = try await world.introduce(0, 1)
    let ada = world.devices[0].identity
    try world.act(1) { (engine, now) throws(EngineError) in try engine.createGroup(title: "choir", inviting: [ada], now: now) }
    try await world.run()
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    #expect(engine.groupInvitations.count == 1)
    now += 3_600_000
    _ = try engine.nextWork(now: now)
    #expect(engine.groupInvitations.count == 1)
    try engine.transact { (state) throws(EngineError) in state.end(direct) }
    now += 3_600_000
    _ = try engine.nextWork(now: now)
    #expect(engine.groupInvitations.isEmpty)
  }
}
