import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// What is done about every minute.
struct UpkeepRows {
  private let context: Context
  private let rows: Rows

  init(_ context: Context) {
    self.context = context
    rows = Rows(context.db)
  }

  /// The day on which the current quota period ends.
  func quotaEnds() throws -> UInt32 {
    guard let row = try rows.first("SELECT quota_ends FROM upkeep") else { throw DamagedRow() }
    return UInt32(clamping: row[0] as Int64)
  }

  /// Deletes some of what has expired, and begins a new quota period when it is time.
  ///
  /// - Parameter count: rows to delete at most.
  /// - Returns: whether there may be more.
  func expireSome(today: Day, atMost count: Int) throws -> Bool {
    context.cache.removeExpired(today: today)
    for table in [CellRows.Table.envelopes, .logEntries, .blobs] {
      if try CellRows(context.db, table).expireSome(today: today, limit: count) { return true }
    }
    for statement in [
      "DELETE FROM receipts WHERE name IN (SELECT name FROM receipts WHERE expires <= ? LIMIT ?)",
      "DELETE FROM capabilities WHERE name IN (SELECT name FROM capabilities WHERE expires <= ? LIMIT ?)",
    ] + TokenRows.expiryStatements {
      try rows.run(statement, [today.integer, count])
      if rows.changes == count { return true }
    }
    if try OldRows(context).expireSome(today: today, limit: count) { return true }
    if try rows.first("SELECT 1 FROM upkeep WHERE quota_ends <= ?", [today.integer]) != nil {
      // The counts of the old period are in the mailboxes' records and mean nothing in another one.
      try rows.run("UPDATE upkeep SET quota_ends = ?", [today.adding(ServerLimits.quotaPeriodDays).integer])
    }
    return false
  }

  // MARK: Fresh bytes

  /// Whether today's round of fresh bytes has yet to be made.
  func mustRefresh(today: Day) throws -> Bool {
    try rows.first("SELECT 1 FROM upkeep WHERE refreshed <> ?", [today.integer]) != nil
  }

  func endRefresh(today: Day) throws { try rows.run("UPDATE upkeep SET refreshed = ?", [today.integer]) }
}
