import GRDB

/// The tables, and what makes the database durable and forgetful (docs/protocol.md §7, "At rest").
///
/// Envelopes are keyed by mailbox and sequence, in tables without row numbers: nothing tells the order in which rows of
/// two mailboxes were written. No column holds a time but the day on which a row expires.
enum Schema {
  static let version = 1
  /// "Sott", in SQLite's field for the kind of file.
  static let applicationID = 0x536F_7474

  static let statements = [
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
    "INSERT INTO upkeep VALUES (1, \(version), 0)",
    "PRAGMA application_id = \(applicationID)",
    "PRAGMA user_version = \(version)",
  ]

  static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "server"
    // `invite` writes from a process of its own.
    configuration.busyMode = .timeout(5)
    configuration.maximumReaderCount = 4
    configuration.prepareDatabase { db in
      // What is deleted is overwritten, and nothing is written outside the database's own files.
      try db.execute(sql: "PRAGMA secure_delete = ON")
      try db.execute(sql: "PRAGMA temp_store = MEMORY")
      try db.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    return configuration
  }

  /// Makes the tables of a new database, or recognises those of an old one; then sees to it that a commit is on disk.
  ///
  /// - Throws: a `ServerStorageError`, or what the database throws.
  static func prepare(_ db: Database, checking: Bool) throws {
    let version = try integer(db, "PRAGMA user_version")
    let applicationID = try integer(db, "PRAGMA application_id")
    let tableCount = try integer(db, "SELECT count(*) FROM sqlite_schema")
    switch (version, applicationID, tableCount) {
    case (0, 0, 0):
      try db.inTransaction(.immediate) {
        for statement in statements { try db.execute(sql: statement) }
        return .commit
      }
    case (Self.version, Self.applicationID, _): break
    case (_, Self.applicationID, _) where version > Self.version: throw ServerStorageError.databaseNewer(version: version)
    default: throw ServerStorageError.notADatabase
    }
    // GRDB's pool turns this down to NORMAL while it opens, which would lose accepted envelopes with the power.
    try db.execute(sql: "PRAGMA synchronous = FULL")
    guard try integer(db, "PRAGMA synchronous") == 2, try integer(db, "PRAGMA secure_delete") == 1,
      try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal"
    else { throw ServerStorageError.notDurable }
    guard try !checking || String.fetchOne(db, sql: "PRAGMA quick_check(1)") == "ok" else {
      throw ServerStorageError.databaseDamaged
    }
    guard try integer(db, "SELECT schema_version FROM upkeep") == Self.version else {
      throw ServerStorageError.databaseDamaged
    }
  }

  private static func integer(_ db: Database, _ sql: String) throws -> Int { try Int.fetchOne(db, sql: sql) ?? 0 }
}
