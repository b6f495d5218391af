import Foundation
import GRDB
import MailboxEngine
import SottoProtocol
import Synchronization

/// Which tables of schema 1 are still there.
final class OldTables: Sendable {
  enum Kind: String, CaseIterable, Sendable { case mailboxes, logs, blobs }

  private let kinds = Mutex<Set<Kind>>([])

  func find(_ db: Database) throws {
    let found = try Kind.allCases.filter { try db.tableExists("old_\($0.rawValue)") }
    kinds.withLock { $0 = Set(found) }
  }

  func contains(_ kind: Kind) -> Bool { kinds.withLock { $0.contains(kind) } }

  func remove(_ kind: Kind) { kinds.withLock { _ = $0.remove(kind) } }
}

/// Rows of schema 1, which stand under the names of today and are open to whoever reads the file.
///
/// What they hold cannot be sealed before somebody names the identifier. So the tables stay, and each mailbox, log and
/// capability moves when it is first named; what expires, expires; a table that is empty is dropped.
struct OldRows {
  private let context: Context
  private let rows: Rows

  init(_ context: Context) {
    self.context = context
    rows = Rows(context.db)
  }

  static func contains(_ kind: OldTables.Kind, _ place: StoredPlace, _ db: Database) throws -> Bool {
    let column = kind == .blobs ? "capability" : "name"
    return try Rows(db).first("SELECT 1 FROM old_\(kind.rawValue) WHERE \(column) = ?", [place.name.data]) != nil
  }

  /// Moves what stands under a place's name; once.
  func move(_ kind: OldTables.Kind, _ place: StoredPlace, sequence: () throws -> UInt64) throws {
    guard context.old.contains(kind), try Self.contains(kind, place, context.db) else { return }
    switch kind {
    case .mailboxes: try moveMailbox(place, sequence: sequence)
    case .logs: try moveLog(place)
    case .blobs: try moveBlobs(place)
    }
  }

  private func moveMailbox(_ place: StoredPlace, sequence: () throws -> UInt64) throws {
    let name = place.name.data
    guard
      let row = try rows.first("SELECT owner_key, seal_key, used_tokens, used_blobs FROM old_mailboxes WHERE name = ?", [name]),
      let ownerKey = PublicKey32(Array(row[0] as Data)), let sealKey = PublicKey32(Array(row[1] as Data))
    else { throw DamagedRow() }
    var record = MailboxRecord(ownerKey: ownerKey, sealKey: sealKey)
    let period = try UpkeepRows(context).quotaEnds()
    _ = record.useVouchers(row[2], quota: .max, periodEnds: period)
    _ = record.useBlobs(row[3], quota: .max, periodEnds: period)
    record.setDeliveryKeys(
      try rows.all("SELECT name FROM old_delivery_keys WHERE mailbox = ? ORDER BY name", [name])
        .map { try StoredName($0[0] as Data).short })
    try MailboxRows(context, place).write(record)
    let envelopes = EnvelopeRows(context.db, context.cache, place, RowKeys(place))
    try rows.each("SELECT expires, sealed FROM old_envelopes WHERE mailbox = ? ORDER BY sequence", [name]) { row in
      let expires = Day(number: UInt32(clamping: row[0] as Int64))
      guard try envelopes.append(Array(row[1] as Data), sequence: try sequence(), expires: expires) else { throw DamagedRow() }
      return true
    }
    for statement in [
      "DELETE FROM old_envelopes WHERE mailbox = ?", "DELETE FROM old_delivery_keys WHERE mailbox = ?",
      "DELETE FROM old_mailboxes WHERE name = ?",
    ] { try rows.run(statement, [name]) }
  }

  private func moveLog(_ place: StoredPlace) throws {
    let name = place.name.data
    guard
      let row = try rows.first(
        "SELECT write_key, administrators, creation, next_slot, rotations FROM old_logs WHERE name = ?", [name])
    else { throw DamagedRow() }
    let log = LogRows(context, place)
    var record = LogRecord(
      writeKey: try StoredName(row[0] as Data).short, administrators: try split(row[1]), creation: try StoredName(row[2] as Data).short)
    record.rotations = try split(row[4])
    try rows.each("SELECT slot, expires, frame FROM old_log_entries WHERE log = ? ORDER BY slot", [name]) { row in
      record.skip(to: try UInt64(stored: row[0]))
      try log.store(Array(row[2] as Data), expires: Day(number: UInt32(clamping: row[1] as Int64)), &record)
      return true
    }
    record.skip(to: try UInt64(stored: row[3]))
    if let info = try rows.first("SELECT frame FROM old_group_infos WHERE log = ?", [name]) {
      try log.store(groupInfo: Array(info[0] as Data), &record)
    }
    try log.write(record)
    for statement in [
      "DELETE FROM old_log_entries WHERE log = ?", "DELETE FROM old_group_infos WHERE log = ?", "DELETE FROM old_logs WHERE name = ?",
    ] { try rows.run(statement, [name]) }
  }

  private func moveBlobs(_ place: StoredPlace) throws {
    let name = place.name.data
    let all = try rows.all(
      "SELECT name, publisher, expires, claimer, bytes FROM old_blobs WHERE capability = ? ORDER BY name LIMIT ?",
      [name, ServerLimits.blobsPerCapability])
    guard let first = all.first else { return }
    let blobs = BlobRows(context, place)
    var record = CapabilityRecord(publisher: try StoredName(first[1] as Data).short)
    for row in all {
      let expires = Day(number: UInt32(clamping: row[2] as Int64))
      let bytes: Data = row[4]
      let index = record.add(try StoredName(row[0] as Data).short, expires: expires)
      if let claimer = row[3] as Data? { record.blobs[record.blobs.count - 1].claimer = try StoredName(claimer).short }
      if bytes.isEmpty {
        record.blobs[record.blobs.count - 1].isWithdrawn = true
      } else {
        try blobs.store(Array(bytes), expires: expires, index: index)
      }
    }
    try blobs.write(record)
    try rows.run("DELETE FROM old_blobs WHERE capability = ?", [name])
  }

  private func split(_ data: Data) throws -> [ShortName] {
    let bytes = Array(data)
    return try stride(from: 0, to: bytes.count, by: StoredName.byteCount).map { start in
      try StoredName(Data(bytes[start..<min(start + StoredName.byteCount, bytes.count)])).short
    }
  }

  // MARK: Upkeep

  /// Deletes some of what has expired, and drops tables in which nothing is left.
  ///
  /// - Returns: whether there may be more.
  func expireSome(today: Day, limit: Int) throws -> Bool {
    for (kind, statement) in [
      (
        OldTables.Kind.mailboxes,
        "DELETE FROM old_envelopes WHERE (mailbox, sequence) IN (SELECT mailbox, sequence FROM old_envelopes WHERE expires <= ? LIMIT ?)"
      ),
      (.logs, "DELETE FROM old_log_entries WHERE (log, slot) IN (SELECT log, slot FROM old_log_entries WHERE expires <= ? LIMIT ?)"),
      (.blobs, "DELETE FROM old_blobs WHERE (capability, name) IN (SELECT capability, name FROM old_blobs WHERE expires <= ? LIMIT ?)"),
    ] where context.old.contains(kind) {
      try rows.run(statement, [today.integer, limit])
      if rows.changes == limit { return true }
    }
    for (kind, tables) in [
      (OldTables.Kind.mailboxes, ["envelopes", "delivery_keys", "mailboxes"]), (.logs, ["log_entries", "group_infos", "logs"]),
      (.blobs, ["blobs"]),
    ] where try context.old.contains(kind) && rows.first("SELECT 1 FROM old_\(kind.rawValue)") == nil {
      // Nobody asks for a table that is known to be empty, whether or not this transaction succeeds.
      context.old.remove(kind)
      for table in tables { try rows.run("DROP TABLE old_\(table)") }
    }
    return false
  }
}
