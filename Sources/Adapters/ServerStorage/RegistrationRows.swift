import GRDB
import MailboxEngine
import SottoProtocol

/// Counts that keep one voucher from making mailboxes without end (docs/decisions/0015).
///
/// A token says that somebody had a right, and not which. So what can be bounded is all of them together: there are as many
/// registrations as vouchers were redeemed, whoever redeemed them, and some to spare each day. The numbers are in the one row of
/// `upkeep`, and change in the transaction of what they count.
struct RegistrationRows {
  static let additions = [
    "ALTER TABLE upkeep ADD COLUMN mailboxes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN entries INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN spares INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN invitations INTEGER NOT NULL DEFAULT 0",
    // Who has redeemed a voucher and not yet registered is not to wait; the rows do not say how many these are.
    "UPDATE upkeep SET mailboxes = (SELECT count(*) FROM mailboxes), entries = (SELECT min(count(*), 64) FROM vouchers WHERE batch IS NOT NULL)",
  ]
  static let additionsFrom1 = ["UPDATE upkeep SET mailboxes = mailboxes + (SELECT count(*) FROM old_mailboxes)"]

  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  /// Whether one more mailbox may be made; then it is counted.
  func admitMailbox(_ limits: StorageLimits, today: Day) throws -> Bool {
    try beginDay(today)
    guard let row = try rows.first("SELECT mailboxes, entries, spares FROM upkeep") else { throw DamagedRow() }
    let (mailboxes, entries, spares): (Int, Int, Int) = (row[0], row[1], row[2])
    guard mailboxes < limits.maximumMailboxCount else { return false }
    if entries > 0 {
      try rows.run("UPDATE upkeep SET mailboxes = mailboxes + 1, entries = entries - 1")
    } else {
      guard spares < limits.maximumSparesPerDay else { return false }
      try rows.run("UPDATE upkeep SET mailboxes = mailboxes + 1, spares = spares + 1")
    }
    return true
  }

  /// A voucher was redeemed, for the first time.
  func addEntry() throws { try rows.run("UPDATE upkeep SET entries = entries + 1") }

  /// Whether so many more vouchers may be handed out by owners today; then they are counted.
  func admitInvitations(_ count: Int, _ limits: StorageLimits, today: Day) throws -> Bool {
    try beginDay(today)
    guard let row = try rows.first("SELECT invitations FROM upkeep") else { throw DamagedRow() }
    let (sum, overflow) = (row[0] as Int).addingReportingOverflow(count)
    guard !overflow, sum <= limits.maximumInvitationsPerDay else { return false }
    try rows.run("UPDATE upkeep SET invitations = ?", [sum])
    return true
  }

  private func beginDay(_ today: Day) throws {
    try rows.run("UPDATE upkeep SET counted = ?, spares = 0, invitations = 0 WHERE counted <> ?", [today.integer, today.integer])
  }
}
