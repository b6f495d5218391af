import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// A database as version 1 of the program left it: its statements, and rows as it wrote them.
enum OldSchema {
  private static let statements = [
    """
    CREATE TABLE mailboxes (
      name BLOB PRIMARY KEY NOT NULL, owner_key BLOB NOT NULL, seal_key BLOB NOT NULL, last_sequence INTEGER NOT NULL,
      waiting_count INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL, used_tokens INTEGER NOT NULL,
      used_blobs INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE delivery_keys (mailbox BLOB NOT NULL, name BLOB NOT NULL, PRIMARY KEY (mailbox, name))
    STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE envelopes (
      mailbox BLOB NOT NULL, sequence INTEGER NOT NULL, expires INTEGER NOT NULL, sealed BLOB NOT NULL,
      PRIMARY KEY (mailbox, sequence)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX envelopes_expiry ON envelopes (expires)",
    "CREATE TABLE receipts (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX receipts_expiry ON receipts (expires)",
    "CREATE TABLE tokens (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE blobs (
      capability BLOB NOT NULL, name BLOB NOT NULL, publisher BLOB NOT NULL, expires INTEGER NOT NULL, claimer BLOB,
      bytes BLOB NOT NULL, PRIMARY KEY (capability, name)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX blobs_expiry ON blobs (expires)",
    """
    CREATE TABLE logs (
      name BLOB PRIMARY KEY NOT NULL, write_key BLOB NOT NULL, administrators BLOB NOT NULL, creation BLOB NOT NULL,
      next_slot INTEGER NOT NULL, rotations BLOB NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE group_infos (log BLOB PRIMARY KEY NOT NULL, frame BLOB NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE log_entries (
      log BLOB NOT NULL, slot INTEGER NOT NULL, expires INTEGER NOT NULL, frame BLOB NOT NULL, PRIMARY KEY (log, slot)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX log_entries_expiry ON log_entries (expires)",
    """
    CREATE TABLE upkeep (
      id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1), schema_version INTEGER NOT NULL, quota_ends INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO upkeep VALUES (1, 1, 20030)",
    "PRAGMA application_id = 1399813236",
    "PRAGMA user_version = 1",
  ]

  /// Makes the file, with 4 KiB pages and a write-ahead log, and lets `fill` put rows into it.
  static func make(_ server: TemporaryServer, _ fill: (Database) throws -> Void = { _ in }) throws {
    _ = try server.directory.keys(creating: true)
    let pool = try DatabasePool(path: server.file("server.sqlite"))
    try pool.write { db in
      for statement in statements { try db.execute(sql: statement) }
      try fill(db)
    }
    try pool.close()
  }
}
