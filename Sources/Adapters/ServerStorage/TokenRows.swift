import GRDB
import MailboxEngine
import SottoProtocol

/// The tokens that register mailboxes.
struct TokenRows {
  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  func add(_ tokens: [StoredName], expires: Day) throws {
    for token in tokens { try rows.run("INSERT OR REPLACE INTO tokens VALUES (?, ?)", [token.data, expires.integer]) }
  }

  /// - Returns: whether the token was there.
  func spend(_ token: StoredName, today: Day) throws -> Bool {
    try rows.run("DELETE FROM tokens WHERE name = ? AND expires > ?", [token.data, today.integer])
    return rows.changes == 1
  }
}
