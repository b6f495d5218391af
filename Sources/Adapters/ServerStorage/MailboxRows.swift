import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// What a row works with beside its place: the database, the server's outer key, the queues and grants in memory, and what
/// is left of an older schema.
struct Context {
  let db: Database
  let veil: Secret
  let cache: QueueCache
  let grants: KnownGrants
  let old: OldTables
}

/// One mailbox.
struct MailboxRows {
  private let context: Context
  private let rows: Rows
  private let records: RecordRows
  private let place: StoredPlace
  private let keys: RowKeys

  init(_ context: Context, _ place: StoredPlace) {
    self.context = context
    self.place = place
    rows = Rows(context.db)
    records = RecordRows(context.db, .mailboxes, veil: context.veil)
    keys = RowKeys(place)
  }

  func record() throws -> MailboxRecord? { try records.read(place, keys).map { try MailboxRecord($0) } }

  func write(_ record: MailboxRecord) throws {
    context.grants.change(place.name, to: record)
    try records.write(record.bytes, of: place, keys)
  }

  /// Makes a mailbox.
  ///
  /// - Parameter pay: spends the token; not asked for a mailbox that is there. Nil says that there is no room for one more.
  func register(ownerKey: PublicKey32, sealKey: PublicKey32, pay: () throws -> SpendOutcome?) throws -> SpendOutcome? {
    if let record = try record() { return record.ownerKey == ownerKey && record.sealKey == sealKey ? .done : .refused }
    let outcome = try pay()
    if outcome == .done { try write(MailboxRecord(ownerKey: ownerKey, sealKey: sealKey)) }
    return outcome
  }

  func sealKey(showing deliveryKey: StoredName) throws -> PublicKey32? {
    guard let record = try record(), record.accepts(deliveryKey) else { return nil }
    return record.sealKey
  }

  func setDeliveryKeys(_ keys: Set<StoredName>) throws {
    guard var record = try record(), keys.count <= Limits.deliveryKeyCount else { return }
    // In the order of the names, which is random, and not in that of their making.
    record.setDeliveryKeys(keys.sorted().map(\.short))
    try write(record)
  }

  /// Counts something against the mailbox's quota for the current period.
  func use(_ count: (inout MailboxRecord, _ periodEnds: UInt32) throws -> Bool) throws -> OwnerOutcome {
    guard var record = try record() else { return .refused }
    guard try count(&record, UpkeepRows(context).quotaEnds()) else { return .overQuota }
    try write(record)
    return .done
  }

  /// Puts an envelope into the mailbox.
  ///
  /// - Parameter sequence: gives the next sequence.
  func append(_ copy: SealedCopy, today: Day, sequence: () throws -> UInt64) throws -> CopyOutcome {
    guard try accepts(copy) else { return .refused }
    if let receipt = copy.receipt, try !leave(receipt, expires: copy.expires, today: today) { return .repeated }
    let envelopes = EnvelopeRows(context.db, context.cache, place, keys)
    guard try envelopes.append(copy.sealed, sequence: try sequence(), expires: copy.expires) else {
      if let receipt = copy.receipt { try rows.run("DELETE FROM receipts WHERE name = ?", [receipt.data]) }
      return .full
    }
    return .accepted
  }

  /// Whether the delivery key is still good. The record was looked at when the copy was sealed, and is looked at again if it can have
  /// changed since.
  private func accepts(_ copy: SealedCopy) throws -> Bool {
    if let version = copy.grantVersion, version == context.grants.version(of: place.name) { return true }
    return try record()?.accepts(copy.target.deliveryKey) == true
  }

  /// Leaves a receipt.
  ///
  /// - Returns: false when it is there already. One that has expired counts as gone.
  private func leave(_ receipt: StoredName, expires: Day, today: Day) throws -> Bool {
    try rows.run(
      "INSERT INTO receipts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET expires = excluded.expires WHERE expires <= ?",
      [receipt.data, expires.integer, today.integer])
    return rows.changes == 1
  }
}
