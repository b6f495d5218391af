import ConversationEngine
import Foundation
import GRDB

/// The SQLite file of a profile: sealed rows in, sealed rows out. It knows no key.
///
/// WAL with `synchronous = FULL`, so that what was committed survives a loss of power; freed pages are overwritten. One
/// process has it, so it locks the file once and shares no memory with others.
struct DeviceDatabase: Sendable {
  /// Changes of one transaction.
  struct Changes: Sendable {
    var written: [RowSeal.Row] = []
    var removed: [[UInt8]] = []
    var history: [(tag: [UInt8], position: Int64, sealed: [UInt8])] = []
    /// Whether values that must be erased are replaced: from then on old ones lie in freed pages and the log.
    var leavesStaleValues = false
  }

  private static let schemaVersion = 1
  private let queue: DatabaseQueue
  private let beforeStep: @Sendable () -> Void

  init(path: String, beforeStep: @escaping @Sendable () -> Void) throws(ProfileError) {
    self.beforeStep = beforeStep
    // SQLite gives its log the permissions of the database.
    try PrivateFile.touch(path)
    var configuration = Configuration()
    configuration.foreignKeysEnabled = false
    configuration.acceptsDoubleQuotedStringLiterals = false
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
      try database.execute(sql: "PRAGMA temp_store = MEMORY")
    }
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.writeWithoutTransaction(DeviceDatabase.prepare)
    } catch {
      throw DeviceDatabase.profileError(error)
    }
  }

  private static func prepare(_ database: Database) throws {
    guard try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") == "wal" else { throw ProfileError.unsupported }
    try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 0")
    guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2,
      try Int.fetchOne(database, sql: "PRAGMA secure_delete") == 1
    else { throw ProfileError.unsupported }
    switch try Int.fetchOne(database, sql: "PRAGMA user_version") {
    case schemaVersion: return
    case 0: break
    default: throw ProfileError.unsupported
    }
    try database.inTransaction(.immediate) {
      try database.execute(
        sql: """
          CREATE TABLE record (
            name BLOB NOT NULL PRIMARY KEY, kind BLOB NOT NULL, generation INTEGER NOT NULL, sealed BLOB NOT NULL
          ) WITHOUT ROWID;
          CREATE INDEX record_kind ON record (kind);
          CREATE TABLE history (
            conversation BLOB NOT NULL, position INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (conversation, position)
          ) WITHOUT ROWID;
          CREATE TABLE erasure (id INTEGER PRIMARY KEY CHECK (id = 1), stale INTEGER NOT NULL);
          INSERT INTO erasure (id, stale) VALUES (1, 0);
          PRAGMA user_version = \(schemaVersion);
          """)
      return .commit
    }
  }

  /// The values of the pragmas that durability and erasure rest on.
  func pragmas() throws -> (synchronous: Int?, journalMode: String?, secureDelete: Int?) {
    try queue.read { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA synchronous"), try String.fetchOne(database, sql: "PRAGMA journal_mode"),
        try Int.fetchOne(database, sql: "PRAGMA secure_delete")
      )
    }
  }

  // MARK: - Reading

  func row(named name: [UInt8]) throws(DeviceStoreError) -> RowSeal.Row? {
    try read { database in
      try Row.fetchOne(
        database.cachedStatement(sql: "SELECT name, kind, generation, sealed FROM record WHERE name = ?"),
        arguments: [Data(name)]
      ).map(DeviceDatabase.row)
    }
  }

  func rows(ofKind kind: [UInt8]) throws(DeviceStoreError) -> [RowSeal.Row] {
    try read { database in
      try Row.fetchAll(
        database.cachedStatement(sql: "SELECT name, kind, generation, sealed FROM record WHERE kind = ?"),
        arguments: [Data(kind)]
      ).map(DeviceDatabase.row)
    }
  }

  func history(
    tag: [UInt8], after: Int64, limit: Int
  ) throws(DeviceStoreError) -> [(position: Int64, sealed: [UInt8])] {
    try read { database in
      try Row.fetchAll(
        database.cachedStatement(
          sql: "SELECT position, sealed FROM history WHERE conversation = ? AND position > ? ORDER BY position LIMIT ?"),
        arguments: [Data(tag), after, limit]
      ).map { (position: $0["position"], sealed: [UInt8]($0["sealed"] as Data)) }
    }
  }

  /// Whether values that must be erased were replaced since the last change of the key.
  func hasStaleValues() throws(DeviceStoreError) -> Bool {
    try read { database in try Bool.fetchOne(database, sql: "SELECT stale FROM erasure") ?? true }
  }

  // MARK: - Writing

  /// Applies all changes or none.
  func apply(_ changes: Changes) throws(DeviceStoreError) {
    try transaction { database in
      for row in changes.written {
        try database.cachedStatement(
          sql: "INSERT OR REPLACE INTO record (name, kind, generation, sealed) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [Data(row.name), Data(row.kind), Int64(bitPattern: row.generation), Data(row.sealed)])
      }
      for name in changes.removed {
        try database.cachedStatement(sql: "DELETE FROM record WHERE name = ?").execute(arguments: [Data(name)])
      }
      for entry in changes.history {
        try database.cachedStatement(
          sql: "INSERT OR REPLACE INTO history (conversation, position, sealed) VALUES (?, ?, ?)"
        ).execute(arguments: [Data(entry.tag), entry.position, Data(entry.sealed)])
      }
      if changes.leavesStaleValues {
        try database.cachedStatement(sql: "UPDATE erasure SET stale = 1 WHERE stale = 0").execute()
      }
    }
  }

  /// Puts each row that `seal` gives a new form for in that form, in one transaction, and empties the log.
  func reseal(_ seal: (RowSeal.Row) throws(DeviceStoreError) -> RowSeal.Row?) throws(DeviceStoreError) {
    try transaction { database in
      let names = try Data.fetchAll(database, sql: "SELECT name FROM record WHERE generation > 0")
      for name in names {
        guard
          let row = try Row.fetchOne(
            database.cachedStatement(sql: "SELECT name, kind, generation, sealed FROM record WHERE name = ?"),
            arguments: [name]),
          let fresh = try seal(DeviceDatabase.row(row))
        else { continue }
        beforeStep()
        try database.cachedStatement(sql: "UPDATE record SET generation = ?, sealed = ? WHERE name = ?")
          .execute(arguments: [Int64(bitPattern: fresh.generation), Data(fresh.sealed), name])
      }
      try database.execute(sql: "UPDATE erasure SET stale = 0")
      beforeStep()
    }
    beforeStep()
    do {
      try queue.writeWithoutTransaction { database in
        // Not a query of ours, so its row is read and dropped.
        _ = try Row.fetchOne(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)")
      }
    } catch { throw .unavailable }
  }

  func close() {
    // It is closed with the last reference if a statement is in use, which none is.
    try? queue.close()
  }

  // MARK: - Failures

  private static func row(_ row: Row) -> RowSeal.Row {
    RowSeal.Row(
      name: [UInt8](row["name"] as Data), kind: [UInt8](row["kind"] as Data),
      generation: UInt64(bitPattern: row["generation"]), sealed: [UInt8](row["sealed"] as Data))
  }

  private func read<Value>(_ body: (Database) throws -> Value) throws(DeviceStoreError) -> Value {
    do {
      return try queue.read(body)
    } catch { throw DeviceDatabase.storeError(error) }
  }

  /// Until COMMIT nothing is applied; a COMMIT that fails for another reason than space may have reached the disk.
  private func transaction(_ body: (Database) throws -> Void) throws(DeviceStoreError) {
    var isCommitting = false
    do {
      try queue.writeWithoutTransaction { database in
        try database.inTransaction(.immediate) {
          try body(database)
          isCommitting = true
          return .commit
        }
      }
    } catch let error as DatabaseError {
      guard isCommitting, error.resultCode != .SQLITE_FULL else { throw DeviceDatabase.storeError(error) }
      throw .outcomeUnknown
    } catch { throw DeviceDatabase.storeError(error) }
  }

  private static func storeError(_ error: any Error) -> DeviceStoreError {
    if let error = error as? DeviceStoreError { return error }
    switch (error as? DatabaseError)?.resultCode {
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .unreadable
    default: return .unavailable
    }
  }

  private static func profileError(_ error: any Error) -> ProfileError {
    if let error = error as? ProfileError { return error }
    switch (error as? DatabaseError)?.resultCode {
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .damaged
    case .SQLITE_BUSY, .SQLITE_LOCKED: return .inUse
    default: return .system(errno: EIO)
    }
  }
}
