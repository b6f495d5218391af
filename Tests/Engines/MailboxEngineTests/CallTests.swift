import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing
import WireFormat

@Suite struct CallTests {
  private let server: EngineFixture

  init() throws { server = try EngineFixture(store: InMemoryMailboxStore()) }

  private func permission() -> Permission { .random(using: server.random) }

  @Test func `a send answers for each recipient, and a repeated one delivers nothing more`() async throws {
    let keys = [permission(), permission()]
    let alice = try await server.makeMailbox(deliveryKeys: [keys[0]])
    let bob = try await server.makeMailbox(deliveryKeys: [keys[1]])
    let frame = server.frame("hello")
    let recipients = [
      alice.recipient(keys[0]), alice.recipient(keys[1]), TestMailbox(random: server.random).recipient(keys[0]),
      bob.recipient(keys[1]), alice.recipient(keys[0]),
    ]
    let send = Request.send(id: .random(using: server.random), frame: frame, recipients: recipients)
    let expected = Answer.sent([.accepted, .refused, .refused, .accepted, .accepted])
    #expect(try await server.call(send) == expected)
    #expect(try await server.call(send) == expected)
    for mailbox in [alice, bob] {
      let stream = try await server.attach(mailbox)
      #expect(try await stream.frames() == [frame])
    }
  }

  @Test func `a send of a thousand recipients reaches all of them`() async throws {
    let key = permission()
    var mailboxes: [TestMailbox] = []
    for _ in 0..<40 { mailboxes.append(try await server.makeMailbox(deliveryKeys: [key])) }
    let frame = server.frame()
    // Each is named some 25 times, and gets one copy.
    let recipients = (0..<Limits.recipientCount).map { mailboxes[$0 % mailboxes.count].recipient(key) }
    let answer = try await server.call(.send(id: .random(using: server.random), frame: frame, recipients: recipients))
    #expect(answer == .sent(Array(repeating: .accepted, count: Limits.recipientCount)))
    for mailbox in mailboxes { #expect(try await server.attach(mailbox).frames() == [frame]) }
  }

  @Test func `equal frames in two mailboxes share no bytes at rest`() async throws {
    let key = permission()
    let mailboxes = [try await server.makeMailbox(deliveryKeys: [key]), try await server.makeMailbox(deliveryKeys: [key])]
    _ = try await server.call(
      .send(id: .random(using: server.random), frame: server.frame(), recipients: mailboxes.map { $0.recipient(key) }))
    let sealed = [
      try await server.attach(mailboxes[0]).envelopes[0].sealed, try await server.attach(mailboxes[1]).envelopes[0].sealed,
    ]
    let windows = sealed.map { bytes in Set((0..<bytes.count - 8).map { Array(bytes[$0..<$0 + 8]) }) }
    #expect(windows[0].isDisjoint(with: windows[1]))
  }

  @Test func `registering needs a good token and good keys, and may be repeated`() async throws {
    let mailbox = TestMailbox(random: server.random)
    let tokens = [try server.entryToken(), try server.entryToken()]
    var forged = tokens[0]
    forged.id = .random(using: server.random)
    #expect(try await server.call(mailbox.registration(token: forged)) == .tokenRefused)
    let unusable = PublicKey32(trusted: Array(repeating: 0, count: 32))
    let bad = Request.register(
      token: tokens[0], mailbox: mailbox.id, ownerKey: PublicKey32(trusted: mailbox.ownerKey.publicKey), sealKey: unusable)
    #expect(try await server.call(bad) == .refused)
    #expect(try await server.call(mailbox.registration(token: tokens[0])) == .registered)
    #expect(try await server.call(mailbox.registration(token: tokens[0])) == .registered)
    let other = TestMailbox(random: server.random)
    #expect(try await server.call(other.registration(token: tokens[0])) == .tokenRefused)
    #expect(try await server.call(other.registration(token: tokens[1])) == .registered)
  }

  @Test func `a blob is claimed once, with the capability and not with its hash`() async throws {
    let mailbox = try await server.makeMailbox()
    let capability = permission()
    let stream = try await server.attach(mailbox)
    try await stream.send(.publish(id: 5, capabilityHash: capability.hash, days: 3, blobs: [[1, 2, 3]]))
    #expect(await stream.messages.last == .done(id: 5, outcome: .done))
    let claim = ClaimID.random(using: server.random)
    #expect(try await server.call(.claim(capability: Permission(trusted: capability.hash.bytes), id: claim)) == .refused)
    #expect(try await server.call(.claim(capability: capability, id: claim)) == .claimed([1, 2, 3]))
    #expect(try await server.call(.claim(capability: capability, id: .random(using: server.random))) == .refused)
    #expect(try await server.call(.claim(capability: capability, id: claim)) == .claimed([1, 2, 3]))
  }

  @Test func `what is taken away nobody claims any more, and who had claimed it before keeps it`() async throws {
    let stream = try await server.attach(try await server.makeMailbox())
    let (lost, taken) = (permission(), permission())
    try await stream.send(.publish(id: 6, capabilityHash: lost.hash, days: 3, blobs: [[1, 2, 3], [4, 5, 6]]))
    try await stream.send(.publish(id: 7, capabilityHash: taken.hash, days: 3, blobs: [[7, 8, 9]]))
    let claim = ClaimID.random(using: server.random)
    #expect(try await server.call(.claim(capability: taken, id: claim)) == .claimed([7, 8, 9]))
    #expect(try await server.engine.takeAway(lost))
    #expect(try await server.call(.claim(capability: lost, id: claim)) == .refused)
    for capability in [lost, taken, permission()] { #expect(try await !server.engine.takeAway(capability)) }
    #expect(try await server.call(.claim(capability: taken, id: claim)) == .claimed([7, 8, 9]))
  }

  @Test func `what is unknown and what is forbidden have one answer`() async throws {
    let store = InMemoryMailboxStore()
    let server = try EngineFixture(store: store)
    let key = permission()
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let admin = SignatureAlgorithm.ed25519.generateKey(using: server.random)
    let stranger = SignatureAlgorithm.ed25519.generateKey(using: server.random)
    let handle = HandleID.random(using: server.random)
    let keys = [PublicKey32(trusted: admin.publicKey)]
    #expect(
      try await server.call(.createLog(token: server.token(), handle: handle, writeKeyHash: key.hash, administratorKeys: keys))
        == .created)
    let elsewhere = HandleID.random(using: server.random)
    func append(_ handle: HandleID, _ writeKey: Permission, slot: UInt64 = 0) -> Request {
      .append(
        LogAppend(
          handle: handle, slot: slot, writeKey: writeKey, entry: server.frame(), rotation: nil, groupInfo: [], recipients: []))
    }
    func rotate(_ handle: HandleID) throws -> Request {
      let rotation = try Rotation(
        handle: handle, slot: 0, writeKeyHash: key.hash, administratorKeys: keys, entry: [], signer: stranger)
      return .rotate(handle: handle, slot: 0, rotation: rotation)
    }
    let refused: [Request] = [
      append(handle, permission()), append(handle, permission(), slot: 9), append(elsewhere, key), try rotate(handle),
      try rotate(elsewhere), .groupInfo(handle: handle), .groupInfo(handle: elsewhere),
      .readLog(handle: elsewhere, from: 0), .claim(capability: permission(), id: .random(using: server.random)),
      .createLog(token: try server.token(), handle: handle, writeKeyHash: permission().hash, administratorKeys: keys),
      mailbox.registration(token: try server.entryToken()).withOtherSealKey(server.random),
      .redeem(
        voucher: permission(), issuerKey: try TestIssuer.publicKeys().hash, blinded: [BlindNumber(trusted: [0] + server.random.bytes(255))]),
    ]
    let writesBefore = store.writeCount
    for request in refused { #expect(try await server.call(request) == .refused) }
    for recipient in [mailbox.recipient(permission()), TestMailbox(random: server.random).recipient(key)] {
      let send = Request.send(id: .random(using: server.random), frame: server.frame(), recipients: [recipient])
      #expect(try await server.call(send) == .sent([.refused]))
    }
    #expect(store.writeCount == writesBefore)
  }

  @Test func `a store that fails makes the answer busy, and a repetition succeeds`() async throws {
    let store = InMemoryMailboxStore()
    let server = try EngineFixture(store: store)
    let key = permission()
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    for plan in CrashPlan.all(atWrite: 4) {
      var plan = plan
      plan.staysUp = true
      store.plan(plan)
      let frame = server.frame()
      let send = Request.send(id: .random(using: server.random), frame: frame, recipients: [mailbox.recipient(key)])
      #expect(try await server.call(send) == .busy)
      #expect(try await server.call(send) == .sent([.accepted]))
      let stream = try await server.attach(mailbox, acknowledging: true)
      #expect(try await stream.frames() == [frame])
      await stream.close()
    }
  }

  @Test func `the statement of the server's identity is believed, until it expires`() throws {
    let identity = server.secrets.identity
    let hashes = [KeyHash.random(using: server.random)]
    let statement = try identity.statement(tlsKeyHashes: hashes, issuerKeys: [TestIssuer.publicKeys()], now: 1_000)
    let read = try IdentityStatement(
      verifying: statement.encoded, serverKey: identity.publicKey, now: 2_000, lastSequence: 999)
    #expect(read.keyHashes == hashes)
    #expect(try read.issuerKeys == [TestIssuer.publicKeys()])
    #expect(throws: IdentityStatementError.expired) {
      try IdentityStatement(
        verifying: statement.encoded, serverKey: identity.publicKey, now: 1_001 + ServerLimits.statementValidity,
        lastSequence: 0)
    }
    #expect(identity.fingerprint.split(separator: " ").count == 16)
  }
}

extension Request {
  /// The same registration with another key.
  fileprivate func withOtherSealKey(_ random: SeededRandom) -> Request {
    guard case .register(let token, let mailbox, let ownerKey, _) = self else { return self }
    return .register(
      token: token, mailbox: mailbox, ownerKey: ownerKey, sealKey: PublicKey32(trusted: TestMailbox(random: random).sealKey.publicKey))
  }
}
