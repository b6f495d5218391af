import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// Writes what version 1 wrote, to be attacked beside the store of today.
final class OldLayout {
  let server: TemporaryServer
  private let pool: DatabasePool

  init() throws {
    server = try TemporaryServer()
    try OldSchema.make(server)
    pool = try DatabasePool(path: server.file("server.sqlite"))
  }

  func register(_ name: StoredName) throws {
    try pool.write { db in
      try db.execute(
        sql: "INSERT INTO mailboxes VALUES (?, ?, ?, 0, 0, 0, 0, 0)",
        arguments: [Data(name.bytes), Data(SystemRandom().bytes(32)), Data(SystemRandom().bytes(32))])
    }
  }

  func setDeliveryKeys(_ name: StoredName, count: Int) throws {
    try pool.write { db in
      try db.execute(sql: "DELETE FROM delivery_keys WHERE mailbox = ?", arguments: [Data(name.bytes)])
      for _ in 0..<count {
        try db.execute(sql: "INSERT INTO delivery_keys VALUES (?, ?)", arguments: [Data(name.bytes), Data(SystemRandom().bytes(32))])
      }
    }
  }

  func deliver(to names: [StoredName], byteCount: Int, expires: Day) throws {
    try pool.write { db in
      for name in names.shuffled() {
        let sealed = Data(count: byteCount + 62)
        try db.execute(
          sql: """
            UPDATE mailboxes SET last_sequence = last_sequence + ?, waiting_count = waiting_count + 1, waiting_bytes = waiting_bytes + ?
            WHERE name = ?
            """, arguments: [Int.random(in: 1...65_536), sealed.count, Data(name.bytes)])
        try db.execute(
          sql: "INSERT INTO envelopes SELECT name, last_sequence, ?, ? FROM mailboxes WHERE name = ?",
          arguments: [Int64(expires.number), sealed, Data(name.bytes)])
      }
    }
  }

  func acknowledge(_ name: StoredName) throws {
    try pool.write { db in
      let name = Data(name.bytes)
      try db.execute(sql: "DELETE FROM envelopes WHERE mailbox = ?", arguments: [name])
      guard db.changesCount > 0 else { return }
      try db.execute(sql: "UPDATE mailboxes SET waiting_count = 0, waiting_bytes = 0 WHERE name = ?", arguments: [name])
    }
  }

  func truncateLog() throws { try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) } }
}
