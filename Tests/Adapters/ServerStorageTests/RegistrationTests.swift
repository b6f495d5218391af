import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

/// Somebody with one voucher who wants as many mailboxes as there can be (docs/decisions/0015, 0019).
@Suite struct RegistrationTests {
  private let directory: TemporaryServer
  private let random = SeededRandom(seed: 51)

  init() throws { directory = try TemporaryServer() }

  private func server(_ change: (inout StorageLimits) -> Void = { _ in }) throws -> (EngineFixture, SQLiteMailboxStore) {
    var limits = StorageLimits()
    change(&limits)
    let store = try directory.openStore(limits: limits)
    return (try EngineFixture(store: store), store)
  }

  private func register(_ token: Token, at server: EngineFixture) async throws -> TestMailbox? {
    let mailbox = TestMailbox(random: random)
    switch try await server.call(mailbox.registration(token: token)) {
    case .registered: return mailbox
    case .tokenRefused: return nil
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

  /// Common tokens, signed on the stream of a mailbox.
  private func issue(_ count: Int, to mailbox: TestMailbox, at server: EngineFixture) async throws -> [Token] {
    let batch = try TestBatch(count, isRedemption: false, random: random)
    let stream = try await server.attach(mailbox)
    try await stream.send(batch.issue(id: 1))
    guard case .issued(1, let signatures)? = await stream.messages.last else { throw FixtureError.unexpectedAnswer }
    await stream.close()
    return try batch.finish(signatures)
  }

  /// Vouchers that the owner of a mailbox hands out.
  private func vouchers(_ count: UInt8, of mailbox: TestMailbox, at server: EngineFixture) async throws -> [Permission] {
    let stream = try await server.attach(mailbox)
    try await stream.send(.vouchers(id: 2, count: count))
    let last = await stream.messages.last
    await stream.close()
    guard case .vouchers(2, let vouchers)? = last else { return [] }
    return vouchers
  }

  @Test func `one voucher makes one mailbox, and its owner as many each day as vouchers may be handed out`() async throws {
    let (invitations, days) = (5, 3)
    let (server, store) = try server { $0.maximumInvitationsPerDay = invitations }
    var tokens = try await server.redeem(server.engine.makeVouchers(1)[0])
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
          tokens += try await issue(2, to: mailbox, at: server)
          for voucher in try await vouchers(2, of: mailbox, at: server) { tokens += try await server.redeem(voucher) }
        }
      }
      #expect(tokens.count > 10, "he has tokens enough")
      // Whom the operator invites comes in, however greedy he is.
      #expect(try await register(server.redeem(server.engine.makeVouchers(1)[0])[0], at: server) != nil)
      honest += 1
      let bound = 1 + (day + 1) * invitations
      #expect(mailboxes.count <= bound, "day \(day): \(mailboxes.count)")
      #expect(try await mailboxCount(store) == mailboxes.count + honest)
      server.clock.advance(days: 1)
    }
    #expect(mailboxes.count > days, "what is allowed is had")
  }

  @Test func `who polls with tokens to spare takes nobody's place, however long who was invited waits`() async throws {
    let (server, store) = try server()
    let poller = try #require(try await register(server.redeem(server.engine.makeVouchers(1)[0])[0], at: server))
    let spare = try await issue(16, to: poller, at: server)
    let vouchers = try await server.engine.makeVouchers(3)
    for (number, voucher) in vouchers.enumerated() {
      let tokens = try await server.redeem(voucher)
      // Before who was invited registers, the other one tries whatever he has.
      for token in spare { #expect(try await register(token, at: server) == nil) }
      server.clock.advance(days: UInt64(number) * 20)
      for token in spare { #expect(try await register(token, at: server) == nil) }
      #expect(try await register(tokens[0], at: server) != nil)
      for token in tokens { #expect(try await register(token, at: server) == nil) }
    }
    #expect(try await mailboxCount(store) == 1 + vouchers.count)
    // None of what was refused was spent.
    for token in spare.prefix(2) {
      let log = Request.createLog(
        token: token, handle: .random(using: random), writeKeyHash: .random(using: random), administratorKeys: [.random(using: random)])
      #expect(try await server.call(log) == .created)
    }
  }

  @Test func `mailboxes in all are bounded: a token that finds no room is not spent, and a mailbox that is there is registered again`()
    async throws
  {
    let (server, store) = try server { $0.maximumMailboxCount = 3 }
    var first: (TestMailbox, Token)?
    for _ in 0..<3 {
      let (mailbox, token) = (TestMailbox(random: random), try server.entryToken())
      #expect(try await server.call(mailbox.registration(token: token)) == .registered)
      first = first ?? (mailbox, token)
    }
    let (mailbox, token) = try #require(first)
    let (late, waiting) = (TestMailbox(random: random), try server.entryToken())
    #expect(try await server.call(late.registration(token: waiting)) == .noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds))
    #expect(try await server.call(late.registration(token: token)) == .tokenRefused)
    #expect(try await server.call(mailbox.registration(token: token)) == .registered)
    #expect(try await mailboxCount(store) == 3)
    store.replaceLimits(with: StorageLimits())
    #expect(try await server.call(late.registration(token: waiting)) == .registered)
  }

  @Test func `after a restore an entry token in hand is good, and so is the voucher that it came from`() async throws {
    let (server, store) = try server()
    let voucher = try await server.engine.makeVouchers(1)[0]
    try directory.directory.backUp(to: directory.file("copy"), parts: .everything)
    let (token, spent) = (try await server.redeem(voucher)[0], try server.entryToken())
    #expect(try await register(spent, at: server) != nil)
    try store.close()
    let other = try TemporaryServer()
    try other.directory.restore(from: directory.file("copy"), keys: nil)
    let restored = try other.openStore()
    let again = server.restarted(over: restored)
    #expect(try await register(token, at: again) != nil)
    // What was done since the copy is forgotten, and so it can be done once more: a second mailbox of one voucher, and no third.
    #expect(try await register(again.redeem(voucher)[0], at: again) != nil)
    #expect(try await register(spent, at: again) != nil)
    await #expect(throws: FixtureError.unexpectedAnswer) { try await again.redeem(voucher) }
    for token in [token, spent] { #expect(try await register(token, at: again) == nil) }
    #expect(try await mailboxCount(restored) == 3)
  }
}
