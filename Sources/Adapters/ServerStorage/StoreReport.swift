import GRDB
public import MailboxEngine

/// Numbers about the store for its operator.
extension SQLiteMailboxStore {
  /// How many rows each table has, by the table's name. All pages are read for it, beside what clients ask and not in line with it.
  public func rowCounts() async throws(StoreFailure) -> [String: Int] {
    try await read(of: .everything) { context in
      let db = context.db
      var counts: [String: Int] = [:]
      let tables = try String.fetchAll(
        db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
      for table in tables { counts[table] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table.quotedDatabaseIdentifier)") }
      return counts
    }
  }

  /// The version of the tables.
  public func schemaVersion() async throws(StoreFailure) -> Int {
    try await read { try Int.fetchOne($0.db, sql: "PRAGMA user_version") ?? 0 }
  }
}
