import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

enum RegistrationChecks {
  static let all = [tokenRace, sameKeys, spentTokenExpiry]

  static let tokenRace = ConformanceCheck("16 racers spend one token once") { fixture in
    let samples = Samples()
    let token = samples.token()
    let mailboxes = (0..<16).map { _ in samples.newMailbox(token: token) }
    let registered = try await withThrowingTaskGroup { group in
      for mailbox in mailboxes {
        group.addTask { try await fixture.store.register(mailbox, today: Samples.today) == .done ? mailbox.place : nil }
      }
      return try await group.reduce(into: []) { $0 += [$1].compactMap { $0 } }
    }
    try requireEqual(registered.count, 1, "one wins")
    let store = try await fixture.reopen()
    for mailbox in mailboxes {
      let key = try await store.ownerKey(of: mailbox.place)
      try requireEqual(key, registered == [mailbox.place] ? mailbox.ownerKey : nil, "only the winner has a mailbox")
    }
    try requireEqual(try await store.register(samples.newMailbox(token: token), today: Samples.today), .tokenSpent, "still spent")
  }

  static let sameKeys = ConformanceCheck("registering again with the same keys succeeds and spends nothing") { fixture in
    let samples = Samples()
    let store = fixture.store
    var mailbox = samples.newMailbox(token: samples.token())
    func register() async throws -> SpendOutcome { try await store.register(mailbox, today: Samples.today) }
    try requireEqual(try await register(), .done, "the token is new")
    try requireEqual(try await register(), .done, "again with the spent token")
    mailbox.token = samples.token()
    try requireEqual(try await register(), .done, "again with another token")
    mailbox.sealKey = .random(using: samples.random)
    try requireEqual(try await register(), .refused, "another key is refused")
    mailbox.place = samples.place()
    try requireEqual(try await register(), .done, "the other token was not spent")
    mailbox.place = samples.place()
    try requireEqual(try await register(), .tokenSpent, "now it is")
    var log = samples.newLog()
    log.token = mailbox.token
    try requireEqual(try await store.createLog(log, today: Samples.today), .tokenSpent, "and for logs as well")
    log.token = samples.token()
    try requireEqual(try await store.createLog(log, today: Samples.today), .done, "a log costs one too")
    mailbox.token = log.token
    try requireEqual(try await register(), .tokenSpent, "which then makes no mailbox")
  }

  static let spentTokenExpiry = ConformanceCheck("a spent token is forgotten on the day on which no key accepts it any more") {
    fixture in
    let samples = Samples()
    let store = fixture.store
    let token = SpentToken(name: samples.name(), expires: Samples.today.adding(2))
    try requireEqual(try await store.register(samples.newMailbox(token: token), today: Samples.today), .done, "spent")
    try await store.expire(today: Samples.today.adding(1))
    let next = Samples.today.adding(1)
    try requireEqual(try await store.register(samples.newMailbox(token: token), today: next), .tokenSpent, "the day before")
    let last = Samples.today.adding(2)
    try requireEqual(try await store.register(samples.newMailbox(token: token), today: last), .done, "forgotten")
  }
}
