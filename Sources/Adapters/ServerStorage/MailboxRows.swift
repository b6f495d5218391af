import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Mailboxes and their delivery keys.
struct MailboxRows {
  private let rows: Rows
  private let tokenRows: TokenRows

  init(_ db: Database) {
    rows = Rows(db)
    tokenRows = TokenRows(db)
  }

  func issueTokens(_ tokens: [StoredName], expires: Day, for mailbox: StoredName, quota: Int) throws -> OwnerOutcome {
    guard let row = try rows.first("SELECT used_tokens FROM mailboxes WHERE name = ?", [mailbox.data]) else { return .refused }
    let used: Int = row[0]
    guard used + tokens.count <= quota else { return .overQuota }
    try rows.run("UPDATE mailboxes SET used_tokens = ? WHERE name = ?", [used + tokens.count, mailbox.data])
    try tokenRows.add(tokens, expires: expires)
    return .done
  }

  func register(_ mailbox: NewMailbox, today: Day) throws -> Bool {
    if let row = try rows.first("SELECT owner_key, seal_key FROM mailboxes WHERE name = ?", [mailbox.place.name.data]) {
      let ownerKey: Data = row[0]
      let sealKey: Data = row[1]
      return Array(ownerKey) == mailbox.ownerKey.bytes && Array(sealKey) == mailbox.sealKey.bytes
    }
    guard try tokenRows.spend(mailbox.token, today: today) else { return false }
    try rows.run(
      "INSERT INTO mailboxes VALUES (?, ?, ?, 0, 0, 0, 0, 0)",
      [mailbox.place.name.data, Data(mailbox.ownerKey.bytes), Data(mailbox.sealKey.bytes)])
    return true
  }

  func ownerKey(of mailbox: StoredName) throws -> PublicKey32? {
    try key(rows.first("SELECT owner_key FROM mailboxes WHERE name = ?", [mailbox.data]))
  }

  func sealKey(for target: DeliveryTarget) throws -> PublicKey32? {
    try key(
      rows.first(
        """
        SELECT seal_key FROM mailboxes JOIN delivery_keys ON delivery_keys.mailbox = mailboxes.name
        WHERE mailboxes.name = ? AND delivery_keys.name = ?
        """, [target.mailbox.name.data, target.deliveryKey.data]))
  }

  func setDeliveryKeys(_ keys: Set<StoredName>, of mailbox: StoredName) throws {
    guard try rows.first("SELECT 1 FROM mailboxes WHERE name = ?", [mailbox.data]) != nil else { return }
    try rows.run("DELETE FROM delivery_keys WHERE mailbox = ?", [mailbox.data])
    // In the order of the names, which is random, and not in that of their making.
    for key in keys.sorted() { try rows.run("INSERT INTO delivery_keys VALUES (?, ?)", [mailbox.data, key.data]) }
  }

  private func key(_ row: Row?) throws -> PublicKey32? {
    guard let row else { return nil }
    let data: Data = row[0]
    guard let key = PublicKey32(Array(data)) else { throw DamagedRow() }
    return key
  }
}
