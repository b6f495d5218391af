import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Envelopes that wait, and the receipts by which a repeated send is known.
struct EnvelopeRows {
  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  func append(_ copy: SealedCopy, today: Day) throws -> RecipientAnswer {
    let mailbox = copy.target.mailbox.name.data
    let state = try rows.first(
      """
      SELECT last_sequence, waiting_count, waiting_bytes FROM mailboxes
      JOIN delivery_keys ON delivery_keys.mailbox = mailboxes.name
      WHERE mailboxes.name = ? AND delivery_keys.name = ?
      """, [mailbox, copy.target.deliveryKey.data])
    guard let state else { return .refused }
    if let receipt = copy.receipt {
      let seen = try rows.first("SELECT 1 FROM receipts WHERE name = ? AND expires > ?", [receipt.data, today.integer])
      if seen != nil { return .accepted }
    }
    let count: Int = state[1]
    let byteCount: Int = state[2]
    guard count < Limits.mailboxEnvelopeCount, byteCount + copy.sealed.count <= Limits.mailboxByteCount else { return .full }
    let last: Int64 = state[0]
    let sequence = try UInt64(stored: last) + 1
    try rows.run(
      "UPDATE mailboxes SET last_sequence = ?, waiting_count = ?, waiting_bytes = ? WHERE name = ?",
      [sequence.integer, count + 1, byteCount + copy.sealed.count, mailbox])
    try rows.run(
      "INSERT INTO envelopes VALUES (?, ?, ?, ?)", [mailbox, sequence.integer, copy.expires.integer, Data(copy.sealed)])
    if let receipt = copy.receipt {
      try rows.run("INSERT OR REPLACE INTO receipts VALUES (?, ?)", [receipt.data, copy.expires.integer])
    }
    return .accepted
  }

  func read(_ mailbox: StoredName, after sequence: UInt64, page: PageLimit, today: Day) throws -> [StoredEnvelope] {
    var envelopes: [StoredEnvelope] = []
    var byteCount = 0
    let sql = """
      SELECT sequence, sealed FROM envelopes WHERE mailbox = ? AND sequence > ? AND expires > ? ORDER BY sequence LIMIT ?
      """
    try rows.each(sql, [mailbox.data, sequence.integer, today.integer, page.count]) { row in
      let number: Int64 = row[0]
      let sealed: Data = row[1]
      byteCount += sealed.count
      guard envelopes.isEmpty || byteCount <= page.byteCount else { return false }
      envelopes.append(StoredEnvelope(sequence: try UInt64(stored: number), sealed: Array(sealed)))
      return true
    }
    return envelopes
  }

  func acknowledge(_ mailbox: StoredName, through sequence: UInt64) throws {
    let arguments: StatementArguments = [mailbox.data, sequence.integer]
    let sums = try rows.first(
      "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM envelopes WHERE mailbox = ? AND sequence <= ?", arguments)
    guard let sums, sums[0] as Int > 0 else { return }
    try rows.run("DELETE FROM envelopes WHERE mailbox = ? AND sequence <= ?", arguments)
    try subtract(count: sums[0], byteCount: sums[1], from: mailbox.data)
  }

  /// Deletes some envelopes that have expired, at most `limit`.
  ///
  /// - Returns: whether there may be more.
  func expireSome(today: Day, limit: Int) throws -> Bool {
    let expired = try rows.all(
      "SELECT mailbox, sequence, length(sealed) FROM envelopes WHERE expires <= ? LIMIT ?", [today.integer, limit])
    for row in expired {
      let mailbox: Data = row[0]
      let sequence: Int64 = row[1]
      try rows.run("DELETE FROM envelopes WHERE mailbox = ? AND sequence = ?", [mailbox, sequence])
      try subtract(count: 1, byteCount: row[2], from: mailbox)
    }
    return expired.count == limit
  }

  private func subtract(count: Int, byteCount: Int, from mailbox: Data) throws {
    try rows.run(
      "UPDATE mailboxes SET waiting_count = waiting_count - ?, waiting_bytes = waiting_bytes - ? WHERE name = ?",
      [count, byteCount, mailbox])
  }
}
