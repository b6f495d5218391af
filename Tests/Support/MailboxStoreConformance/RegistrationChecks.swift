import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

enum RegistrationChecks {
  static let all = [tokenRace, sameKeys, tokenExpiry, tokenQuota]

  static let tokenRace = ConformanceCheck("16 racers spend one token once") { fixture in
    let samples = Samples()
    let token = samples.name()
    try await fixture.store.addTokens([token], expires: Samples.expires)
    let mailboxes = (0..<16).map { _ in
      NewMailbox(
        place: samples.place(), token: token, ownerKey: .random(using: samples.random), sealKey: .random(using: samples.random))
    }
    let registered = try await withThrowingTaskGroup { group in
      for mailbox in mailboxes {
        group.addTask { try await fixture.store.register(mailbox, today: Samples.today) ? mailbox.place : nil }
      }
      return try await group.reduce(into: []) { $0 += [$1].compactMap { $0 } }
    }
    try requireEqual(registered.count, 1, "one wins")
    let store = try await fixture.reopen()
    for mailbox in mailboxes {
      let key = try await store.ownerKey(of: mailbox.place)
      try requireEqual(key, registered == [mailbox.place] ? mailbox.ownerKey : nil, "only the winner has a mailbox")
    }
  }

  static let sameKeys = ConformanceCheck("registering again with the same keys succeeds and spends nothing") { fixture in
    let samples = Samples()
    let store = fixture.store
    let tokens = [samples.name(), samples.name()]
    try await store.addTokens(tokens, expires: Samples.expires)
    var mailbox = NewMailbox(
      place: samples.place(), token: tokens[0], ownerKey: .random(using: samples.random),
      sealKey: .random(using: samples.random))
    try require(try await store.register(mailbox, today: Samples.today), "the token is good")
    try require(try await store.register(mailbox, today: Samples.today), "again with the spent token")
    mailbox.token = tokens[1]
    try require(try await store.register(mailbox, today: Samples.today), "again with another token")
    mailbox.sealKey = .random(using: samples.random)
    try require(try await !store.register(mailbox, today: Samples.today), "another key is refused")
    mailbox.place = samples.place()
    try require(try await store.register(mailbox, today: Samples.today), "the other token was not spent")
    mailbox.place = samples.place()
    try require(try await !store.register(mailbox, today: Samples.today), "now it is")
  }

  static let tokenExpiry = ConformanceCheck("a token is worth nothing on the day it expires") { fixture in
    let samples = Samples()
    let token = samples.name()
    try await fixture.store.addTokens([token], expires: Samples.today.adding(2))
    let mailbox = NewMailbox(
      place: samples.place(), token: token, ownerKey: .random(using: samples.random), sealKey: .random(using: samples.random))
    try require(try await !fixture.store.register(mailbox, today: Samples.today.adding(2)), "expired")
    try require(try await fixture.store.register(mailbox, today: Samples.today.adding(1)), "the day before")
  }

  static let tokenQuota = ConformanceCheck("a mailbox hands out tokens up to its quota, which begins anew with each period") {
    fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    try await store.expire(today: Samples.today)
    func issue(_ count: Int) async throws -> OwnerOutcome {
      let tokens = (0..<count).map { _ in samples.name() }
      return try await store.issueTokens(tokens, expires: Samples.expires, for: target.mailbox, quota: 5)
    }
    try requireEqual(try await issue(3), .done, "within")
    try requireEqual(try await issue(3), .overQuota, "beyond")
    try requireEqual(try await issue(2), .done, "just within")
    try await store.expire(today: Samples.today.adding(ServerLimits.quotaPeriodDays - 1))
    try requireEqual(try await issue(1), .overQuota, "still the same period")
    try await store.expire(today: Samples.today.adding(ServerLimits.quotaPeriodDays))
    try requireEqual(try await issue(5), .done, "a new period")
    let unknown = try await store.issueTokens([samples.name()], expires: Samples.expires, for: samples.place(), quota: 5)
    try requireEqual(unknown, .refused, "no such mailbox")
    let token = samples.name()
    try requireEqual(
      try await store.issueTokens([token], expires: Samples.expires, for: samples.mailbox(in: store).mailbox, quota: 1),
      .done, "another mailbox has its own quota")
    let mailbox = NewMailbox(
      place: samples.place(), token: token, ownerKey: .random(using: samples.random), sealKey: .random(using: samples.random))
    try require(try await store.register(mailbox, today: Samples.today), "an issued token registers")
  }
}
