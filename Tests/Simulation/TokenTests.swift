import ConversationEngine
import CryptoSuite
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// Where a device's tokens come from, and what becomes of them when something goes wrong.
@Suite struct TokenTests {
  @Test func `lost answers to a redemption cost no token`() async throws {
    let world = try await SimulatedWorld(seed: 90, deviceCount: 1)
    var redemptions: [Request] = []
    world.interceptAnswer = { _, request, _ in
      guard case .redeem = request else { return false }
      redemptions.append(request)
      return redemptions.count <= 3
    }
    try await world.run()
    #expect(world.devices[0].events.contains(.registered(world.server.address)))
    // The very same request each time: the voucher is used up by the first.
    #expect(redemptions.count == 4)
    #expect(Set(redemptions).count == 1)
    try await MeetingTests.requireGood(world)
  }

  @Test func `a voucher that somebody else has used registers nobody, and its owner hears of it`() async throws {
    let world = try await SimulatedWorld(seed: 91, deviceCount: 1)
    var shown: Request?
    world.interceptCall = { _, request in
      guard case .redeem = request, shown == nil else { return false }
      shown = request
      world.planUser(1, in: 1)
      return true
    }
    world.onUser = { world, _ in
      guard case .redeem(let voucher, let issuerKey, _)? = shown else { return }
      let blinded = [BlindNumber(trusted: [0] + SeededRandom(seed: 1).bytes(255))]
      guard case .redeemed = try await world.callServer(.redeem(voucher: voucher, issuerKey: issuerKey, blinded: blinded)) else {
        throw WorldFailure("the voucher was good")
      }
    }
    try await world.run()
    #expect(shown != nil)
    #expect(world.devices[0].events.contains(.registrationRefused(world.server.address)))
  }

  @Test func `a device that makes many groups has more tokens signed as it goes`() async throws {
    let world = try await SimulatedWorld(seed: 92, deviceCount: 1)
    try await world.run()
    for number in 0..<12 {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.createGroup(title: "group \(number)", inviting: [], now: now) }
    }
    try await world.run()
    #expect(world.devices[0].engine?.taskCount == 0)
    #expect(world.server.store.logCount == 12)
    try await MeetingTests.requireGood(world)
  }
}
