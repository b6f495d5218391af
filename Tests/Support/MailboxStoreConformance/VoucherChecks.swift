import MailboxEngine
import SottoProtocol

enum VoucherChecks {
  static let all = [redeeming, withdrawal, race, expiry, quota, spendAll, tokenQuota]

  static let redeeming = ConformanceCheck("a voucher is used up by one batch, which is known again") { fixture in
    let samples = Samples()
    let (voucher, batch) = (samples.name(), samples.name())
    try await fixture.store.addVouchers([voucher], expires: Samples.expires)
    func redeem(_ voucher: StoredName, _ batch: StoredName, in store: any MailboxStore) async throws -> Bool {
      try await store.redeem(voucher, for: batch, today: Samples.today)
    }
    try require(try await redeem(voucher, batch, in: fixture.store), "the voucher is good")
    let store = try await fixture.reopen()
    try require(try await redeem(voucher, batch, in: store), "the same batch again")
    try require(try await !redeem(voucher, samples.name(), in: store), "another batch")
    try require(try await !redeem(samples.name(), batch, in: store), "no such voucher")
  }

  static let withdrawal = ConformanceCheck("a voucher is taken back once, unless it was used or has expired") { fixture in
    let samples = Samples()
    let (voucher, used, batch) = (samples.name(), samples.name(), samples.name())
    try await fixture.store.addVouchers([voucher, used], expires: Samples.today.adding(2))
    try require(try await fixture.store.redeem(used, for: batch, today: Samples.today), "the voucher is good")
    func withdraw(_ voucher: StoredName, _ day: Day = Samples.today) async throws -> VoucherWithdrawal {
      try await fixture.store.withdrawVoucher(voucher, today: day)
    }
    try requireEqual(try await withdraw(voucher, Samples.today.adding(2)), .unknown, "expired")
    try requireEqual(try await withdraw(used), .used, "used")
    try requireEqual(try await withdraw(voucher), .withdrawn, "taken back")
    try requireEqual(try await withdraw(voucher), .unknown, "again")
    let store = try await fixture.reopen()
    try require(try await !store.redeem(voucher, for: samples.name(), today: Samples.today), "it is good for nothing")
    try require(try await store.redeem(used, for: batch, today: Samples.today), "the other still is")
  }

  static let race = ConformanceCheck("of 16 batches for one voucher one wins") { fixture in
    let samples = Samples()
    let voucher = samples.name()
    try await fixture.store.addVouchers([voucher], expires: Samples.expires)
    let batches = (0..<16).map { _ in samples.name() }
    let winners = try await withThrowingTaskGroup { group in
      for batch in batches {
        group.addTask { try await fixture.store.redeem(voucher, for: batch, today: Samples.today) }
      }
      return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    try requireEqual(winners, 1, "one wins")
  }

  static let expiry = ConformanceCheck("a voucher is worth nothing on the day it expires, used or not") { fixture in
    let samples = Samples()
    let store = fixture.store
    let vouchers = [samples.name(), samples.name()]
    let batch = samples.name()
    try await store.addVouchers(vouchers, expires: Samples.today.adding(2))
    let (before, after) = (Samples.today.adding(1), Samples.today.adding(2))
    try require(try await store.redeem(vouchers[0], for: batch, today: before), "the day before")
    for voucher in vouchers { try require(try await !store.redeem(voucher, for: batch, today: after), "expired") }
    try await store.expire(today: after)
    for voucher in vouchers { try require(try await !store.redeem(voucher, for: batch, today: before), "deleted") }
  }

  static let quota = ConformanceCheck("a mailbox hands out vouchers up to its quota, which begins anew with each period") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    try await store.expire(today: Samples.today)
    func issue(_ count: Int) async throws -> OwnerOutcome {
      let vouchers = (0..<count).map { _ in samples.name() }
      return try await store.issueVouchers(vouchers, expires: Samples.expires, for: target.mailbox, quota: 5, today: Samples.today)
    }
    try requireEqual(try await issue(3), .done, "within")
    try requireEqual(try await issue(3), .overQuota, "beyond")
    try requireEqual(try await issue(2), .done, "just within")
    try await store.expire(today: Samples.today.adding(ServerLimits.quotaPeriodDays - 1))
    try requireEqual(try await issue(1), .overQuota, "still the same period")
    try await store.expire(today: Samples.today.adding(ServerLimits.quotaPeriodDays))
    try requireEqual(try await issue(5), .done, "a new period")
    let unknown = try await store.issueVouchers(
      [samples.name()], expires: Samples.expires, for: samples.place(), quota: 5, today: Samples.today)
    try requireEqual(unknown, .refused, "no such mailbox")
    let voucher = samples.name()
    try requireEqual(
      try await store.issueVouchers(
        [voucher], expires: Samples.expires, for: samples.mailbox(in: store).mailbox, quota: 1, today: Samples.today),
      .done, "another mailbox has its own quota")
    try require(try await store.redeem(voucher, for: samples.name(), today: Samples.today), "an issued voucher is good")
  }

  static let spendAll = ConformanceCheck("tokens are spent together or not at all, and until they end") { fixture in
    let samples = Samples()
    let store = fixture.store
    let tokens = (0..<3).map { _ in SpentToken(name: samples.name(), expires: Samples.expires) }
    try require(try await store.areUnspent(tokens, today: Samples.today), "nothing is spent yet")
    try require(try await store.spend(Array(tokens[0...1]), today: Samples.today), "new tokens")
    try require(try await !store.areUnspent(tokens, today: Samples.today), "two of them are")
    try require(try await store.areUnspent([tokens[2]], today: Samples.today), "and one is not")
    try require(try await !store.spend([tokens[2], tokens[0]], today: Samples.today), "one of them is spent")
    try require(try await store.spend([tokens[2]], today: Samples.today), "the other one was not spent with it")
    let reopened = try await fixture.reopen()
    try require(try await !reopened.spend([tokens[1]], today: Samples.today), "after a restart")
  }

  static let tokenQuota = ConformanceCheck("a mailbox has tokens signed up to its quota, apart from its vouchers") { fixture in
    let samples = Samples()
    let store = fixture.store
    let target = try await samples.mailbox(in: store)
    try await store.expire(today: Samples.today)
    func count(_ count: Int) async throws -> OwnerOutcome { try await store.countTokens(count, for: target.mailbox, quota: 5) }
    try requireEqual(try await count(4), .done, "within")
    try requireEqual(try await count(2), .overQuota, "beyond")
    try requireEqual(try await count(1), .done, "just within")
    let vouchers = try await store.issueVouchers(
      [samples.name()], expires: Samples.expires, for: target.mailbox, quota: 1, today: Samples.today)
    try requireEqual(vouchers, .done, "the other quota is untouched")
    try await store.expire(today: Samples.today.adding(ServerLimits.quotaPeriodDays))
    try requireEqual(try await count(5), .done, "a new period")
    try requireEqual(try await store.countTokens(1, for: samples.place(), quota: 5), .refused, "no such mailbox")
  }
}
