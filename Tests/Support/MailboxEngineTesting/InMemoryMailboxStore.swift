public import MailboxEngine
public import SottoProtocol
import Synchronization

/// A store in memory whose simulated disk can crash at any write; deterministic, and the obvious twin of the real one.
public final class InMemoryMailboxStore: MailboxStore {
  private struct State {
    var disk = Tables()
    var plan: CrashPlan?
    var isCrashed = false
    var writeCount = 0
    var observer: (@Sendable ([SealedCopy]) -> Void)?
  }

  private let state = Mutex(State())

  public init() {}

  /// Lets the disk fail, counting writes from now; nil takes a plan back.
  public func plan(_ plan: CrashPlan?) { state.withLock { $0.plan = plan } }

  /// Lets somebody see the copies of each append before they are written.
  public func observeAppends(_ observer: @escaping @Sendable ([SealedCopy]) -> Void) { state.withLock { $0.observer = observer } }

  /// Writes since the store was made.
  public var writeCount: Int { state.withLock { $0.writeCount } }

  /// Whether a planned crash has happened and the store was not opened again.
  public var isCrashed: Bool { state.withLock { $0.isCrashed } }

  /// Opens the store again, with exactly the transactions whose commit record is durable.
  public func reopen() {
    state.withLock { state in
      state.isCrashed = false
      state.plan = nil
    }
  }

  /// Envelopes in all mailboxes, whether expired or not.
  public var envelopeCount: Int { state.withLock { $0.disk.envelopes.values.reduce(0) { $0 + $1.count } } }

  /// Handle logs that there are.
  public var logCount: Int { state.withLock { $0.disk.logs.count } }

  /// Vouchers, spent tokens and mailboxes, a line each with all that is kept of it, in the order of the lines.
  public var contents: [String] { state.withLock { $0.disk.registrationLines } }

  private func read<Result: Sendable>(_ body: (Tables) -> Result) throws(StoreFailure) -> Result {
    let result: Result? = state.withLock { $0.isCrashed ? nil : body($0.disk) }
    guard let result else { throw .unavailable }
    return result
  }

  private func transact<Result: Sendable>(_ body: (inout Tables) -> Result) throws(StoreFailure) -> Result {
    let outcome: Swift.Result<Result, StoreFailure> = state.withLock { state in
      guard !state.isCrashed else { return .failure(.unavailable) }
      guard var plan = state.plan else {
        // Nothing can fail: no copy to go back to is needed.
        let before = state.disk.rowWrites
        let result = body(&state.disk)
        let rows = state.disk.rowWrites - before
        state.writeCount += rows == 0 ? 0 : rows + 1
        return .success(result)
      }
      var draft = state.disk
      let result = body(&draft)
      let rows = draft.rowWrites - state.disk.rowWrites
      let writes = rows == 0 ? 0 : rows + 1
      guard plan.write <= writes else {
        plan.write -= writes
        state.plan = plan
        state.writeCount += writes
        state.disk = draft
        return .success(result)
      }
      state.writeCount += plan.write
      state.plan = nil
      state.isCrashed = !plan.staysUp
      if plan.isDurable, plan.write == writes { state.disk = draft }
      return .failure(plan.failure)
    }
    return try outcome.get()
  }

  // MARK: MailboxStore

  public func addVouchers(_ vouchers: [StoredName], expires: Day) async throws(StoreFailure) {
    try transact { $0.addVouchers(vouchers, expires: expires) }
  }

  public func withdrawVoucher(_ voucher: StoredName, today: Day) async throws(StoreFailure) -> VoucherWithdrawal {
    try transact { $0.withdrawVoucher(voucher, today: today) }
  }

  public func issueVouchers(
    _ vouchers: [StoredName], expires: Day, for mailbox: StoredPlace, quota: Int, today: Day
  ) async throws(StoreFailure) -> OwnerOutcome {
    try transact { $0.issueVouchers(vouchers, expires: expires, for: mailbox.name, quota: quota) }
  }

  public func redeem(_ voucher: StoredName, for batch: StoredName, today: Day) async throws(StoreFailure) -> Bool {
    try transact { $0.redeem(voucher, for: batch, today: today) }
  }

  public func countTokens(_ count: Int, for mailbox: StoredPlace, quota: Int) async throws(StoreFailure) -> OwnerOutcome {
    try transact { $0.countTokens(count, for: mailbox.name, quota: quota) }
  }

  public func areUnspent(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool {
    try read { $0.areUnspent(tokens, today: today) }
  }

  public func spend(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool {
    try transact { $0.spend(tokens, today: today) }
  }

  public func register(_ mailbox: NewMailbox, today: Day) async throws(StoreFailure) -> SpendOutcome {
    try transact { $0.register(mailbox, today: today) }
  }

  public func ownerKey(of mailbox: StoredPlace) async throws(StoreFailure) -> PublicKey32? {
    try read { $0.mailboxes[mailbox.name]?.ownerKey }
  }

  public func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredPlace) async throws(StoreFailure) {
    try transact { $0.setDeliveryKeys(keys, of: mailbox.name) }
  }

  public func grants(for targets: [DeliveryTarget]) async throws(StoreFailure) -> [DeliveryGrant?] {
    try read { tables in
      targets.map { tables.accepts($0) ? tables.mailboxes[$0.mailbox.name].map { DeliveryGrant(sealKey: $0.sealKey) } : nil }
    }
  }

  public func append(_ copies: [SealedCopy], today: Day) async throws(StoreFailure) -> [CopyOutcome] {
    state.withLock { $0.observer }?(copies)
    return try transact { tables in copies.map { tables.append($0, today: today) } }
  }

  public func read(
    _ mailbox: StoredPlace, after sequence: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> [StoredEnvelope] {
    try read { $0.read(mailbox.name, after: sequence, page: page, today: today) }
  }

  public func acknowledge(_ mailbox: StoredPlace, through sequence: UInt64) async throws(StoreFailure) {
    try transact { $0.removeEnvelopes(of: mailbox.name) { $0.sequence <= sequence } }
  }

  public func publish(_ publication: Publication, today: Day) async throws(StoreFailure) -> OwnerOutcome {
    try transact { $0.publish(publication) }
  }

  public func claim(
    _ capability: StoredPlace, by claimer: StoredName, today: Day
  ) async throws(StoreFailure) -> [UInt8]? {
    try transact { $0.claim(capability.name, by: claimer, today: today) }
  }

  public func withdraw(_ capability: StoredPlace, publisher: StoredName) async throws(StoreFailure) -> Bool {
    try transact { $0.withdraw(capability.name, publisher: publisher) }
  }

  public func createLog(_ log: NewLog, today: Day) async throws(StoreFailure) -> SpendOutcome {
    try transact { $0.createLog(log, today: today) }
  }

  public func append(_ append: StoredAppend, today: Day) async throws(StoreFailure) -> AppendOutcome {
    state.withLock { $0.observer }?(append.copies)
    return try transact { $0.append(append, today: today) }
  }

  public func rotate(
    _ log: StoredPlace, slot: UInt64, rotation: StoredRotation, identifier: StoredName
  ) async throws(StoreFailure) -> RotateOutcome {
    try transact { $0.rotate(log.name, slot: slot, rotation: rotation, identifier: identifier) }
  }

  public func readLog(
    _ log: StoredPlace, from slot: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> LogPage? {
    try read { $0.readLog(log.name, from: slot, page: page, today: today) }
  }

  public func groupInfo(_ log: StoredPlace) async throws(StoreFailure) -> [UInt8]? {
    try read { tables in
      guard let groupInfo = tables.logs[log.name]?.groupInfo, !groupInfo.isEmpty else { return nil }
      return groupInfo
    }
  }

  public func expire(today: Day) async throws(StoreFailure) {
    try transact { $0.expire(today: today) }
  }
}
