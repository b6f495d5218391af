import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing
import WireFormat

@Suite struct OwnerSessionTests {
  private let server: EngineFixture
  private let store = InMemoryMailboxStore()
  private let key: Permission

  init() throws {
    server = try EngineFixture(store: store)
    key = .random(using: server.random)
  }

  private func send(_ count: Int, to mailbox: TestMailbox, byteCount: Int = Limits.smallestFrameByteCount) async throws -> [[UInt8]] {
    var frames: [[UInt8]] = []
    for _ in 0..<count {
      let frame = server.random.bytes(byteCount)
      let send = Request.send(id: .random(using: server.random), frame: frame, recipients: [mailbox.recipient(key)])
      #expect(try await server.call(send) == .sent([.accepted]))
      frames.append(frame)
    }
    return frames
  }

  @Test func `at most 64 envelopes wait for their acknowledgement, and all come in order`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let frames = try await send(150, to: mailbox)
    let stream = try await server.attach(mailbox)
    #expect(await stream.envelopes.count == Limits.unacknowledgedEnvelopeCount)
    #expect(await !stream.messages.contains(.drained))
    while await stream.envelopes.count < 150 {
      let before = await stream.envelopes.count
      // Halfway, so that the window slides.
      try await stream.send(.acknowledge(cursor: await stream.envelopes[before - 32].cursor))
      #expect(await stream.envelopes.count <= before + 33)
      #expect(await stream.envelopes.count > before)
    }
    #expect(try await stream.frames() == frames)
    #expect(await stream.messages.last == .drained)
  }

  @Test func `at most 2 MiB wait for their acknowledgement`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let frames = try await send(10, to: mailbox, byteCount: Limits.frameByteCount)
    let stream = try await server.attach(mailbox)
    #expect(await stream.envelopes.reduce(0) { $0 + $1.sealed.count } <= ServerLimits.unacknowledgedByteCount)
    #expect(await stream.envelopes.count == 7)
    try await stream.send(.acknowledge(cursor: await stream.envelopes[0].cursor))
    #expect(await stream.envelopes.count == 8)
    try await stream.send(.acknowledge(cursor: await stream.envelopes[7].cursor))
    #expect(try await stream.frames() == frames)
  }

  @Test func `drained is said when nothing waits, once for each time`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let stream = try await server.attach(mailbox)
    func drainedCount() async -> Int { await stream.messages.filter { $0 == .drained }.count }
    #expect(await drainedCount() == 1)
    server.engine.wakes.wakeAll()
    try await stream.runWakes()
    #expect(await drainedCount() == 1)
    _ = try await send(2, to: mailbox)
    try await stream.runWakes()
    #expect(await drainedCount() == 2)
    try await stream.send(.acknowledge(cursor: await stream.envelopes[1].cursor))
    #expect(await drainedCount() == 2)
  }

  @Test func `what was not acknowledged comes again on the next stream`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let frames = try await send(3, to: mailbox)
    let first = try await server.attach(mailbox)
    try await first.send(.acknowledge(cursor: await first.envelopes[0].cursor))
    let oldCursor = await first.envelopes[1].cursor
    await first.close()
    let second = try await server.attach(mailbox)
    #expect(try await second.frames() == Array(frames[1...]))
    // A cursor outlives the stream that it came on.
    try await second.send(.acknowledge(cursor: oldCursor))
    await second.close()
    #expect(try await server.attach(mailbox).frames() == [frames[2]])
  }

  @Test func `a second stream at a mailbox takes the place of the first`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let first = try await server.attach(mailbox)
    let second = try await server.attach(mailbox)
    #expect(server.engine.wakes.sessionCount == 1)
    try await first.runWakes()
    #expect(await first.isClosed)
    #expect(await !first.isMalformed)
    _ = try await send(1, to: mailbox)
    try await second.runWakes()
    #expect(await second.envelopes.count == 1)
    await second.close()
    #expect(server.engine.wakes.sessionCount == 0)
  }

  @Test func `a replaced stream is closed at its next message too`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let first = try await server.attach(mailbox)
    _ = try await server.attach(mailbox)
    try await first.send(.withdraw(id: 1, capabilityHash: key.hash))
    #expect(await first.isClosed)
    #expect(await !first.messages.contains(.done(id: 1, outcome: .done)))
  }

  @Test func `nothing but an attach is taken before it`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let messages: [OwnerMessage] = [
      .acknowledge(cursor: []), .delivery(id: 1, keyHashes: []), .publish(id: 1, capabilityHash: key.hash, days: 1, blobs: [[1]]),
      .withdraw(id: 1, capabilityHash: key.hash), .vouchers(id: 1, count: 1),
    ]
    for message in messages {
      let session = server.engine.openSession()
      _ = await session.start {}
      #expect(await session.receive(message.encoded) == [.close(malformed: true)])
      #expect(await session.receive(message.encoded) == [])
    }
    let stream = try await server.attach(mailbox)
    try await stream.send(.attach(mailbox: mailbox.id, signature: .random(using: server.random)))
    #expect(await stream.isMalformed)
  }

  @Test func `an attach needs the owner's signature over this stream's nonce, and all else is refused alike`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let other = try await server.makeMailbox()
    func attempt(_ id: MailboxID, signedFor signed: MailboxID, by key: SigningKey, nonce fixed: [UInt8]? = nil) async throws
      -> [SessionOutput]
    {
      let session = server.engine.openSession()
      guard case .send(let bytes)? = await session.start(wake: {}).first,
        case .hello(let serverKey, let nonce) = try ServerMessage(decoding: bytes)
      else { throw FixtureError.unexpectedAnswer }
      let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: fixed ?? nonce, mailbox: signed)
      let attach = OwnerMessage.attach(mailbox: id, signature: Signature64(trusted: try key.sign(content)))
      return await session.receive(attach.encoded)
    }
    let refused: [SessionOutput] = [.send(ServerMessage.refused.encoded), .close(malformed: false)]
    let unknown = MailboxID.random(using: server.random)
    #expect(try await attempt(mailbox.id, signedFor: mailbox.id, by: other.ownerKey) == refused)
    #expect(try await attempt(mailbox.id, signedFor: other.id, by: mailbox.ownerKey) == refused)
    #expect(try await attempt(other.id, signedFor: mailbox.id, by: mailbox.ownerKey) == refused)
    #expect(try await attempt(unknown, signedFor: unknown, by: mailbox.ownerKey) == refused)
    let replayed = server.random.bytes(ServerMessage.nonceByteCount)
    #expect(try await attempt(mailbox.id, signedFor: mailbox.id, by: mailbox.ownerKey, nonce: replayed) == refused)
    #expect(
      try await attempt(mailbox.id, signedFor: mailbox.id, by: mailbox.ownerKey).prefix(2) == [
        .proved, .send(ServerMessage.attached.encoded),
      ])
  }

  @Test func `a cursor is taken only at the mailbox that it was made for`() async throws {
    let mailboxes = [try await server.makeMailbox(deliveryKeys: [key]), try await server.makeMailbox(deliveryKeys: [key])]
    for mailbox in mailboxes { _ = try await send(1, to: mailbox) }
    let foreign = try await server.attach(mailboxes[0]).envelopes[0].cursor
    let stream = try await server.attach(mailboxes[1])
    #expect(await stream.envelopes[0].cursor.count <= Limits.cursorByteCount)
    try await stream.send(.acknowledge(cursor: foreign))
    #expect(await stream.isMalformed)
    #expect(try await server.attach(mailboxes[1]).envelopes.count == 1)
  }

  @Test func `the owner's commands are answered with their outcomes`() async throws {
    let mailbox = try await server.makeMailbox()
    let stream = try await server.attach(mailbox)
    func outcome(_ message: OwnerMessage) async throws -> ServerMessage? {
      try await stream.send(message)
      return await stream.messages.last
    }
    let unpadded = [KeyHash.random(using: server.random)]
    #expect(try await outcome(.delivery(id: 1, keyHashes: unpadded)) == .done(id: 1, outcome: .refused))
    #expect(try await outcome(.publish(id: 2, capabilityHash: key.hash, days: 0, blobs: [[1]])) == .done(id: 2, outcome: .refused))
    #expect(try await outcome(.publish(id: 3, capabilityHash: key.hash, days: 1, blobs: [])) == .done(id: 3, outcome: .refused))
    #expect(try await outcome(.withdraw(id: 4, capabilityHash: key.hash)) == .done(id: 4, outcome: .done))
    #expect(try await outcome(.vouchers(id: 5, count: 0)) == .done(id: 5, outcome: .refused))
    for id in UInt32(0)..<8 {
      guard case .vouchers(id, let vouchers)? = try await outcome(.vouchers(id: id, count: 16)) else { throw FixtureError.unexpectedAnswer }
      #expect(Set(vouchers).count == 16)
      _ = try await server.redeem(vouchers[0], count: 1)
    }
    #expect(try await outcome(.vouchers(id: 9, count: 1)) == .done(id: 9, outcome: .overQuota))
  }

  @Test func `a failing store closes the stream without blame, and nothing is lost`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    let frames = try await send(2, to: mailbox)
    let stream = try await server.attach(mailbox)
    store.plan(CrashPlan(atWrite: 1, failure: .unavailable))
    try await stream.send(.acknowledge(cursor: await stream.envelopes[1].cursor))
    #expect(await stream.isClosed)
    #expect(await !stream.isMalformed)
    store.reopen()
    #expect(try await server.attach(mailbox).frames() == frames)
  }

  @Test func `expired envelopes are not delivered`() async throws {
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    _ = try await send(1, to: mailbox)
    server.clock.advance(days: UInt64(Limits.expiryDays) - 1)
    #expect(try await server.attach(mailbox).envelopes.count == 1)
    server.clock.advance(days: 1)
    #expect(try await server.attach(mailbox).envelopes.isEmpty)
    #expect(store.envelopeCount == 1)
    try await server.engine.expire()
    #expect(store.envelopeCount == 0)
  }
}
