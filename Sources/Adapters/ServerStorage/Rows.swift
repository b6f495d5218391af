import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// A connection, with statements that are prepared once.
struct Rows {
  private let db: Database

  init(_ db: Database) { self.db = db }

  func run(_ sql: String, _ arguments: StatementArguments = []) throws {
    try db.cachedStatement(sql: sql).execute(arguments: arguments)
  }

  func first(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
    try Row.fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
  }

  /// The first column of the first row. Made without a `Row`, which asks for the names of all columns and costs more than a lookup.
  func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
    _ sql: String, _ arguments: StatementArguments = []
  ) throws -> Value? {
    try Value.fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
  }

  func all(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
    try Row.fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
  }

  /// Calls `body` with row after row, until it returns false.
  func each(_ sql: String, _ arguments: StatementArguments, _ body: (Row) throws -> Bool) throws {
    let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: arguments)
    while let row = try rows.next(), try body(row) {}
  }

  /// Rows that the last statement has inserted, changed or deleted.
  var changes: Int { db.changesCount }
}

/// A row that cannot be what this program wrote.
struct DamagedRow: Error {}

/// Envelopes are written by a server alone.
struct NotServing: Error {}

extension StoredName {
  var data: Data { Data(bytes) }

  init(_ data: Data) throws {
    guard let name = StoredName(Array(data)) else { throw DamagedRow() }
    self = name
  }
}

extension Day {
  var integer: Int64 { Int64(number) }
}

/// SQLite's integers have a sign. A sequence or slot beyond them exists nowhere, so the largest integer stands for it.
extension UInt64 {
  var integer: Int64 { Int64(clamping: self) }

  init(stored integer: Int64) throws {
    guard let value = UInt64(exactly: integer) else { throw DamagedRow() }
    self = value
  }
}
