import GRDB
import MailboxEngine
import SottoProtocol

/// Counts in the one row of `upkeep` that bound how many mailboxes there are, and how fast they grow (docs/decisions/0015, 0019).
///
/// A mailbox costs an entry token, which a voucher alone brings, so there are no more than vouchers; here the vouchers of a day and the
/// mailboxes in all are counted. The numbers change in the transaction of what they count.
struct RegistrationRows {
  static let additions = [
    "ALTER TABLE upkeep ADD COLUMN mailboxes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN invitations INTEGER NOT NULL DEFAULT 0",
    count,
  ]
  private static let count = "UPDATE upkeep SET mailboxes = (SELECT count(*) FROM mailboxes)"
  static let additionsFrom1 = ["UPDATE upkeep SET mailboxes = mailboxes + (SELECT count(*) FROM old_mailboxes)"]
  /// Schema 3 counted who had redeemed a voucher and not registered; an entry token says it by itself. It did not count the mailboxes
  /// that schema 1 had left to schema 2.
  static let migrationFrom3 = ["ALTER TABLE upkeep DROP COLUMN entries", "ALTER TABLE upkeep DROP COLUMN spares", count]

  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  /// Whether one more mailbox may be made; then it is counted.
  func admitMailbox(_ limits: StorageLimits) throws -> Bool {
    try rows.run("UPDATE upkeep SET mailboxes = mailboxes + 1 WHERE mailboxes < ?", [limits.maximumMailboxCount])
    return rows.changes == 1
  }

  /// Whether so many more vouchers may be handed out by owners today; then they are counted.
  func admitInvitations(_ count: Int, _ limits: StorageLimits, today: Day) throws -> Bool {
    try rows.run("UPDATE upkeep SET counted = ?, invitations = 0 WHERE counted <> ?", [today.integer, today.integer])
    try rows.run(
      "UPDATE upkeep SET invitations = invitations + ? WHERE invitations <= ?", [count, limits.maximumInvitationsPerDay - count])
    return rows.changes == 1
  }
}
