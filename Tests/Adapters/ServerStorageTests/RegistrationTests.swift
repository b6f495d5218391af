import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

/// Somebody with one voucher who wants as many mailboxes as there can be (docs/decisions/0015).
@Suite struct RegistrationTests {
  private let directory: TemporaryServer
  private let random = SeededRandom(seed: 51)

  init() throws { directory = try TemporaryServer() }

  private func server(_ change: (inout StorageLimits) -> Void) throws -> (EngineFixture, SQLiteMailboxStore) {
    var limits = StorageLimits()
    change(&limits)
    let store = try directory.openStore(limits: limits)
    return (try EngineFixture(store: store), store)
  }

  private func redeem(_ voucher: Permission, at server: EngineFixture, count: Int = Limits.tokensPerVoucher) async throws -> [Token] {
    let issuer = try TestIssuer.publicKey()
    let blinded = try (0..<count).map { _ in try BlindedToken(issuer: issuer, random: random) }
    let answer = try await server.call(.redeem(voucher: voucher, issuerKey: issuer.hash, blinded: blinded.map(\.blinded)))
    guard case .redeemed(let signatures) = answer else { return [] }
    return try zip(blinded, signatures).map { try $0.token(answer: $1, issuer: issuer) }
  }

  private func register(_ token: Token, at server: EngineFixture) async throws -> TestMailbox? {
    let mailbox = TestMailbox(random: random)
    switch try await server.call(mailbox.registration(token: token)) {
    case .registered: return mailbox
    case .noRoom: return nil
    default: throw FixtureError.unexpectedAnswer
    }
  }

  private func mailboxCount(_ store: SQLiteMailboxStore) async throws -> Int {
    let counts = try await store.pool.read { db in
      [try Int.fetchOne(db, sql: "SELECT count(*) FROM mailboxes"), try Int.fetchOne(db, sql: "SELECT mailboxes FROM upkeep")]
    }
    #expect(counts[0] == counts[1], "the count is of what is there")
    return counts[0] ?? 0
  }

  @Test func `one voucher makes no more mailboxes than a day's bounds, whatever its owner does with the tokens`() async throws {
    let (spare, invitations, days) = (3, 5, 3)
    let (server, store) = try server {
      $0.maximumSparesPerDay = spare
      $0.maximumInvitationsPerDay = invitations
    }
    var tokens = try await redeem(server.engine.makeVouchers(1)[0], at: server)
    var mailboxes: [TestMailbox] = []
    var honest = 0
    for day in 0..<days {
      for _ in 0..<2 {
        // All tokens that he has are tried, of the last ones.
        var left: [Token] = []
        for token in tokens {
          if let mailbox = try await register(token, at: server) { mailboxes.append(mailbox) } else { left.append(token) }
        }
        tokens = left.suffix(12)
        // All his mailboxes have more signed, and hand out vouchers, which are redeemed.
        for mailbox in mailboxes {
          let stream = try await server.attach(mailbox)
          let issuer = try TestIssuer.publicKey()
          let blinded = try (0..<2).map { _ in try BlindedToken(issuer: issuer, random: random) }
          try await stream.send(.issue(id: 1, issuerKey: issuer.hash, blinded: blinded.map(\.blinded)))
          if case .issued(1, let signatures)? = await stream.messages.last {
            tokens += try zip(blinded, signatures).map { try $0.token(answer: $1, issuer: issuer) }
          }
          try await stream.send(.vouchers(id: 2, count: 2))
          if case .vouchers(2, let vouchers)? = await stream.messages.last {
            for voucher in vouchers { tokens += try await redeem(voucher, at: server, count: 1) }
          }
          await stream.close()
        }
      }
      #expect(tokens.count > 10, "he has tokens enough")
      // Whom the operator invites comes in, however greedy he is.
      let invited = try await redeem(server.engine.makeVouchers(1)[0], at: server)
      #expect(try await register(invited[0], at: server) != nil)
      honest += 1
      let bound = 1 + (day + 1) * (spare + invitations)
      #expect(mailboxes.count <= bound, "day \(day): \(mailboxes.count)")
      #expect(try await mailboxCount(store) == mailboxes.count + honest)
      server.clock.advance(days: 1)
    }
    #expect(mailboxes.count > days * spare, "what is allowed is had")
  }

  @Test func `a token that finds no room is not spent, and one that is spent takes nobody's place`() async throws {
    let (server, _) = try server { $0.maximumSparesPerDay = 1 }
    let tokens = try (0..<2).map { _ in try server.token() }
    #expect(try await register(tokens[0], at: server) != nil)
    #expect(try await register(tokens[1], at: server) == nil)
    server.clock.advance(days: 1)
    for _ in 0..<3 {
      let again = TestMailbox(random: random).registration(token: tokens[0])
      #expect(try await server.call(again) == .tokenRefused)
    }
    #expect(try await register(tokens[1], at: server) != nil)
  }

  @Test func `a voucher is good for one registration beyond the spare ones, and redeeming it again for none`() async throws {
    let (server, store) = try server { $0.maximumSparesPerDay = 0 }
    let issuer = try TestIssuer.publicKey()
    let voucher = try await server.engine.makeVouchers(1)[0]
    let blinded = try (0..<3).map { _ in try BlindedToken(issuer: issuer, random: random) }
    let request = Request.redeem(voucher: voucher, issuerKey: issuer.hash, blinded: blinded.map(\.blinded))
    var tokens: [Token] = []
    for _ in 0..<3 {
      guard case .redeemed(let signatures) = try await server.call(request) else { throw FixtureError.unexpectedAnswer }
      tokens = try zip(blinded, signatures).map { try $0.token(answer: $1, issuer: issuer) }
    }
    #expect(try await register(tokens[0], at: server) != nil)
    #expect(try await register(tokens[1], at: server) == nil)
    // A log has a bound of its own: its token.
    let create = Request.createLog(
      token: tokens[1], handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)])
    #expect(try await server.call(create) == .created)
    #expect(try await mailboxCount(store) == 1)
  }

  @Test func `mailboxes in all are bounded, and a mailbox that is there is registered again`() async throws {
    let (server, store) = try server { $0.maximumMailboxCount = 3 }
    var first: (TestMailbox, Token)?
    for _ in 0..<3 {
      let (mailbox, token) = (TestMailbox(random: random), try server.token())
      #expect(try await server.call(mailbox.registration(token: token)) == .registered)
      first = first ?? (mailbox, token)
    }
    #expect(try await register(server.token(), at: server) == nil)
    let (mailbox, token) = try #require(first)
    #expect(try await server.call(mailbox.registration(token: token)) == .registered)
    #expect(try await mailboxCount(store) == 3)
  }
}
