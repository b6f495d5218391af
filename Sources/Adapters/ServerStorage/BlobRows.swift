import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Key-package blobs. One that was taken stays, for its claimer alone, and one that was withdrawn stays as an empty row, until they expire:
/// so neither comes back.
struct BlobRows {
  private let rows: Rows

  init(_ db: Database) { rows = Rows(db) }

  func publish(_ publication: Publication) throws -> OwnerOutcome {
    let mailbox = try rows.first("SELECT used_blobs FROM mailboxes WHERE name = ?", [publication.mailbox.name.data])
    guard let mailbox else { return .refused }
    let standing = try rows.all("SELECT name, publisher FROM blobs WHERE capability = ?", [publication.capability.name.data])
    guard standing.allSatisfy({ ($0[1] as Data) == publication.publisher.data }) else { return .refused }
    var names = Set(standing.map { $0[0] as Data })
    let added = publication.blobs.filter { names.insert($0.name.data).inserted }
    guard !added.isEmpty else { return .done }
    let used: Int = mailbox[0]
    guard names.count <= publication.capabilityQuota, used + added.count <= publication.quota else { return .overQuota }
    try rows.run("UPDATE mailboxes SET used_blobs = ? WHERE name = ?", [used + added.count, publication.mailbox.name.data])
    for blob in added {
      try rows.run(
        "INSERT INTO blobs VALUES (?, ?, ?, ?, NULL, ?)",
        [
          publication.capability.name.data, blob.name.data, publication.publisher.data, publication.expires.integer,
          Data(blob.bytes),
        ])
    }
    return .done
  }

  func claim(_ capability: StoredName, by claimer: StoredName, today: Day) throws -> [UInt8]? {
    let row = try rows.first(
      """
      SELECT name, bytes, claimer FROM blobs
      WHERE capability = ? AND expires > ? AND length(bytes) > 0 AND (claimer IS NULL OR claimer = ?)
      ORDER BY claimer IS NULL, name LIMIT 1
      """, [capability.data, today.integer, claimer.data])
    guard let row else { return nil }
    let name: Data = row[0]
    let bytes: Data = row[1]
    let standing: Data? = row[2]
    if standing == nil {
      try rows.run("UPDATE blobs SET claimer = ? WHERE capability = ? AND name = ?", [claimer.data, capability.data, name])
    }
    return Array(bytes)
  }

  func withdraw(_ capability: StoredName, publisher: StoredName) throws -> Bool {
    let foreign = try rows.first(
      "SELECT 1 FROM blobs WHERE capability = ? AND publisher <> ?", [capability.data, publisher.data])
    guard foreign == nil else { return false }
    try rows.run("UPDATE blobs SET bytes = x'' WHERE capability = ? AND length(bytes) > 0", [capability.data])
    return true
  }
}
