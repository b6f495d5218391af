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
  private let issuer: IssuerKey

  init() throws {
    server = try EngineFixture(store: store)
    issuer = try TestIssuer.publicKey()
  }

  private func blinded(_ count: Int) throws -> [BlindedToken] {
    try (0..<count).map { _ in try BlindedToken(issuer: issuer, random: server.random) }
  }

  private func redeem(_ voucher: Permission, _ tokens: [BlindedToken], issuerKey: KeyHash? = nil) -> Request {
    .redeem(voucher: voucher, issuerKey: issuerKey ?? issuer.hash, blinded: tokens.map(\.blinded))
  }

  private func finish(_ tokens: [BlindedToken], _ answer: Answer) throws -> [Token] {
    guard case .redeemed(let signatures) = answer else { throw FixtureError.unexpectedAnswer }
    return try zip(tokens, signatures).map { try $0.token(answer: $1, issuer: issuer) }
  }

  @Test func `a voucher has its tokens signed once, and the same ones again`() async throws {
    let voucher = try await server.engine.makeVouchers(1)[0]
    let tokens = try blinded(Limits.tokensPerVoucher)
    let answer = try await server.call(redeem(voucher, tokens))
    let finished = try finish(tokens, answer)
    #expect(try await server.call(redeem(voucher, tokens)) == answer)
    #expect(try await server.call(redeem(voucher, blinded(1))) == .refused)
    #expect(try await server.call(redeem(voucher, Array(tokens.reversed()))) == .refused)
    #expect(try await server.call(redeem(voucher, Array(tokens.dropLast()))) == .refused)
    for token in finished {
      #expect(try await server.call(TestMailbox(random: server.random).registration(token: token)) == .registered)
      #expect(try await server.call(TestMailbox(random: server.random).registration(token: token)) == .tokenRefused)
    }
  }

  @Test func `a voucher that expired, that nobody made, or shown with numbers that cannot be signed is refused`() async throws {
    let vouchers = try await server.engine.makeVouchers(2)
    #expect(try await server.call(redeem(.random(using: server.random), blinded(1))) == .refused)
    let unsignable = Request.redeem(
      voucher: vouchers[0], issuerKey: issuer.hash, blinded: [BlindNumber(trusted: [UInt8](repeating: 0xff, count: 256))])
    #expect(try await server.call(unsignable) == .refused)
    // That used nothing up.
    let tokens = try blinded(1)
    #expect(try await server.call(redeem(vouchers[0], tokens)) != .refused)
    server.clock.advance(days: 30)
    #expect(try await server.call(redeem(vouchers[0], tokens)) == .refused)
    #expect(try await server.call(redeem(vouchers[1], tokens)) == .refused)
  }

  @Test func `a token that no key of today has signed reaches no store`() async throws {
    store.plan(CrashPlan(atWrite: 1, failure: .unavailable))
    let random = server.random
    var wrong = try server.token()
    wrong.signature = .random(using: random)
    var foreign = try server.token()
    foreign.id = .random(using: random)
    for token in [wrong, foreign, Token(id: .random(using: random), signature: BlindNumber(trusted: [UInt8](repeating: 0, count: 256)))] {
      #expect(try await server.call(TestMailbox(random: random).registration(token: token)) == .tokenRefused)
      let create = Request.createLog(
        token: token, handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)])
      #expect(try await server.call(create) == .tokenRefused)
    }
    #expect(store.writeCount == 0)
  }

  @Test func `a log costs a token, and making it again costs nothing`() async throws {
    let random = server.random
    let token = try server.token()
    func create(_ token: Token, _ handle: HandleID) -> Request {
      .createLog(
        token: token, handle: handle, writeKeyHash: KeyHash(trusted: [UInt8](repeating: 1, count: 32)),
        administratorKeys: [PublicKey32(trusted: [UInt8](repeating: 2, count: 32))])
    }
    let handle = HandleID.random(using: random)
    #expect(try await server.call(create(token, handle)) == .created)
    #expect(try await server.call(create(token, handle)) == .created)
    #expect(try await server.call(create(token, .random(using: random))) == .tokenRefused)
    let second = try server.token()
    #expect(try await server.call(create(second, handle)) == .created)
    #expect(try await server.call(create(second, .random(using: random))) == .created)
  }

  @Test func `an owner has tokens signed on the stream, up to the quota of a period`() async throws {
    let mailbox = try await server.makeMailbox()
    let stream = try await server.attach(mailbox)
    let tokens = try blinded(2)
    func issue(_ id: UInt32, _ tokens: [BlindNumber], issuerKey: KeyHash? = nil) async throws -> ServerMessage? {
      try await stream.send(.issue(id: id, issuerKey: issuerKey ?? issuer.hash, blinded: tokens))
      return await stream.messages.last
    }
    guard case .issued(1, let signatures)? = try await issue(1, tokens.map(\.blinded)) else { throw FixtureError.unexpectedAnswer }
    for (token, signature) in zip(tokens, signatures) {
      let registration = TestMailbox(random: server.random).registration(token: try token.token(answer: signature, issuer: issuer))
      #expect(try await server.call(registration) == .registered)
    }
    #expect(try await issue(2, tokens.map(\.blinded), issuerKey: .random(using: server.random)) == .done(id: 2, outcome: .issuerUnknown))
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

  @Test func `a key signs and is accepted in its quarter and the next, and no longer`() async throws {
    let vouchers = try await server.engine.makeVouchers(2)
    let tokens = try blinded(3)
    let finished = try finish(tokens, try await server.call(redeem(vouchers[0], tokens)))
    let next = try IssuerKeyPair(BlindSignatureKey.generate(), quarter: TestIssuer.quarter + 1)
    let standing = try IssuerKeyPair(TestIssuer.key(), quarter: TestIssuer.quarter)
    #expect(!server.engine.issuer.isOverdue(today: server.clock.today))
    let start = UInt64((TestIssuer.quarter + 1) * IssuerKeyPair.quarterDays)
    server.clock.advance(days: start - UInt64(server.clock.today.number))
    #expect(server.engine.issuer.isOverdue(today: server.clock.today))
    server.engine.issuer.replace(with: [standing, next])
    #expect(!server.engine.issuer.isOverdue(today: server.clock.today))
    #expect(server.engine.issuer.publicKeys(today: server.clock.today) == [next.publicKey, issuer])
    #expect(try await server.call(TestMailbox(random: server.random).registration(token: finished[0])) == .registered)
    server.clock.advance(days: UInt64(IssuerKeyPair.quarterDays) - 1)
    #expect(try await server.call(TestMailbox(random: server.random).registration(token: finished[1])) == .registered)
    // Spent stays spent as long as the key is good.
    try await server.engine.expire()
    #expect(try await server.call(TestMailbox(random: server.random).registration(token: finished[0])) == .tokenRefused)
    server.clock.advance(days: 1)
    #expect(server.engine.issuer.publicKeys(today: server.clock.today) == [next.publicKey])
    #expect(try await server.call(TestMailbox(random: server.random).registration(token: finished[2])) == .tokenRefused)
    let fresh = try await server.engine.makeVouchers(1)[0]
    #expect(try await server.call(redeem(fresh, tokens)) == .issuerUnknown)
    let replacement = try BlindedToken(issuer: next.publicKey, random: server.random)
    #expect(try await server.call(redeem(fresh, [replacement], issuerKey: next.hash)) != .refused)
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
    let issuer = try TestIssuer.publicKey()
    let tokens = try (0..<2).map { _ in try BlindedToken(issuer: issuer, random: server.random) }
    let redeem = Request.redeem(voucher: voucher, issuerKey: issuer.hash, blinded: tokens.map(\.blinded))
    let answer = try await server.call(redeem)
    guard case .redeemed(let signatures) = answer else { throw FixtureError.unexpectedAnswer }
    let token = try tokens[0].token(answer: signatures[0], issuer: issuer)
    return Visit(
      voucher: voucher, tokens: tokens, signatures: signatures, token: token, redeem: redeem.encoded, answer: answer.encoded,
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
    let key = try TestIssuer.key()
    for visit in visits {
      for (token, signature) in zip(visit.tokens, visit.signatures) {
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
      // Of each redemption one token is spent: by the one mailbox or by the other.
      let redeemed = try Self.fixed(0..<4)
      let spent = swapped ? [redeemed[2], redeemed[0]] : [redeemed[0], redeemed[2]]
      for (voucher, tokens) in zip(vouchers, [redeemed[0...1], redeemed[2...3]]) {
        let redeem = Request.redeem(voucher: voucher, issuerKey: try TestIssuer.publicKey().hash, blinded: tokens.map(\.blinded))
        guard case .redeemed = try await server.call(redeem) else { throw FixtureError.unexpectedAnswer }
      }
      for (mailbox, blinded) in zip(mailboxes, spent) {
        let registration = mailbox.registration(token: try Self.token(blinded))
        guard try await server.call(registration) == .registered else { throw FixtureError.unexpectedAnswer }
      }
      return store.contents
    }
    let (straight, crossed) = (try await state(swapped: false), try await state(swapped: true))
    #expect(straight == crossed)
    // Two vouchers, two spent tokens, two mailboxes.
    #expect(straight.count == 6)
  }

  /// Blinded tokens, the same in every call.
  private static let made = Result { try (0..<4).map { _ in try BlindedToken(issuer: TestIssuer.publicKey(), random: SystemRandom()) } }

  private static func fixed(_ range: Range<Int>) throws -> [BlindedToken] { Array(try made.get()[range]) }

  private static func token(_ blinded: BlindedToken) throws -> Token {
    let answer = BlindNumber(trusted: try TestIssuer.key().sign(blinded.blinded.bytes))
    return try blinded.token(answer: answer, issuer: TestIssuer.publicKey())
  }
}
