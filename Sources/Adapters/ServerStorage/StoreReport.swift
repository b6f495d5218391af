import GRDB
public import MailboxEngine

/// How much a store holds.
public struct StoreCounts: Equatable, Sendable {
  /// Rows of each table, by its name.
  public var rows: [String: Int]
  /// Bytes of the sealed cells of all tables, by the day on which they go if nobody fetches or deletes them before.
  public var cellBytes: [Day: Int]

  public init(rows: [String: Int] = [:], cellBytes: [Day: Int] = [:]) {
    self.rows = rows
    self.cellBytes = cellBytes
  }
}

/// Numbers about the store for its operator.
extension SQLiteMailboxStore {
  /// Counts rows and cells. All pages are read for it, beside what clients ask and not in line with it.
  public func counts() async throws(StoreFailure) -> StoreCounts {
    try await read(of: .everything) { context in
      let db = context.db
      var counts = StoreCounts()
      let tables = try String.fetchAll(
        db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
      for table in tables { counts.rows[table] = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table.quotedDatabaseIdentifier)") }
      for table in CellRows.Table.allCases {
        let cells = CellRows(db, table)
        for day in try cells.days() { counts.cellBytes[day, default: 0] += try cells.byteCount(of: day) }
      }
      return counts
    }
  }

  /// The version of the tables.
  public func schemaVersion() async throws(StoreFailure) -> Int {
    try await read { try Int.fetchOne($0.db, sql: "PRAGMA user_version") ?? 0 }
  }
}
