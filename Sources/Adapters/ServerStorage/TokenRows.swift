import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Vouchers, what they were used for, and tokens that are spent. Nothing leads from a voucher to a token: the batch is a name
/// made of blinded numbers, the spent token one made of the token.
struct TokenRows {
  static let tables = [
    "CREATE TABLE vouchers (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL, batch BLOB) STRICT, WITHOUT ROWID",
    "CREATE INDEX vouchers_expiry ON vouchers (expires)",
    "CREATE TABLE spent_tokens (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX spent_tokens_expiry ON spent_tokens (expires)",
  ]

  /// The tokens of schema 1 go on as vouchers, under the same names.
  static let migrationFrom1 = ["INSERT INTO vouchers SELECT name, expires, NULL FROM tokens", "DROP TABLE tokens"]

  /// Deletes some of what has expired; takes the day and a limit.
  static let expiryStatements = [
    "DELETE FROM vouchers WHERE name IN (SELECT name FROM vouchers WHERE expires <= ? LIMIT ?)",
    "DELETE FROM spent_tokens WHERE name IN (SELECT name FROM spent_tokens WHERE expires <= ? LIMIT ?)",
  ]

  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  func add(_ vouchers: [StoredName], expires: Day) throws {
    for voucher in vouchers {
      try rows.run("INSERT OR REPLACE INTO vouchers VALUES (?, ?, NULL)", [voucher.data, expires.integer])
    }
  }

  /// Deletes a voucher that no batch was redeemed with.
  func withdraw(_ voucher: StoredName, today: Day) throws -> VoucherWithdrawal {
    let row = try rows.first("SELECT batch IS NULL FROM vouchers WHERE name = ? AND expires > ?", [voucher.data, today.integer])
    guard let row else { return .unknown }
    guard row[0] as Bool else { return .used }
    try rows.run("DELETE FROM vouchers WHERE name = ?", [voucher.data])
    return .withdrawn
  }

  /// - Returns: whether the voucher is there and was used for nothing else.
  func redeem(_ voucher: StoredName, for batch: StoredName, today: Day) throws -> Bool {
    let row = try rows.first("SELECT batch FROM vouchers WHERE name = ? AND expires > ?", [voucher.data, today.integer])
    guard let row else { return false }
    let used: Data? = row[0]
    if let used { return used == batch.data }
    try rows.run("UPDATE vouchers SET batch = ? WHERE name = ?", [batch.data, voucher.data])
    return true
  }

  func isSpent(_ token: SpentToken, today: Day) throws -> Bool {
    try rows.first("SELECT 1 FROM spent_tokens WHERE name = ? AND expires > ?", [token.name.data, today.integer]) != nil
  }

  /// - Returns: false when it was spent before.
  func spend(_ token: SpentToken, today: Day) throws -> Bool {
    guard try !isSpent(token, today: today) else { return false }
    try rows.run("INSERT OR REPLACE INTO spent_tokens VALUES (?, ?)", [token.name.data, token.expires.integer])
    return true
  }

  /// - Returns: false, with nothing spent, when one of them was spent before.
  func spend(_ tokens: [SpentToken], today: Day) throws -> Bool {
    guard try !tokens.contains(where: { try isSpent($0, today: today) }) else { return false }
    // In the order of their names, and not in that of their making.
    for token in tokens.sorted(by: { $0.name < $1.name }) { _ = try spend(token, today: today) }
    return true
  }
}
