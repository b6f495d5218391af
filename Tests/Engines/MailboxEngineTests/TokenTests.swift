import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing
import WireFormat

/// Vouchers and tokens: what they are worth, and what they do not tell.
@Suite struct TokenTests {
  private let store = InMemoryMailboxStore()
  private let server: EngineFixture
  private let issuer: IssuerKeys

  init() throws {
    server = try EngineFixture(store: store)
    issuer = try TestIssuer.publicKeys()
  }

  private func batch(_ count: Int = Limits.tokensPerVoucher, isRedemption: Bool = true) throws -> TestBatch {
    try TestBatch(count, isRedemption: isRedemption, random: server.random)
  }

  private func register(_ token: Token) async throws -> Answer {
    try await server.call(TestMailbox(random: server.random).registration(token: token))
  }

  private func createLog(_ token: Token, _ handle: HandleID? = nil) async throws -> Answer {
    try await server.call(
      .createLog(
        token: token, handle: handle ?? .random(using: server.random), writeKeyHash: KeyHash(trusted: [UInt8](repeating: 1, count: 32)),
        administratorKeys: [PublicKey32(trusted: [UInt8](repeating: 2, count: 32))]))
  }

  @Test func `a voucher has its tokens signed once, and the same ones again: one for a mailbox, the others for logs`() async throws {
    let voucher = try await server.engine.makeVouchers(1)[0]
    let tokens = try batch()
    let answer = try await server.call(tokens.redeem(voucher))
    let finished = try tokens.finish(answer)
    #expect(try await server.call(tokens.redeem(voucher)) == answer)
    #expect(try await server.call(batch(1).redeem(voucher)) == .refused)
    for others in [tokens.blinded.reversed(), tokens.blinded.dropLast()] {
      #expect(try await server.call(.redeem(voucher: voucher, issuerKey: issuer.hash, blinded: others)) == .refused)
    }
    #expect(try await register(finished[0]) == .registered)
    #expect(try await register(finished[0]) == .tokenRefused)
    for token in finished.dropFirst() {
      #expect(try await createLog(token) == .created)
      #expect(try await createLog(token) == .tokenRefused)
    }
  }

  @Test func `a token of the wrong kind is as good as a forged one, reaches no store and is not spent`() async throws {
    let (entry, common) = (try server.entryToken(), try server.token())
    let writes = store.writeCount
    #expect(try await register(common) == .tokenRefused)
    #expect(try await createLog(entry) == .tokenRefused)
    #expect(store.writeCount == writes)
    #expect(try await register(entry) == .registered)
    #expect(try await createLog(common) == .created)
  }

  @Test func `whatever is blinded, a voucher brings one entry token, and a stream none`() async throws {
    // All are blinded for the entry key.
    let tokens = try (0..<4).map { _ in try BlindedToken(issuer: issuer.entry, random: server.random) }
    func entryCount(_ signatures: [BlindNumber]) -> Int {
      zip(tokens, signatures).count { (try? $0.token(answer: $1, issuer: issuer.entry)) != nil }
    }
    let vouchers = try await server.engine.makeVouchers(2)
    let answer = try await server.call(.redeem(voucher: vouchers[0], issuerKey: issuer.hash, blinded: tokens.map(\.blinded)))
    guard case .redeemed(let signatures) = answer else { throw FixtureError.unexpectedAnswer }
    #expect(entryCount(signatures) == 1)
    let stream = try await server.attach(try await server.makeMailbox())
    try await stream.send(.issue(id: 1, issuerKey: issuer.hash, blinded: tokens.map(\.blinded)))
    guard case .issued(1, let issued)? = await stream.messages.last else { throw FixtureError.unexpectedAnswer }
    #expect(entryCount(issued) == 0)
    await stream.close()
    // A quarter is named by both of its keys, and by neither alone.
    for hash in [issuer.entry.hash, issuer.common.hash] {
      #expect(try await server.call(.redeem(voucher: vouchers[1], issuerKey: hash, blinded: batch().blinded)) == .issuerUnknown)
    }
  }

  @Test func `a voucher that expired, that nobody made, or shown with numbers that cannot be signed is refused`() async throws {
    let vouchers = try await server.engine.makeVouchers(2)
    #expect(try await server.call(batch(1).redeem(.random(using: server.random))) == .refused)
    let unsignable = BlindNumber(trusted: [UInt8](repeating: 0xff, count: 256))
    let tokens = try batch(1)
    for numbers in [[unsignable], tokens.blinded + [unsignable]] {
      #expect(try await server.call(.redeem(voucher: vouchers[0], issuerKey: issuer.hash, blinded: numbers)) == .refused)
    }
    // That used nothing up.
    #expect(try await server.call(tokens.redeem(vouchers[0])) != .refused)
    server.clock.advance(days: 30)
    #expect(try await server.call(tokens.redeem(vouchers[0])) == .refused)
    #expect(try await server.call(tokens.redeem(vouchers[1])) == .refused)
  }

  @Test func `a token that no key of today has signed reaches no store`() async throws {
    store.plan(CrashPlan(atWrite: 1, failure: .unavailable))
    let random = server.random
    var wrong = try server.entryToken()
    wrong.signature = .random(using: random)
    var foreign = try server.token()
    foreign.id = .random(using: random)
    for token in [wrong, foreign, Token(id: .random(using: random), signature: BlindNumber(trusted: [UInt8](repeating: 0, count: 256)))] {
      #expect(try await register(token) == .tokenRefused)
      #expect(try await createLog(token) == .tokenRefused)
    }
    #expect(store.writeCount == 0)
  }

  @Test func `a log costs a token, and making it again costs nothing`() async throws {
    let (token, second) = (try server.token(), try server.token())
    let handle = HandleID.random(using: server.random)
    #expect(try await createLog(token, handle) == .created)
    #expect(try await createLog(token, handle) == .created)
    #expect(try await createLog(token) == .tokenRefused)
    #expect(try await createLog(second, handle) == .created)
    #expect(try await createLog(second) == .created)
  }

  @Test func `an owner has common tokens signed on the stream, up to the quota of a period`() async throws {
    let mailbox = try await server.makeMailbox()
    let stream = try await server.attach(mailbox)
    func send(_ message: OwnerMessage) async throws -> ServerMessage? {
      try await stream.send(message)
      return await stream.messages.last
    }
    func issue(_ id: UInt32, _ tokens: [BlindNumber], issuerKey: KeyHash? = nil) async throws -> ServerMessage? {
      try await send(.issue(id: id, issuerKey: issuerKey ?? issuer.hash, blinded: tokens))
    }
    let tokens = try batch(2, isRedemption: false)
    guard case .issued(1, let signatures)? = try await send(tokens.issue(id: 1)) else { throw FixtureError.unexpectedAnswer }
    for token in try tokens.finish(signatures) {
      #expect(try await register(token) == .tokenRefused)
      #expect(try await createLog(token) == .created)
    }
    #expect(try await issue(2, tokens.blinded, issuerKey: .random(using: server.random)) == .done(id: 2, outcome: .issuerUnknown))
    let unsignable = BlindNumber(trusted: [UInt8](repeating: 0xff, count: 256))
    #expect(try await issue(3, [unsignable]) == .done(id: 3, outcome: .refused))
    // Any number below the modulus can be signed.
    let cheap = [BlindNumber](repeating: BlindNumber(trusted: [UInt8](repeating: 0, count: 255) + [1]), count: Limits.issueCount)
    var count = 2
    while count + Limits.issueCount <= ServerLimits.tokensPerPeriod {
      guard case .issued? = try await issue(4, cheap) else { throw FixtureError.unexpectedAnswer }
      count += Limits.issueCount
    }
    #expect(try await issue(5, cheap) == .done(id: 5, outcome: .overQuota))
    await stream.close()
  }

  @Test func `keys sign and are accepted in their quarter and the next, and no longer`() async throws {
    var finished: [Token] = []
    for voucher in try await server.engine.makeVouchers(3) { finished.append(try await server.redeem(voucher)[0]) }
    let late = try batch()
    let next = try QuarterKeys(entry: .generate(), common: .generate(), quarter: TestIssuer.quarter + 1)
    let standing = try TestIssuer.keys()
    #expect(!server.engine.issuer.isOverdue(today: server.clock.today))
    let start = UInt64((TestIssuer.quarter + 1) * QuarterKeys.quarterDays)
    server.clock.advance(days: start - UInt64(server.clock.today.number))
    #expect(server.engine.issuer.isOverdue(today: server.clock.today))
    server.engine.issuer.replace(with: [standing, next])
    #expect(!server.engine.issuer.isOverdue(today: server.clock.today))
    #expect(server.engine.issuer.publicKeys(today: server.clock.today) == [next.publicKeys, issuer])
    #expect(try await register(finished[0]) == .registered)
    server.clock.advance(days: UInt64(QuarterKeys.quarterDays) - 1)
    #expect(try await register(finished[1]) == .registered)
    // Spent stays spent as long as the key is good.
    try await server.engine.expire()
    #expect(try await register(finished[0]) == .tokenRefused)
    server.clock.advance(days: 1)
    #expect(server.engine.issuer.publicKeys(today: server.clock.today) == [next.publicKeys])
    #expect(try await register(finished[2]) == .tokenRefused)
    let fresh = try await server.engine.makeVouchers(1)[0]
    #expect(try await server.call(late.redeem(fresh)) == .issuerUnknown)
    let replacement = try TestBatch(2, issuer: next.publicKeys, random: server.random)
    let tokens = try replacement.finish(try await server.call(replacement.redeem(fresh)))
    #expect(try await register(tokens[0]) == .registered)
    #expect(try await createLog(tokens[1]) == .created)
  }
}

/// That nothing which the server saw or kept leads from a voucher to a mailbox.
@Suite struct UnlinkabilityTests {
  private struct Visit {
    let voucher: Permission
    let tokens: [BlindedToken]
    let signatures: [BlindNumber]
    let token: Token
    let redeem: [UInt8]
    let answer: [UInt8]
    let register: [UInt8]
  }

  /// The stretches of eight bytes in everything that was said.
  private func windows(_ bytes: [UInt8]) -> Set<[UInt8]> {
    Set((0...max(0, bytes.count - 8)).map { Array(bytes[$0..<min($0 + 8, bytes.count)]) })
  }

  private func visit(_ server: EngineFixture, voucher: Permission, mailbox: TestMailbox) async throws -> Visit {
    let batch = try TestBatch(2, random: server.random)
    let redeem = batch.redeem(voucher)
    let answer = try await server.call(redeem)
    guard case .redeemed(let signatures) = answer else { throw FixtureError.unexpectedAnswer }
    let token = try batch.finish(signatures)[0]
    return Visit(
      voucher: voucher, tokens: batch.tokens, signatures: signatures, token: token, redeem: redeem.encoded, answer: answer.encoded,
      register: mailbox.registration(token: token).encoded)
  }

  @Test func `no eight bytes of a redemption come back in a registration`() async throws {
    let server = try EngineFixture(store: InMemoryMailboxStore())
    let vouchers = try await server.engine.makeVouchers(2)
    var visits: [Visit] = []
    for voucher in vouchers { visits.append(try await visit(server, voucher: voucher, mailbox: TestMailbox(random: server.random))) }
    for registering in visits {
      let shown = windows(registering.register)
      for redeeming in visits {
        #expect(shown.isDisjoint(with: windows(redeeming.redeem)))
        #expect(shown.isDisjoint(with: windows(redeeming.answer)))
      }
      // The search finds what is there.
      #expect(!shown.isDisjoint(with: windows(registering.token.id.bytes)))
      #expect(!windows(registering.redeem).isDisjoint(with: windows(registering.voucher.bytes)))
    }
    // Both redemptions are as good a match for both registrations: for each pair there is a blinding that would have led from the one to
    // the other, and the issuer's key alone cannot tell which was used. What the signer can compute is the message that it signed; the two
    // answers are its signatures on the two blinded numbers, and on nothing else that it saw.
    for visit in visits {
      for (kind, (token, signature)) in zip([TokenKind.entry, .common], zip(visit.tokens, visit.signatures)) {
        let key = try TestIssuer.key(kind)
        #expect(try key.sign(token.blinded.bytes) == signature.bytes)
        #expect(!key.publicKey.verify(signature.bytes, of: visit.token.id.bytes))
      }
    }
  }

  @Test func `what the server keeps is the same whichever voucher led to which mailbox`() async throws {
    func state(swapped: Bool) async throws -> [String] {
      let store = InMemoryMailboxStore()
      let server = try EngineFixture(store: store)
      let vouchers = try await server.engine.makeVouchers(2)
      let mailboxes = [TestMailbox(random: SeededRandom(seed: 11)), TestMailbox(random: SeededRandom(seed: 12))]
      // The entry token of each redemption is spent: by the one mailbox or by the other.
      var entries: [Token] = []
      for (voucher, batch) in zip(vouchers, try Self.made.get()) {
        entries.append(try batch.finish(try await server.call(batch.redeem(voucher)))[0])
      }
      for (mailbox, token) in zip(mailboxes, swapped ? entries.reversed() : entries) {
        guard try await server.call(mailbox.registration(token: token)) == .registered else { throw FixtureError.unexpectedAnswer }
      }
      return store.contents
    }
    let (straight, crossed) = (try await state(swapped: false), try await state(swapped: true))
    #expect(straight == crossed)
    // Two vouchers, two spent tokens, two mailboxes.
    #expect(straight.count == 6)
  }

  /// Blinded tokens, the same in every call.
  private static let made = Result { try (0..<2).map { _ in try TestBatch(2, random: SystemRandom()) } }
}
