public import SottoProtocol

/// Why a store did not do what was asked.
///
/// What a client may hear as an answer (no such mailbox, a conflict, a full mailbox) is a value and no failure.
public enum StoreFailure: Error, Equatable, Sendable {
  /// Certainly not applied.
  case unavailable
  /// Certainly not applied: there is no room for more. What deletes, and what owners need to empty their mailboxes, still works, unless
  /// the disk has not even room for their changes.
  case noRoom
  /// Applied or not: ask again with the same idempotency key, or read.
  case outcomeUnknown

  /// What to say of several: that there is no room, if one of them says so, for whoever can make some has to hear of it.
  public static func foremost(of failures: [StoreFailure]) -> StoreFailure? { failures.contains(.noRoom) ? .noRoom : failures.first }
}

/// What became of a voucher that was to be taken back.
public enum VoucherWithdrawal: Equatable, Sendable {
  case withdrawn
  /// Somebody has had tokens signed for it.
  case used
  /// There is none: it has expired, was taken back before, or never was.
  case unknown
}

/// The storage that the engine needs; every store passes the same conformance suite.
///
/// Each operation that changes something is one transaction: it returns when all of it is on disk, and nothing of it is
/// when it throws `.unavailable`. Operations run concurrently. A store knows things by `StoredName`s and seals their rows
/// under the keys of their `StoredPlace`s; it keeps no time but the day on which something expires, and orders the envelopes
/// of one mailbox and nothing else.
///
/// A thing that expires on a day is hidden on that day and after it, and deleted by `expire`.
public protocol MailboxStore: Sendable {
  // MARK: Vouchers and tokens

  /// Adds vouchers that the operator hands out.
  func addVouchers(_ vouchers: [StoredName], expires: Day) async throws(StoreFailure)

  /// Takes back a voucher that was not used yet.
  func withdrawVoucher(_ voucher: StoredName, today: Day) async throws(StoreFailure) -> VoucherWithdrawal

  /// Adds vouchers that a mailbox's owner hands out, up to a quota for the current period, and up to what the store lets all owners
  /// together hand out in a day.
  func issueVouchers(
    _ vouchers: [StoredName], expires: Day, for mailbox: StoredPlace, quota: Int, today: Day
  ) async throws(StoreFailure) -> OwnerOutcome

  /// Uses a voucher up for a batch of tokens. It stays, so that the same batch is known again, until it expires.
  ///
  /// - Returns: whether the voucher is there and was used for nothing else.
  func redeem(_ voucher: StoredName, for batch: StoredName, today: Day) async throws(StoreFailure) -> Bool

  /// Counts tokens that a mailbox's owner has signed, up to a quota for the current period. Of the tokens themselves nothing
  /// is stored.
  func countTokens(_ count: Int, for mailbox: StoredPlace, quota: Int) async throws(StoreFailure) -> OwnerOutcome

  /// Whether none of these tokens is spent.
  func areUnspent(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool

  /// Spends tokens, all or none.
  ///
  /// - Returns: false when one of them was spent before.
  func spend(_ tokens: [SpentToken], today: Day) async throws(StoreFailure) -> Bool

  // MARK: Registration

  /// Makes a mailbox and spends its token; for a mailbox that has the same keys already, spends nothing.
  ///
  /// - Throws: `.noRoom` also where there are as many mailboxes as the store takes.
  func register(_ mailbox: NewMailbox, today: Day) async throws(StoreFailure) -> SpendOutcome

  /// The key of a mailbox's owner, or nil when there is no such mailbox.
  func ownerKey(of mailbox: StoredPlace) async throws(StoreFailure) -> PublicKey32?

  // MARK: Envelopes

  /// Replaces the delivery keys of a mailbox; nothing happens for a mailbox that is not there.
  func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredPlace) async throws(StoreFailure)

  /// For each target, in order, what its delivery key grants; nil where the mailbox or the delivery key is unknown.
  func grants(for targets: [DeliveryTarget]) async throws(StoreFailure) -> [DeliveryGrant?]

  /// Writes sealed copies, and says what became of each, in order. A delivery key that was withdrawn since it was looked up is refused.
  func append(_ copies: [SealedCopy], today: Day) async throws(StoreFailure) -> [CopyOutcome]

  /// Envelopes behind a sequence, in order: as many as the page allows, but one if there is any.
  func read(
    _ mailbox: StoredPlace, after sequence: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> [StoredEnvelope]

  /// Hides the envelopes up to and with a sequence, and deletes them within about a minute. Repeating it changes nothing. A
  /// crash may forget it: then they wait again.
  func acknowledge(_ mailbox: StoredPlace, through sequence: UInt64) async throws(StoreFailure)

  // MARK: Key packages

  /// Lays out blobs under a capability. A blob that was published there before, claimed or not, is not laid out again.
  func publish(_ publication: Publication, today: Day) async throws(StoreFailure) -> OwnerOutcome

  /// Takes one blob for a claimer, who gets the same one whenever it asks again, and nobody else whatever happens; nil when none is there.
  func claim(_ capability: StoredPlace, by claimer: StoredName, today: Day) async throws(StoreFailure) -> [UInt8]?

  /// Deletes all blobs of a capability.
  ///
  /// - Returns: false when another publisher laid them out. A capability without blobs counts as withdrawn.
  func withdraw(_ capability: StoredPlace, publisher: StoredName) async throws(StoreFailure) -> Bool

  // MARK: Handle logs

  /// Makes an empty log and spends its token; for a log that was made by the same request before, spends nothing.
  func createLog(_ log: NewLog, today: Day) async throws(StoreFailure) -> SpendOutcome

  /// Appends to a log, changes its keys, and delivers the copies: all or nothing.
  func append(_ append: StoredAppend, today: Day) async throws(StoreFailure) -> AppendOutcome

  /// Changes a log's keys without an entry.
  func rotate(
    _ log: StoredPlace, slot: UInt64, rotation: StoredRotation, identifier: StoredName
  ) async throws(StoreFailure) -> RotateOutcome

  /// Entries from a slot on that have not expired, or nil when there is no such log.
  func readLog(
    _ log: StoredPlace, from slot: UInt64, page: PageLimit, today: Day
  ) async throws(StoreFailure) -> LogPage?

  /// The newest GroupInfo of a log, or nil when there is no such log or none was given.
  func groupInfo(_ log: StoredPlace) async throws(StoreFailure) -> [UInt8]?

  // MARK: Upkeep

  /// Deletes what has expired, and begins a new quota period when it is time.
  func expire(today: Day) async throws(StoreFailure)
}
