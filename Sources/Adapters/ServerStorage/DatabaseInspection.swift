import Foundation
import GRDB

/// Looks at a database as a thief would: every table that is there, and every value in it.
///
/// It knows nothing of the schema, so that a table that nobody expected is seen too.
package struct DatabaseInspection {
  /// A table with what describes it.
  package struct Table: Sendable, Equatable {
    package var name: String
    package var columns: [String]
    package var rowCount: Int
  }

  private let queue: DatabaseQueue

  /// Opens a database; a write-ahead log beside it is taken in, so that it should be a copy.
  package init(path: String) throws(ServerStorageError) {
    do {
      queue = try DatabaseQueue(path: path)
      _ = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_schema") }
    } catch let error as DatabaseError {
      throw error.resultCode == .SQLITE_NOTADB ? .notADatabase : .database(code: error.extendedResultCode.rawValue)
    } catch { throw .databaseDamaged }
  }

  /// All tables, by name.
  package func tables() throws(ServerStorageError) -> [Table] {
    try reading { db in
      let names = try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      return try names.map { name in
        Table(
          name: name, columns: try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [name]),
          rowCount: try Int.fetchOne(db, sql: "SELECT count(*) FROM \(name.quotedDatabaseIdentifier)") ?? 0)
      }
    }
  }

  /// Visits each row of a table until `visit` returns false: its values in the order of the columns, numbers as their digits.
  package func eachRow(of table: Table, _ visit: ([[UInt8]]) -> Bool) throws(ServerStorageError) {
    try reading { db in
      let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(table.name.quotedDatabaseIdentifier)")
      while let row = try rows.next() {
        let values = (0..<row.count).map { index in
          let value: DatabaseValue = row[index]
          switch value.storage {
          case .null: return [UInt8]()
          case .int64(let number): return Array(String(number).utf8)
          case .double(let number): return Array(String(number).utf8)
          case .string(let text): return Array(text.utf8)
          case .blob(let data): return Array(data)
          }
        }
        guard visit(values) else { return }
      }
    }
  }

  package func close() { try? queue.close() }

  private func reading<Value>(_ body: (Database) throws -> Value) throws(ServerStorageError) -> Value {
    do { return try queue.read(body) } catch let error as DatabaseError {
      throw .database(code: error.extendedResultCode.rawValue)
    } catch { throw .databaseDamaged }
  }
}
