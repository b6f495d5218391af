import CryptoSuite
import SottoProtocol
import WireFormat

/// This device's tokens (docs/protocol.md §7): where they come from, and how they are kept so that a crash loses none.
///
/// A token is in one place: in a batch until it is signed, then, if it is a common one, in the server's stock, then in the task that
/// shows it, until that is done.
extension DeviceState {
  /// So many are asked for, always: a number that followed what they are for would tell it.
  private static let refillCount = SottoProtocol.Limits.issueCount
  /// So many are kept, unless a file costs more: 16 GiB of files, or as many new groups. What comes beyond that is thrown away, since who
  /// asks only when tokens are gone says when they went.
  private static let stockCount = 64
  /// Between two times of asking, milliseconds: half a day, and up to a day more by chance.
  private static let refillInterval: ClosedRange<UInt64> = 43_200_000...129_600_000
  /// How long a device waits when its quota is used up, milliseconds: an hour.
  static let quotaPatience: UInt64 = 3_600_000

  /// Queues what brings tokens, and what brings a server's issuer keys where they are wanted.
  ///
  /// Tokens are asked for by the calendar, whether any were spent or not, the first time right after the registration. Only when something
  /// waits for more than there are is it done at once (docs/threat-model.md).
  mutating func stockUp(now: UInt64) {
    for (server, record) in servers.sorted(by: { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }) {
      let isRefilling = tasks.contains { if case .refill(server, _) = $0.kind { true } else { false } }
      // A time further ahead than any that is set was a wrong clock's.
      let isDue = record.refillAt <= now || record.refillAt > now + Self.refillInterval.upperBound
      if record.isRegistered, !isRefilling, isDue || record.tokens.count < wantedTokenCount(at: server) {
        addTask(.refill(server: server, batch: nil))
        if isDue {
          var record = record
          record.refillAt = now + random.number(in: Self.refillInterval)
          setServer(record, server)
        }
      }
      guard record.issuerKeys.isEmpty else { continue }
      let wantsKeys = tasks.contains {
        switch $0.kind {
        case .redeem(server, _, _), .refill(server, _): true
        default: false
        }
      }
      if wantsKeys, !tasks.contains(where: { $0.lane == .identity(server) }) { addTask(.identify(server: server)) }
    }
  }

  /// What files and logs that are on their way to a server wait for.
  private func wantedTokenCount(at server: PublicKey32) -> Int {
    func isThere(_ id: ConversationID) -> Bool { conversations[id]?.context.server.serverKey == server }
    let files = uploads.values.reduce(0) { sum, upload in isThere(upload.conversation) ? sum + upload.wantedTokenCount : sum }
    let logs = tasks.count { if case .createLog(let id, nil) = $0.kind { isThere(id) } else { false } }
    return files + logs
  }

  /// Whether a task wants a token, or a key, that is not here yet.
  func lacksTokens(_ task: TaskRecord) -> Bool {
    switch task.kind {
    case .redeem(let server, _, nil), .refill(let server, nil): servers[server]?.issuerKeys.isEmpty == true
    case .createLog(let id, nil): conversations[id].flatMap { servers[$0.context.server.serverKey] }?.tokens.isEmpty == true
    default: false
    }
  }

  /// New tokens, blinded, in the task that has them signed.
  private mutating func blind(for task: TaskRecord, at server: PublicKey32, voucher: Permission?) -> TokenBatch? {
    let count = voucher == nil ? Self.refillCount : SottoProtocol.Limits.tokensPerVoucher
    guard let issuer = servers[server]?.issuerKeys.first,
      let batch = try? TokenBatch(issuer: issuer, isRedemption: voucher != nil, count: count, random: random)
    else { return nil }
    var task = task
    task.kind = voucher.map { .redeem(server: server, voucher: $0, batch: batch) } ?? .refill(server: server, batch: batch)
    updateTask(task)
    return batch
  }

  mutating func redeemRequest(_ task: TaskRecord, at server: PublicKey32, _ voucher: Permission, _ standing: TokenBatch?) -> Request? {
    guard let batch = standing ?? blind(for: task, at: server, voucher: voucher) else { return nil }
    return .redeem(voucher: voucher, issuerKey: batch.issuer.hash, blinded: batch.tokens.map(\.blinded))
  }

  mutating func refillMessage(_ task: TaskRecord, at server: PublicKey32, _ standing: TokenBatch?) -> OwnerMessage? {
    guard let batch = standing ?? blind(for: task, at: server, voucher: nil) else { return nil }
    let id = UInt32(truncatingIfNeeded: task.id)
    return .issue(id: id, issuerKey: batch.issuer.hash, blinded: batch.tokens.map(\.blinded))
  }

  /// Moves a token from the stock into the task that makes a conversation's log.
  mutating func takeToken(for task: TaskRecord, making id: ConversationID, at server: PublicKey32) -> Token? {
    guard var record = servers[server], let owned = record.tokens.popLast() else { return nil }
    setServer(record, server)
    var task = task
    task.kind = .createLog(id, token: owned.token)
    updateTask(task)
    return owned.token
  }

  // MARK: Answers

  /// The server has signed what a task asked for.
  mutating func stock(_ signatures: [BlindNumber], from task: TaskRecord, _ batch: TokenBatch?, at server: PublicKey32, now: UInt64) {
    guard let batch, var record = servers[server], var tokens = batch.finished(signatures) else {
      // What is no signature is no answer.
      return postpone(task, now: now)
    }
    removeTask(task.id)
    if batch.isRedemption, !tokens.isEmpty { showEntry(tokens.removeFirst().token, at: server) }
    record.tokens += tokens
    let surplus = record.tokens.count - max(Self.stockCount, wantedTokenCount(at: server))
    // The oldest go: their key ends first.
    if surplus > 0 { record.tokens.removeFirst(surplus) }
    setServer(record, server)
  }

  /// What lets this device in goes straight into the task that shows it.
  private mutating func showEntry(_ token: Token, at server: PublicKey32) {
    guard var task = tasks.first(where: { if case .register(server, _) = $0.kind { true } else { false } }) else {
      addTask(.register(server: server, token: token))
      return
    }
    task.kind = .register(server: server, token: token)
    updateTask(task)
  }

  /// The server signs with other keys by now: its statement is fetched again, and new tokens are made for the new key.
  mutating func renewIssuer(of task: TaskRecord, at server: PublicKey32, now: UInt64) {
    var task = task
    switch task.kind {
    case .redeem(_, let voucher, _): task.kind = .redeem(server: server, voucher: voucher, batch: nil)
    default: task.kind = .refill(server: server, batch: nil)
    }
    postpone(task, now: now)
    guard var record = servers[server] else { return }
    record.issuerKeys = []
    setServer(record, server)
  }

  /// Who has no good entry token, and whose voucher is used up, has no mailbox at a server and will have none: what waits for it ends.
  mutating func refuseRegistration(_ task: TaskRecord, at server: PublicKey32) {
    guard let record = servers[server] else { return removeTask(task.id) }
    let ended = Set(tasks.filter { $0.id == task.id || $0.lane == .server(server) }.map(\.id))
    for waiting in tasks where waiting.after.map(ended.contains) ?? false {
      if case .claim = waiting.kind, case .link(let link) = waiting.lane { events.append(.invitationRefused(link)) }
      if case .consent(_, let invitation, _) = waiting.kind { events.append(.consentFailed(invitation)) }
    }
    removeTasks { ended.contains($0.id) || ($0.after.map(ended.contains) ?? false) || $0.lane == .tokens(server) }
    events.append(.registrationRefused(record.address))
    // There is no mailbox to which they could lead.
    for (id, offer) in offers where offer.server.serverKey == server { setOffer(nil, id) }
    setServer(nil, server)
  }

  /// A refill was not granted.
  mutating func complete(refill task: TaskRecord, at server: PublicKey32, _ outcome: OwnerOutcome, now: UInt64) {
    guard outcome != .issuerUnknown else { return renewIssuer(of: task, at: server, now: now) }
    var task = task
    postpone(task, now: now)
    guard outcome == .overQuota, let record = servers[server] else { return }
    task.heldUp = .quotaUsedUp
    task.attempts += 1
    task.notBefore = now + Self.quotaPatience
    updateTask(task)
    // Somebody waits for it, and is told once.
    if wantedTokenCount(at: server) > record.tokens.count { events.append(.quotaUsedUp(record.address)) }
  }
}

extension ServerRecord {
  /// Takes over what a verified statement says.
  mutating func note(_ statement: IdentityStatement) {
    statementSequence = statement.sequence
    // What is no key would have nothing signed for ever.
    issuerKeys = statement.issuerKeys.filter { keys in
      [keys.entry, keys.common].allSatisfy { (try? BlindSignaturePublicKey(modulus: $0.bytes)) != nil }
    }
    let hashes = Set(issuerKeys.map(\.common.hash))
    tokens.removeAll { !hashes.contains($0.issuer) }
  }
}
