import GRDB
import MailboxEngine

/// What is done about every minute.
struct UpkeepRows {
  /// Rows deleted in one transaction: some milliseconds, in which others wait.
  private static let stepCount = 256

  private let db: Database

  init(_ db: Database) { self.db = db }

  /// Deletes some of what has expired, and begins a new quota period when it is time.
  ///
  /// - Returns: whether there may be more.
  func expireSome(today: Day) throws -> Bool {
    let rows = Rows(db)
    if try EnvelopeRows(db).expireSome(today: today, limit: Self.stepCount) { return true }
    for statement in [
      "DELETE FROM receipts WHERE name IN (SELECT name FROM receipts WHERE expires <= ? LIMIT ?)",
      "DELETE FROM tokens WHERE name IN (SELECT name FROM tokens WHERE expires <= ? LIMIT ?)",
      "DELETE FROM blobs WHERE (capability, name) IN (SELECT capability, name FROM blobs WHERE expires <= ? LIMIT ?)",
      "DELETE FROM log_entries WHERE (log, slot) IN (SELECT log, slot FROM log_entries WHERE expires <= ? LIMIT ?)",
    ] {
      try rows.run(statement, [today.integer, Self.stepCount])
      if rows.changes == Self.stepCount { return true }
    }
    if try rows.first("SELECT 1 FROM upkeep WHERE quota_ends <= ?", [today.integer]) != nil {
      try rows.run("UPDATE upkeep SET quota_ends = ?", [today.adding(ServerLimits.quotaPeriodDays).integer])
      try rows.run("UPDATE mailboxes SET used_tokens = 0, used_blobs = 0 WHERE used_tokens > 0 OR used_blobs > 0")
    }
    return false
  }
}
