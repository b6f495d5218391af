import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

@testable import ConversationEngine

/// What waits for a server that does not do it for a while, and what goes on meanwhile.
@Suite struct HoldUpTests {
  private let random = SeededRandom(seed: 110)
  /// Longer than any task waits that is not held up, milliseconds.
  private static let moment: UInt64 = 70_000

  /// Two who know each other, and a group to which the second asks the first.
  private static func invited(seed: UInt64) async throws -> (world: SimulatedWorld, direct: ConversationID) {
    let world = try await SimulatedWorld(seed: seed, deviceCount: 2)
    let direct = try await world.introduce(0, 1)
    let ada = world.devices[0].identity
    try world.act(1) { (engine, now) throws(EngineError) in try engine.createGroup(title: "choir", inviting: [ada], now: now) }
    try await world.run()
    return (world, direct)
  }

  private func accept(_ engine: inout ConversationEngine, now: UInt64) throws -> MessageID {
    let invitation = try #require(engine.groupInvitations.first).id
    try engine.acceptGroup(invitation, now: now)
    return invitation
  }

  /// The consent that stands in the queue of messages, if one does.
  private func queuedConsent(_ engine: ConversationEngine) -> (consent: Consent, sequence: UInt64)? {
    for task in engine.state.tasks {
      if case .message(let message) = task.kind, case .consent(let consent) = message.content.body {
        return (consent, message.content.sequence)
      }
    }
    return nil
  }

  private func delivery(in work: [Work]) -> Work? {
    work.first { if case .owner(.delivery) = $0.action { true } else { false } }
  }

  private func sends(in work: [Work]) -> [Work] {
    work.filter { if case .call(.send) = $0.action { true } else { false } }
  }

  // MARK: Consents

  @Test func `texts to the inviter go out while the consent to a group waits for room, and nobody sees a gap`() async throws {
    let (world, direct) = try await Self.invited(seed: 111)
    world.planServerCrash(CrashPlan(atWrite: 1, failure: .noRoom, staysUp: true))
    try world.acceptAll(0)
    try await world.run(for: 10_000)
    #expect(world.devices[0].engine?.holdUp { _ in true } == .serverFull)
    try world.send("canary meanwhile", from: 0, to: direct)
    try await world.run(for: 20_000)
    #expect(try world.texts(1, in: direct) == ["Ada: canary meanwhile"])
    #expect(world.devices[0].engine?.conversations.count == 1, "nobody has heard of the consent")
    try await world.run()
    #expect(world.devices[0].events.contains { if case .joined = $0 { true } else { false } })
    #expect(!world.devices[1].events.contains { if case .gap = $0 { true } else { false } })
    try await MeetingTests.requireGood(world)
  }

  @Test func `a consent is numbered when it is queued, and survives a restart before that`() async throws {
    let (world, direct) = try await Self.invited(seed: 112)
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    let invitation = try accept(&engine, now: now)
    let first = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(first.id, .done(.overQuota), now: now)
    #expect(queuedConsent(engine) == nil && engine.hasWork)
    #expect(engine.groupInvitations.isEmpty, "it is answered")
    #expect(throws: EngineError.noSuchInvitation) { try engine.refuseGroup(invitation, now: now) }
    _ = try engine.send(text: "canary", to: direct, now: now)
    let text = try #require(sends(in: try engine.nextWork(now: now)).first)
    #expect(engine.holdUp { _ in true } == nil, "the text is under way")
    try engine.complete(text.id, .answer(.sent([.accepted])), now: now)
    #expect(engine.holdUp { _ in true } == .serverFull)

    engine = try #require(try ConversationEngine.open(store: world.devices[0].store, random: random))
    #expect(engine.holdUp { _ in true } == .serverFull)
    now += 200_000
    let again = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(again.id, .done(.done), now: now)
    #expect(sends(in: try engine.nextWork(now: now)).count == 1)
    let queued = try #require(queuedConsent(engine))
    #expect(queued.consent.id == invitation)
    #expect(queued.sequence == engine.state.conversations[direct]?.ownSequence)
    #expect(engine.state.groupInvitations.isEmpty)
  }

  @Test func `a consent for which there is no delivery key leaves the invitation to be answered again, and that is said`() async throws {
    let (world, _) = try await Self.invited(seed: 123)
    let key = world.server.address.serverKey
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    let invitation = try accept(&engine, now: now)
    let refused = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(refused.id, .done(.overQuota), now: now)
    // Even without the key of the offer that has ended there are as many as there may be.
    try engine.transact { (state) throws(EngineError) in
      guard var record = state.servers[key] else { return }
      while record.deliveryKeys.count <= SottoProtocol.Limits.deliveryKeyCount { record.deliveryKeys.append(.random(using: random)) }
      state.setServer(record, key)
    }
    _ = engine.takeEvents()
    now += 100 * 86_400_000
    let late = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(late.id, .done(.done), now: now)
    _ = try engine.nextWork(now: now)
    #expect(engine.takeEvents().contains(.consentFailed(invitation)))
    #expect(engine.groupInvitations.map(\.id) == [invitation] && queuedConsent(engine) == nil)
    #expect(engine.state.offers.isEmpty)
    #expect(engine.state.servers[key]?.deliveryKeys.count == SottoProtocol.Limits.deliveryKeyCount, "its key is withdrawn")
    try engine.refuseGroup(invitation, now: now)
    #expect(engine.groupInvitations.isEmpty)
  }

  @Test func `who is not let in at a group's server hears so, and the invitation waits for an answer again`() async throws {
    let world = try await SimulatedWorld(seed: 124, deviceCount: 2)
    let direct = try await world.introduce(0, 1)
    let ben = world.devices[1].identity
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    let other = try #require(ServerAddress(host: "elsewhere.example", port: 443, serverKey: .random(using: random)))
    let invitation = GroupInvitation(id: .random(using: random), title: "choir", server: other, voucher: .random(using: random))
    try engine.transact { (state) throws(EngineError) in
      state.setGroupInvitation(GroupInvitationRecord(from: ben, conversation: direct, invitation: invitation), invitation.id)
    }
    _ = engine.takeEvents()
    now += 1
    #expect(try accept(&engine, now: now) == invitation.id)
    #expect(engine.groupInvitations.isEmpty)
    let redeeming = engine.state.tasks.first { if case .redeem = $0.kind { true } else { false } }
    try engine.complete(try #require(redeeming).id, .answer(.refused), now: now)
    #expect(engine.takeEvents() == [.consentFailed(invitation.id), .registrationRefused(other)])
    #expect(engine.groupInvitations.map(\.id) == [invitation.id] && !engine.hasWork)
  }

  @Test func `a consent that waited for longer than its key package is good goes out with another one`() async throws {
    let (world, _) = try await Self.invited(seed: 113)
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    let address = world.server.address
    let invitation = try accept(&engine, now: now)
    let first = try #require(engine.state.offers.keys.first)
    let keyCount = try #require(engine.state.servers[address.serverKey]).deliveryKeys.count
    try engine.caughtUp(with: address, now: now)
    let refused = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(refused.id, .done(.overQuota), now: now)

    now += 100 * 86_400_000
    let late = try #require(delivery(in: try engine.nextWork(now: now)))
    #expect(engine.state.offers[first] != nil, "it is still waited with")
    try engine.complete(late.id, .done(.done), now: now)
    // What withdraws the old key, and what puts the new one in force.
    for _ in 0..<2 {
      let question = try #require(delivery(in: try engine.nextWork(now: now)))
      #expect(queuedConsent(engine) == nil)
      try engine.complete(question.id, .done(.done), now: now)
    }
    _ = try engine.nextWork(now: now)
    let consent = try #require(queuedConsent(engine)).consent
    #expect(consent.id == invitation)
    #expect(DeviceState.keyPackage(in: consent.bundle, now: now) != nil)
    #expect(engine.state.offers.count == 1 && engine.state.offers[first] == nil)
    #expect(engine.state.servers[address.serverKey]?.deliveryKeys.count == keyCount)
  }

  @Test func `a profile whose consent was queued by an earlier version goes on, and says what its texts wait for`() async throws {
    let (world, direct) = try await Self.invited(seed: 114)
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    _ = try accept(&engine, now: now)
    // As it was kept then: numbered, and at the head of the messages.
    try engine.transact { (state) throws(EngineError) in
      for task in state.tasks {
        guard case .consent(let id, let invitation, let offerID) = task.kind, let offer = state.offers[offerID] else { continue }
        let consent = Consent(id: invitation, seed: offer.seed.exposedBytes, bundle: try ContactBundle(offer))
        state.queueUnchecked(.consent(consent), in: id, entry: nil, now: now)
        guard var message = state.tasks.last else { continue }
        message.after = task.after
        state.updateTask(message)
        state.removeTask(task.id)
      }
    }
    engine = try #require(try ConversationEngine.open(store: world.devices[0].store, random: random))
    _ = try engine.send(text: "canary behind it", to: direct, now: now)
    let refused = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(refused.id, .done(.overQuota), now: now)
    #expect(try engine.nextWork(now: now).isEmpty)
    #expect(engine.holdUp { _ in true } == .serverFull, "the text waits for what stands before it")

    now += 200_000
    let granted = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.complete(granted.id, .done(.done), now: now)
    for _ in 0..<2 {
      let message = try #require(sends(in: try engine.nextWork(now: now)).first)
      try engine.complete(message.id, .answer(.sent([.accepted])), now: now)
    }
    #expect(!engine.hasWork)
  }

  // MARK: Logs and tokens

  /// A group of one, whose owner wants fresh keys in it.
  private func updating(seed: UInt64) async throws -> (
    device: SimulatedDevice, engine: ConversationEngine, group: ConversationID, now: UInt64
  ) {
    let world = try await SimulatedWorld(seed: seed, deviceCount: 1)
    try await world.run()
    let group = try await world.makeGroup("choir", owner: 0, members: [])
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    _ = engine.takeEvents()
    try engine.updateKeys(group, now: now)
    return (world.devices[0], engine, group, now)
  }

  private func append(in work: [Work]) -> Work? {
    work.first { if case .call(.append) = $0.action { true } else { false } }
  }

  @Test func `a log that can be read does not wait for room, though an entry does`() async throws {
    var (_, engine, group, now) = try await updating(seed: 115)
    let entry = try #require(append(in: try engine.nextWork(now: now)))
    try engine.complete(entry.id, .answer(.noRoom(retrySeconds: 120)), now: now)
    #expect(engine.holdUp { _ in true } == .serverFull)
    try engine.transact { (state) throws(EngineError) in state.scheduleReadLog(group) }
    #expect(engine.holdUp { _ in true } == nil, "it goes first")
    let read = try #require(try engine.nextWork(now: now).first)
    try engine.complete(read.id, .failed, now: now)
    #expect(engine.holdUp { _ in true } == nil, "what it brings has not arrived")
    let again = try #require(try engine.nextWork(now: now + Self.moment).first { $0.id == read.id })
    let next = try #require(engine.state.conversations[group]).nextSlot
    try engine.complete(again.id, .answer(.entries(firstSlot: next, nextSlot: next, [])), now: now)
    #expect(engine.holdUp { _ in true } == .serverFull)
  }

  @Test func `a full log is what holds up an entry, also for who opens the profile again`() async throws {
    var (device, engine, group, now) = try await updating(seed: 116)
    let entry = try #require(append(in: try engine.nextWork(now: now)))
    #expect(engine.holdUp { _ in true } == nil)
    try engine.complete(entry.id, .answer(.logFull), now: now)
    #expect(engine.takeEvents() == [.logFull(group)])
    #expect(engine.holdUp { _ in true } == .logFull)
    engine = try #require(try ConversationEngine.open(store: device.store, random: random))
    #expect(engine.holdUp { _ in true } == .logFull)
    #expect(append(in: try engine.nextWork(now: now + Self.moment)) == nil)
    // A person who asks hears what the server says by now.
    try engine.askAgain(now: now + Self.moment)
    let again = try #require(append(in: try engine.nextWork(now: now + Self.moment)))
    try engine.complete(again.id, .answer(.appended([])), now: now + Self.moment)
    #expect(engine.holdUps.isEmpty && !engine.hasWork)
  }

  @Test func `a new conversation waits for tokens when the quota is used up, and for nothing else`() async throws {
    let world = try await SimulatedWorld(seed: 117, deviceCount: 1)
    try await world.run()
    let key = world.server.address.serverKey
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    try engine.transact { (state) throws(EngineError) in
      guard var record = state.servers[key] else { return }
      record.tokens = []
      state.setServer(record, key)
    }
    _ = engine.takeEvents()
    _ = try engine.createGroup(title: "choir", inviting: [], now: now)
    let work = try engine.nextWork(now: now)
    let refill = try #require(work.first { if case .owner(.issue) = $0.action { true } else { false } })
    #expect(engine.holdUp { _ in true } == nil && !engine.isQuotaUsedUp(at: key))
    try engine.complete(try #require(delivery(in: work)).id, .done(.done), now: now)
    try engine.complete(refill.id, .done(.overQuota), now: now)
    #expect(engine.takeEvents() == [.quotaUsedUp(world.server.address)])
    #expect(engine.holdUp { _ in true } == .quotaUsedUp && engine.isQuotaUsedUp(at: key))
    // Who asks again does not make the period end.
    try engine.askAgain(now: now)
    #expect(try engine.nextWork(now: now).isEmpty)
    now += 3_700_000
    #expect(try engine.nextWork(now: now).map(\.id).contains(refill.id))
    #expect(engine.holdUp { _ in true } == nil && !engine.isQuotaUsedUp(at: key))
  }

  @Test func `what is queued later is told from what was held up before, but for an entry of the log that is to bring both`() async throws {
    var (_, engine, group, now) = try await updating(seed: 125)
    let entry = try #require(append(in: try engine.nextWork(now: now)))
    try engine.complete(entry.id, .answer(.logFull), now: now)
    let mark = engine.workMark
    #expect(engine.hasWork && !engine.hasWork(since: mark))
    now += 1
    try engine.updateKeys(group, now: now)
    #expect(engine.hasWork(since: mark, changing: group))
    _ = try engine.send(text: "canary", to: group, now: now)
    #expect(engine.hasWork(since: mark) && !engine.hasWork(since: engine.workMark))
  }

  // MARK: Asking again

  @Test func `what found no room is asked for again at once when a person asks, once each time`() async throws {
    let world = try await SimulatedWorld(seed: 118, deviceCount: 1)
    try await world.run()
    var (engine, now) = (try #require(world.devices[0].engine), world.now)
    _ = engine.takeEvents()
    _ = try engine.invite(petname: nil, now: now)
    let first = try #require(delivery(in: try engine.nextWork(now: now)))
    try engine.askAgain(now: now)
    #expect(try engine.nextWork(now: now).isEmpty, "it is under way")
    for _ in 0..<3 {
      try engine.complete(first.id, .done(.overQuota), now: now)
      #expect(engine.takeEvents() == [.serverFull(world.server.address)], "who asks is told")
      #expect(try engine.nextWork(now: now).isEmpty, "not by itself")
      now += 1
      try engine.askAgain(now: now)
      #expect(engine.holdUps.isEmpty)
      #expect(delivery(in: try engine.nextWork(now: now))?.id == first.id)
      #expect(engine.holdUp { _ in true } == nil, "the answer decides")
    }
    try engine.complete(first.id, .done(.done), now: now)
    #expect(engine.takeEvents().isEmpty && engine.holdUps.isEmpty)
  }

  // MARK: Invitations to groups

  @Test func `who declines is named in the group's history, at whoever asked`() async throws {
    let (world, _) = try await Self.invited(seed: 119)
    let ada = world.devices[0].identity
    let group = try #require(world.devices[1].engine?.conversations.first { $0.kind == .group })
    #expect(group.invited == [ada])
    let invitation = try #require(world.devices[0].engine?.groupInvitations.first).id
    try world.act(0) { (engine, now) throws(EngineError) in try engine.refuseGroup(invitation, now: now) }
    world.ledger.refusers.insert(0)
    try await world.run()
    #expect(world.devices[1].events.contains(.groupRefused(invitation, by: ada)))
    let entries = try #require(try world.devices[1].engine?.history(of: group.id, after: nil, limit: 10))
    #expect(entries.map(\.kind) == [.declined] && entries.map(\.author) == [ada])
    #expect(world.devices[1].engine?.conversations.first { $0.kind == .group }?.invited.isEmpty == true)
    try await MeetingTests.requireGood(world)
  }
}
