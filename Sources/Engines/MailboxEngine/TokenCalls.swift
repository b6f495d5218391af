public import SottoProtocol

/// Vouchers and tokens (docs/protocol.md §7).
extension MailboxEngine {
  /// Makes vouchers for the operator to hand out, usable for 30 days.
  public func makeVouchers(_ count: Int) async throws(StoreFailure) -> [Permission] {
    let vouchers = (0..<count).map { _ in Permission.random(using: random) }
    try await store.addVouchers(vouchers.map(names.voucher), expires: clock.today.adding(ServerLimits.voucherDays))
    return vouchers
  }

  /// Takes back a voucher that nobody has used yet: nobody registers with its link any more.
  public func withdraw(_ voucher: Permission) async throws(StoreFailure) -> VoucherWithdrawal {
    try await store.withdrawVoucher(names.voucher(voucher), today: clock.today)
  }

  /// Takes what lies under a capability, as somebody would who takes up an invitation: nobody else gets it then.
  ///
  /// - Returns: whether anything lay there that nobody had taken.
  public func takeAway(_ capability: Permission) async throws(StoreFailure) -> Bool {
    var isFound = false
    for _ in 0..<ServerLimits.blobsPerCapability {
      // A claim that nobody else can repeat.
      let claimer = names.claimer(.random(using: random), of: capability.hash)
      guard try await store.claim(names.capability(capability.hash), by: claimer, today: clock.today) != nil else { break }
      isFound = true
    }
    return isFound
  }

  /// Signs what a voucher is good for: an entry token and some common ones. Asked again for the same, it answers the same.
  func redeem(_ voucher: Permission, issuerKey: KeyHash, blinded: [BlindNumber]) async throws(StoreFailure) -> Answer {
    let today = clock.today
    guard let keys = issuer.keys(issuerKey, today: today) else { return .issuerUnknown }
    let kinds = TokenKind.signed(blinded.count, isRedemption: true)
    guard keys.canSign(blinded, as: kinds),
      try await store.redeem(names.voucher(voucher), for: names.batch(issuerKey, blinded), today: today)
    else { return .refused }
    // Signing fails only for want of memory; the same request may be made again.
    return await keys.sign(blinded, as: kinds).map(Answer.redeemed) ?? .busy
  }

  /// Makes vouchers for a mailbox's owner to hand out.
  func makeVouchers(_ id: UInt32, _ count: UInt8, for mailbox: StoredPlace) async throws(StoreFailure) -> ServerMessage {
    guard (1...Limits.voucherCount).contains(Int(count)) else { return .done(id: id, outcome: .refused) }
    let vouchers = (0..<count).map { _ in Permission.random(using: random) }
    let outcome = try await store.issueVouchers(
      vouchers.map(names.voucher), expires: clock.today.adding(ServerLimits.voucherDays), for: mailbox,
      quota: ServerLimits.vouchersPerPeriod, today: clock.today)
    return outcome == .done ? .vouchers(id: id, vouchers) : .done(id: id, outcome: outcome)
  }

  /// Signs common tokens for a mailbox's owner. What was asked for, and asked for again, counts each time.
  func issue(
    _ id: UInt32, issuerKey: KeyHash, blinded: [BlindNumber], for mailbox: StoredPlace
  ) async throws(StoreFailure) -> ServerMessage {
    guard let keys = issuer.keys(issuerKey, today: clock.today) else { return .done(id: id, outcome: .issuerUnknown) }
    let kinds = TokenKind.signed(blinded.count, isRedemption: false)
    guard keys.canSign(blinded, as: kinds) else { return .done(id: id, outcome: .refused) }
    let outcome = try await store.countTokens(blinded.count, for: mailbox, quota: ServerLimits.tokensPerPeriod)
    guard outcome == .done else { return .done(id: id, outcome: outcome) }
    return await keys.sign(blinded, as: kinds).map { .issued(id: id, $0) } ?? .done(id: id, outcome: .refused)
  }

  /// Checks a token's signature, before anything is looked up. One of another kind is as good as a forged one, and costs as much.
  ///
  /// - Returns: what the store is to remember; nil when the signature is no good today.
  func spending(_ token: Token, as kind: TokenKind) -> SpentToken? {
    issuer.expiry(of: token, as: kind, today: clock.today).map { SpentToken(name: names.token(token.id), expires: $0) }
  }
}
