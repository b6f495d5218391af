import GRDB

/// The tables, and what makes the database durable and forgetful (docs/at-rest.md).
///
/// Rows are found by names and numbers that only follow from identifiers, which are not stored, and open to keys that do.
/// No column holds a time but the day on which a row expires.
enum Schema {
  static let version = 4
  /// "Sott", in SQLite's field for the kind of file.
  static let applicationID = 0x536F_7474
  /// Two of the largest cells, or six mailboxes, fit a page.
  static let pageByteCount = 8_192
  /// Bytes of pages that the writer keeps in memory.
  private static let writerCacheByteCount = 16 << 20
  /// Pages in the write-ahead log, 32 MiB, at which they are moved into the database.
  private static let checkpointPageCount = 4_096
  /// Boot numbers stay below this, so that sequences stay below 2^62.
  static let bootBound = 1 << 22

  static let tables = [
    "CREATE TABLE mailboxes (name BLOB PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE logs (name BLOB PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE capabilities (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL, sealed BLOB NOT NULL)
    STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX capabilities_expiry ON capabilities (expires)",
    "CREATE TABLE envelopes (id INTEGER PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT",
    "CREATE TABLE log_entries (id INTEGER PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT",
    "CREATE TABLE group_infos (id INTEGER PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT",
    "CREATE TABLE blobs (id INTEGER PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT",
  ]

  /// Tables that are as they were in schema 1.
  static let lastingTables = [
    "CREATE TABLE receipts (name BLOB PRIMARY KEY NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX receipts_expiry ON receipts (expires)",
    """
    CREATE TABLE upkeep (
      id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1), schema_version INTEGER NOT NULL, quota_ends INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO upkeep VALUES (1, 0, 0)",
  ]

  static let additions = [
    "ALTER TABLE upkeep ADD COLUMN boot INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upkeep ADD COLUMN refreshed INTEGER NOT NULL DEFAULT 0",
  ]

  static let marks = [
    "UPDATE upkeep SET schema_version = \(version)",
    "PRAGMA application_id = \(applicationID)",
    "PRAGMA user_version = \(version)",
  ]

  /// The tables of schema 1 whose content moves when it is named.
  static let oldTables = ["mailboxes", "delivery_keys", "envelopes", "blobs", "logs", "group_infos", "log_entries"]

  static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "server"
    // `invite` writes from a process of its own.
    configuration.busyMode = .timeout(5)
    configuration.maximumReaderCount = GroupRead.connectionCount
    configuration.prepareDatabase { db in
      // Has an effect on a new file only.
      try db.execute(sql: "PRAGMA page_size = \(pageByteCount)")
      // What is deleted is overwritten, and nothing is written outside the database's own files.
      try db.execute(sql: "PRAGMA secure_delete = ON")
      try db.execute(sql: "PRAGMA temp_store = MEMORY")
      try db.execute(sql: "PRAGMA trusted_schema = OFF")
    }
    return configuration
  }

  /// Gives a file of schema 1 larger pages, before it is opened for good. Does nothing to other files.
  static func widenPages(path: String) throws {
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    try queue.writeWithoutTransaction { db in
      guard try integer(db, "PRAGMA application_id") == applicationID, try integer(db, "PRAGMA user_version") == 1,
        try integer(db, "PRAGMA page_size") != pageByteCount
      else { return }
      // Pages change their size only while there is no write-ahead log. It is done wholly or not at all.
      try db.execute(sql: "PRAGMA journal_mode = DELETE")
      try db.execute(sql: "PRAGMA page_size = \(pageByteCount)")
      try db.execute(sql: "VACUUM")
    }
  }

  /// Makes the tables of a new database, or recognises those of an old one; then sees to it that a commit is on disk.
  ///
  /// - Parameter change: what may become of its tables.
  /// - Throws: a `ServerStorageError`, or what the database throws.
  static func prepare(_ db: Database, checking: Bool, change: Change) throws {
    let version = try integer(db, "PRAGMA user_version")
    let applicationID = try integer(db, "PRAGMA application_id")
    let tableCount = try integer(db, "SELECT count(*) FROM sqlite_schema")
    try permit(change, version: version, tableCount: tableCount)
    switch (version, applicationID, tableCount) {
    case (0, 0, 0): try execute(lastingTables + tables + TokenRows.tables + additions + RegistrationRows.additions + marks, db)
    case (1, Self.applicationID, _):
      try execute(
        oldTables.map { "ALTER TABLE \($0) RENAME TO old_\($0)" } + tables + TokenRows.tables + TokenRows.migrationFrom1 + additions
          + RegistrationRows.additions + RegistrationRows.additionsFrom1 + marks, db)
    case (2, Self.applicationID, _), (3, Self.applicationID, _):
      let steps = version == 2 ? RegistrationRows.additions : RegistrationRows.migrationFrom3
      // What came from schema 1 and was not named since lies in its old table.
      let hasOldMailboxes = try db.tableExists("old_mailboxes")
      try execute(steps + (hasOldMailboxes ? RegistrationRows.additionsFrom1 : []) + marks, db)
    case (Self.version, Self.applicationID, _): break
    case (_, Self.applicationID, _) where version > Self.version: throw ServerStorageError.databaseNewer(version: version)
    default: throw ServerStorageError.notADatabase
    }
    // GRDB's pool turns this down to NORMAL while it opens, which would lose accepted envelopes with the power.
    try db.execute(sql: "PRAGMA synchronous = FULL")
    // A transaction of many writes changes as many pages and more; with less room it would write some of them twice. The readers
    // need little: each commit empties their caches.
    try db.execute(sql: "PRAGMA cache_size = -\(writerCacheByteCount >> 10)")
    // Pages that change again and again are then moved into the database less often. The log is cut every minute anyway.
    try db.execute(sql: "PRAGMA wal_autocheckpoint = \(checkpointPageCount)")
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

  /// Counts an opening in which envelopes are to be written.
  ///
  /// - Parameter mark: the highest number of an opening that is known from elsewhere.
  /// - Returns: the number of this opening, higher than any before, and whether the database had forgotten some of them.
  static func beginOpening(_ db: Database, above mark: UInt64) throws -> (number: UInt64, hasForgotten: Bool) {
    let boot = try integer(db, "SELECT boot FROM upkeep")
    let hasForgotten = boot < Int(clamping: mark)
    let (next, overflow) = max(boot, Int(clamping: mark)).addingReportingOverflow(1)
    guard boot >= 0, !overflow, next < bootBound else { throw ServerStorageError.databaseDamaged }
    try execute(["UPDATE upkeep SET boot = \(next)"], db)
    return (UInt64(next), hasForgotten)
  }

  private static func execute(_ statements: [String], _ db: Database) throws {
    try db.inTransaction(.immediate) {
      for statement in statements { try db.execute(sql: statement) }
      return .commit
    }
  }

  private static func integer(_ db: Database, _ sql: String) throws -> Int { try Int.fetchOne(db, sql: sql) ?? 0 }
}
