import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

@testable import ConversationEngine

/// A server that has no room for a while.
@Suite struct RoomTests {
  @Test func `a message that finds no room is sent when the server said to come back, and receiving goes on meanwhile`() async throws {
    let world = try await SimulatedWorld(seed: 95, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    var answers: [Answer] = []
    world.interceptAnswer = { device, request, answer in
      if case .send = request, device == 0 { answers.append(answer) }
      return false
    }
    world.planServerCrash(CrashPlan(atWrite: 1, failure: .noRoom, staysUp: true))
    let start = world.now
    try world.send("canary held up", from: 0, to: id)
    try await world.run(for: 60_000)
    #expect(answers == [.noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds)], "asked once, and not again at once")
    try world.send("canary meanwhile", from: 1, to: id)
    try await world.run(for: 30_000)
    #expect(try world.texts(0, in: id).contains("Ben: canary meanwhile"))
    try await world.run()
    #expect(world.now >= start + UInt64(ServerLimits.noRoomRetrySeconds) * 1_000)
    #expect(Set(try world.texts(1, in: id)) == ["Ada: canary held up", "Ben: canary meanwhile"])
    try await MeetingTests.requireGood(world)
  }

  @Test func `who registers at a server without room hears so, and is registered when there is some`() async throws {
    let world = try await SimulatedWorld(seed: 98, deviceCount: 1)
    world.planServerCrash(CrashPlan(atWrite: 1, failure: .noRoom, staysUp: true))
    try await world.run(for: 60_000)
    let address = world.server.address
    #expect(world.devices[0].events.filter { $0 == .serverFull(address) }.count == 1)
    #expect(world.devices[0].engine?.holdUp { _ in true } == .serverFull)
    #expect(world.devices[0].engine?.holdUp { $0 != address.serverKey } == nil)
    try await world.run()
    #expect(world.devices[0].events.contains(.registered(address)))
    #expect(world.devices[0].engine?.hasWork == false)
    #expect(world.devices[0].engine?.holdUps.isEmpty == true)
  }
}

/// The engine of a device that has been at work, with the server's part played by hand from then on.
@Suite struct TurnedAwayTests {
  private let random = SeededRandom(seed: 99)

  /// What a device asks its mailbox's stream, but for tokens.
  private func asked(_ engine: inout ConversationEngine, now: UInt64) throws -> [(id: UInt64, message: OwnerMessage)] {
    try engine.nextWork(now: now).compactMap { item in
      switch item.action {
      case .owner(.issue), .call, .identify: nil
      case .owner(let message): (item.id, message)
      }
    }
  }

  @Test func `a delivery key that finds no room is asked for again, and nobody learns it before it is in force`() async throws {
    let world = try await SimulatedWorld(seed: 96, deviceCount: 1)
    try await world.run()
    let device = world.devices[0]
    var (engine, now) = (try #require(device.engine), world.now)
    _ = engine.takeEvents()
    _ = try engine.invite(petname: nil, now: now)
    var keys: [KeyHash] = []
    for attempt in 0..<3 {
      let question = try #require(try asked(&engine, now: now).first)
      guard case .delivery(_, let hashes) = question.message else { throw WorldFailure("the key comes first") }
      #expect(attempt == 0 || hashes == keys)
      keys = hashes
      try engine.complete(question.id, .done(.overQuota), now: now)
      #expect(engine.takeEvents() == (attempt == 0 ? [.serverFull(world.server.address)] : []), "said once")
      #expect(engine.hasWork && engine.holdUp { _ in true } == .serverFull)
      let patience = UInt64(ServerLimits.noRoomRetrySeconds) * 1_000
      #expect(try asked(&engine, now: now + patience - 1).isEmpty, "not before the server would say on a call")
      now += 200_000
    }
    // Also whoever opens the profile again knows what it waits for.
    engine = try #require(try ConversationEngine.open(store: device.store, random: random))
    #expect(engine.holdUp { _ in true } == .serverFull)
    let question = try #require(try asked(&engine, now: now).first)
    try engine.complete(question.id, .done(.done), now: now)
    #expect(engine.holdUps.isEmpty)
    guard case .vouchers? = try asked(&engine, now: now).first?.message else { throw WorldFailure("and then the voucher") }
  }

  /// A device that wants to invite somebody to a group, and has asked for the voucher.
  private struct Wish {
    var engine: ConversationEngine
    let now: UInt64
    let server: ServerAddress
    let group: ConversationID
    let invitee: IdentityID
    let invitation: MessageID
    /// What asks for the voucher.
    let question: UInt64
  }

  private func askingForVoucher(seed: UInt64) async throws -> Wish {
    let world = try await SimulatedWorld(seed: seed, deviceCount: 2)
    try await world.introduce(0, 1)
    let group = try await world.makeGroup("choir", owner: 0, members: [])
    let (ben, server) = (world.devices[1].identity, world.server.address)
    var engine = try #require(world.devices[0].engine)
    // As for somebody whom this device knows from another server.
    let invitation = MessageID.random(using: random)
    try engine.transact { (state) throws(EngineError) in
      var conversation = try state.activeConversation(group)
      conversation.invited[invitation] = ben
      state.setConversation(conversation, messageKeysOnly: true)
      state.addTask(.vouchers(server: server.serverKey, for: .groupInvitation(group, invitee: ben, id: invitation)))
    }
    _ = engine.takeEvents()
    let question = try #require(try asked(&engine, now: world.now).first)
    return Wish(
      engine: engine, now: world.now, server: server, group: group, invitee: ben, invitation: invitation, question: question.id)
  }

  @Test func `who could not be asked, for the server gave no voucher, has not declined`() async throws {
    let wish = try await askingForVoucher(seed: 120)
    var engine = wish.engine
    try engine.complete(wish.question, .done(.refused), now: wish.now + 1)
    let entries = try engine.history(of: wish.group, after: nil, limit: 10)
    #expect(entries.map(\.kind) == [.notInvited] && entries.map(\.author) == [wish.invitee])
    #expect(engine.takeEvents().contains(.groupInvitationFailed(wish.invitation, to: wish.invitee)))
    #expect(engine.conversations.first { $0.id == wish.group }?.invited.isEmpty == true)
  }

  @Test(arguments: [false, true])
  func `who is taken back or asked anew while the voucher is asked for has not been turned away`(isAskedAnew: Bool) async throws {
    let wish = try await askingForVoucher(seed: 122)
    var engine = wish.engine
    if isAskedAnew {
      try engine.add(wish.invitee, to: wish.group, now: wish.now)
    } else {
      try engine.remove(wish.invitee, from: wish.group, now: wish.now)
    }
    try engine.complete(wish.question, .done(.refused), now: wish.now + 1)
    #expect(try engine.history(of: wish.group, after: nil, limit: 10).isEmpty)
    #expect(!engine.takeEvents().contains(.groupInvitationFailed(wish.invitation, to: wish.invitee)))
    #expect(engine.conversations.first { $0.id == wish.group }?.invited == (isAskedAnew ? [wish.invitee] : []))
  }

  @Test(arguments: [false, true])
  func `an invitation that the server does not take leaves no delivery key in force`(hasVoucher: Bool) async throws {
    let world = try await SimulatedWorld(seed: 121, deviceCount: 1)
    try await world.run()
    let key = world.server.address.serverKey
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    let before = try #require(engine.state.servers[key]).deliveryKeys
    _ = engine.takeEvents()
    let id = try engine.invite(petname: nil, now: now)
    let added = Set(try #require(engine.state.servers[key]).deliveryKeys).subtracting(before)
    #expect(added.count == 1)
    try engine.complete(try #require(try asked(&engine, now: now).first).id, .done(.done), now: now)
    if hasVoucher {
      try engine.complete(try #require(try asked(&engine, now: now).first).id, .vouchers([.random(using: random)]), now: now)
    }
    now += 1
    try engine.complete(try #require(try asked(&engine, now: now).first).id, .done(.overQuota), now: now)
    #expect(engine.takeEvents() == [.invitationFailed(id)])
    #expect(engine.state.servers[key]?.deliveryKeys == before && engine.state.offers.isEmpty)
    guard case .delivery(_, let hashes)? = try asked(&engine, now: now).first?.message else { throw WorldFailure("the server hears so") }
    #expect(added.isDisjoint(with: hashes) && Set(before).isSubset(of: hashes))
  }

  @Test(arguments: [false, true])
  func `an invitation to a group for which there is no voucher today waits, and nothing waits for it`(isWithdrawn: Bool) async throws {
    let wish = try await askingForVoucher(seed: 97)
    var (engine, now) = (wish.engine, wish.now)
    let (group, ben, invitation) = (wish.group, wish.invitee, wish.invitation)
    try engine.complete(wish.question, .done(.overQuota), now: now)
    #expect(engine.takeEvents() == [.serverFull(wish.server)])
    #expect(engine.conversations.first { $0.id == group }?.invited == [ben], "they are still waited for")
    #expect(engine.holdUps == [.serverFull] && !engine.hasWork, "it may be until tomorrow")

    _ = try engine.invite(petname: nil, now: now)
    let other = try asked(&engine, now: now)
    guard other.count == 1, case .delivery? = other.first?.message else { throw WorldFailure("the mailbox's other affairs go on") }

    if isWithdrawn { try engine.remove(ben, from: group, now: now) }
    now += 3_700_000
    let again = try asked(&engine, now: now)
    guard !isWithdrawn else {
      #expect(again.isEmpty && engine.holdUps.isEmpty)
      return
    }
    let voucher = Permission.random(using: random)
    try engine.complete(try #require(again.first).id, .vouchers([voucher]), now: now)
    let isSent = engine.state.tasks.contains { task in
      guard case .message(let message) = task.kind, case .groupInvitation(let sent) = message.content.body else { return false }
      return sent.id == invitation && sent.voucher == voucher
    }
    #expect(isSent && engine.holdUps.isEmpty)
  }
}
