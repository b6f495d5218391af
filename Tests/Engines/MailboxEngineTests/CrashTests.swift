import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

/// The same little story, told with the disk failing at each of its writes in each possible way: what the server has
/// accepted is there afterwards, once, and whatever it has not accepted may be asked for again.
@Suite struct CrashTests {
  @Test func `whatever write the disk fails at, what was accepted is there and nothing is there twice`() async throws {
    let store = InMemoryMailboxStore()
    try await Story(store: store, plan: nil).tell()
    let writeCount = store.writeCount
    #expect(writeCount > 40)
    for write in 1...writeCount {
      for plan in CrashPlan.all(atWrite: write) {
        await #expect(throws: Never.self, "\(plan)") {
          try await Story(store: InMemoryMailboxStore(), plan: plan).tell()
        }
      }
    }
  }

  private struct Story {
    let store: InMemoryMailboxStore
    let plan: CrashPlan?
    let server: EngineFixture

    init(store: InMemoryMailboxStore, plan: CrashPlan?) throws {
      self.store = store
      self.plan = plan
      server = try EngineFixture(store: store, seed: 3)
      store.plan(plan)
    }

    /// Repeats a step until the server answers, opening the store again after a crash.
    private func insist<Value>(_ step: () async throws -> Value?) async throws -> Value {
      for _ in 0..<3 {
        let value = try? await step()
        if store.isCrashed { store.reopen() }
        if let value { return value }
      }
      throw FixtureError.unexpectedAnswer
    }

    private func answer(_ request: Request) async throws -> Answer {
      try await insist {
        let answer = try await server.call(request)
        return answer == .busy ? nil : answer
      }
    }

    private func command(_ mailbox: TestMailbox, _ message: OwnerMessage, expecting: ServerMessage) async throws {
      _ = try await insist { () -> Bool? in
        let stream = try await server.attach(mailbox)
        try await stream.send(message)
        return await stream.messages.contains(expecting) ? true : nil
      }
    }

    private func check(_ condition: Bool) throws {
      guard condition else { throw FixtureError.unexpectedAnswer }
    }

    /// A voucher turned into a token, each step insisted on.
    private func redeemedToken(_ kind: TokenKind) async throws -> Token {
      let voucher = try await insist { try await server.engine.makeVouchers(1).first }
      let batch = try TestBatch(2, random: server.random)
      return try batch.finish(try await answer(batch.redeem(voucher)))[kind == .entry ? 0 : 1]
    }

    func tell() async throws {
      let random = server.random
      let key = Permission.random(using: random)
      var mailboxes: [TestMailbox] = []
      for _ in 0..<2 {
        let mailbox = TestMailbox(random: random)
        let token = try await redeemedToken(.entry)
        try check(try await answer(mailbox.registration(token: token)) == .registered)
        let hashes = TestMailbox.padded([key.hash], random: random)
        try await command(mailbox, .delivery(id: 1, keyHashes: hashes), expecting: .done(id: 1, outcome: .done))
        mailboxes.append(mailbox)
      }
      let recipients = mailboxes.map { $0.recipient(key) }

      let frame = server.frame("send")
      try check(
        try await answer(.send(id: .random(using: random), frame: frame, recipients: recipients))
          == .sent([.accepted, .accepted]))

      let admin = SignatureAlgorithm.ed25519.generateKey(using: random)
      let handle = HandleID.random(using: random)
      let administrators = [PublicKey32(trusted: admin.publicKey)]
      try check(
        try await answer(
          .createLog(token: redeemedToken(.common), handle: handle, writeKeyHash: key.hash, administratorKeys: administrators))
          == .created)
      let entry = server.frame("entry")
      let nextKey = Permission.random(using: random)
      let rotation = try Rotation(
        handle: handle, slot: 0, writeKeyHash: nextKey.hash, administratorKeys: administrators, entry: entry, signer: admin)
      let append = Request.append(
        LogAppend(
          handle: handle, slot: 0, writeKey: key, entry: entry, rotation: rotation, groupInfo: entry,
          recipients: recipients))
      let appended = try await answer(append)
      try check(appended == .appended([.accepted, .accepted]) || (plan != nil && appended == .duplicate))
      let turn = try Rotation(
        handle: handle, slot: 1, writeKeyHash: key.hash, administratorKeys: administrators, entry: [], signer: admin)
      try check(try await answer(.rotate(handle: handle, slot: 1, rotation: turn)) == .rotated)

      let capability = Permission.random(using: random)
      let blobs = (UInt8(0)..<4).map { [UInt8](repeating: $0 + 1, count: 20) }
      try await command(
        mailboxes[0], .publish(id: 2, capabilityHash: capability.hash, days: 9, blobs: blobs),
        expecting: .done(id: 2, outcome: .done))
      var claimed: [[UInt8]] = []
      while case .claimed(let blob) = try await answer(.claim(capability: capability, id: .random(using: random))) {
        claimed.append(blob)
      }
      // None is lost to an unknown outcome, since who asks again is known, and none is given out twice.
      try check(claimed.count == blobs.count && Set(claimed) == Set(blobs))

      try check(
        try await answer(.readLog(handle: handle, from: 0))
          == .entries(firstSlot: 0, nextSlot: 1, [LogEntry(slot: 0, frame: entry)]))
      try check(try await answer(.groupInfo(handle: handle)) == .groupInfo(entry))
      for mailbox in mailboxes {
        let stream = try await insist { try await server.attach(mailbox) }
        try check(try await stream.frames() == [frame, entry])
        let last = await stream.envelopes[1].cursor
        await stream.close()
        _ = try await insist { () -> Bool? in
          let stream = try await server.attach(mailbox)
          try await stream.send(.acknowledge(cursor: last))
          return await stream.isClosed ? nil : true
        }
        try check(try await insist { try await server.attach(mailbox) }.envelopes.isEmpty)
      }
      server.clock.advance(days: 31)
      _ = try await insist { () -> Bool? in
        try await server.engine.expire()
        return true
      }
      try check(try await answer(.readLog(handle: handle, from: 0)) == .entries(firstSlot: 1, nextSlot: 1, []))
    }
  }
}
