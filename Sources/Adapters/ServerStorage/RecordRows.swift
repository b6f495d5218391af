import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Records that are found by name and change: sealed under their place's key, and once more under a key of the server for the row.
///
/// The outer seal can be made anew without the place. Whenever a record is written, its whole crowd is given fresh bytes with it,
/// and once a day all records are: that a row has changed says little, and that it has changed since yesterday nothing.
struct RecordRows {
  enum Table: String, CaseIterable {
    case mailboxes, logs, capabilities

    /// The row of a name, or the next one. Whole texts, for it is asked for each copy of a message.
    fileprivate var find: String {
      switch self {
      case .mailboxes: "SELECT name, sealed FROM mailboxes WHERE name >= ? ORDER BY name LIMIT 1"
      case .logs: "SELECT name, sealed FROM logs WHERE name >= ? ORDER BY name LIMIT 1"
      case .capabilities: "SELECT name, sealed FROM capabilities WHERE name >= ? ORDER BY name LIMIT 1"
      }
    }
  }

  /// Records in a crowd, at least, where a table has so many.
  static let crowdCount = 9
  /// Records that one transaction gives fresh bytes.
  static let refreshCount = 64

  private let table: Table
  private let rows: Rows
  private let veil: Secret

  init(_ db: Database, _ table: Table, veil: Secret) {
    rows = Rows(db)
    self.table = table
    self.veil = veil
  }

  private func aad(_ name: Data) -> [UInt8] { Array(table.rawValue.utf8) + Array(name) }

  /// Seals a record once more, under a key that is this row's alone: random nonces of one key for all rows and all days would run
  /// out (NIST SP 800-38D, 8.3).
  private func cover(_ inner: [UInt8], _ aad: [UInt8]) -> Data {
    Data(RowKeys.seal(inner, key: Secret(HashAlgorithm.sha256.hmac(key: veil, aad)), aad: aad))
  }

  private func uncover(_ sealed: Data, _ aad: [UInt8]) -> [UInt8]? { Self.uncover(Array(sealed), aad, veil: veil) }

  /// What `server.keys` alone opens of a record.
  static func uncover(_ sealed: [UInt8], _ aad: [UInt8], veil: Secret) -> [UInt8]? {
    RowKeys.open(sealed, key: Secret(HashAlgorithm.sha256.hmac(key: veil, aad)), aad: aad)
      // Rows of schema 2 that got no fresh bytes since are covered by the one key of then.
      ?? RowKeys.open(sealed, key: veil, aad: aad)
  }

  /// The record of a place, or nil when there is none.
  ///
  /// Where there is none the next row is opened, by a key that does not fit: who may not know whether a place exists shall not
  /// learn it by the clock.
  func read(_ place: StoredPlace, _ keys: RowKeys) throws -> [UInt8]? {
    let name = place.name.data
    guard let row = try row(from: name) ?? row(from: Data()) else { return nil }
    let aad = aad(row.name)
    let record = uncover(row.sealed, aad).flatMap { keys.open($0, aad: aad) }
    guard row.name == name else { return nil }
    guard let record else { throw DamagedRow() }
    return record
  }

  /// The row of a name, or the next one in their order.
  private func row(from name: Data) throws -> NamedRow? { try rows.value(table.find, [name]) }

  func write(_ record: [UInt8], of place: StoredPlace, _ keys: RowKeys, expires: Day? = nil) throws {
    let name = place.name.data
    let aad = aad(name)
    let sealed = cover(keys.seal(record, aad: aad), aad)
    // An update leaves the row where it is; a replacement would delete it first.
    if let expires {
      try rows.run(
        "INSERT INTO \(table.rawValue) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET expires = excluded.expires, sealed = excluded.sealed",
        [name, expires.integer, sealed])
    } else {
      try rows.run(
        "INSERT INTO \(table.rawValue) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed", [name, sealed])
    }
    let crowd = try crowd(of: name)
    try refresh("name >= ? AND name < ? AND name != ?", [crowd.first, crowd.end, name])
  }

  /// The range of names whose records get fresh bytes whenever one of them is written.
  ///
  /// All names are halved, by their first eight bytes, again and again for as long as each half holds a crowd. So crowds do not overlap,
  /// and stay what they are until enough records come or go: who sees one change ten times learns no more than by the first, where
  /// companions drawn anew each time would leave the one that was always among them. Names look random, so a crowd has some twenty.
  private func crowd(of name: Data) throws -> (first: Data, end: Data) {
    let prefix = name.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    var prefixes = UInt64.min...UInt64.max
    while prefixes.lowerBound < prefixes.upperBound {
      let middle = prefixes.lowerBound + (prefixes.upperBound - prefixes.lowerBound) / 2
      let (left, right) = (prefixes.lowerBound...middle, middle + 1...prefixes.upperBound)
      guard try isCrowd(left), try isCrowd(right) else { break }
      prefixes = left.contains(prefix) ? left : right
    }
    return Self.names(prefixes)
  }

  private func isCrowd(_ prefixes: ClosedRange<UInt64>) throws -> Bool {
    let names = Self.names(prefixes)
    let row = try rows.first(
      "SELECT count(*) FROM (SELECT 1 FROM \(table.rawValue) WHERE name >= ? AND name < ? LIMIT \(Self.crowdCount))",
      [names.first, names.end])
    return row.map { $0[0] as Int } == Self.crowdCount
  }

  private static func names(_ prefixes: ClosedRange<UInt64>) -> (first: Data, end: Data) {
    let (next, isBeyondAll) = prefixes.upperBound.addingReportingOverflow(1)
    let end = isBeyondAll ? [UInt8](repeating: 0xFF, count: StoredName.byteCount + 1) : next.bigEndianBytes
    return (Data(prefixes.lowerBound.bigEndianBytes), Data(end))
  }

  /// Gives the next records, in the order of their names, fresh bytes.
  ///
  /// - Parameter start: the last name of the step before; empty in the beginning.
  /// - Returns: the last name, or nil when there are no more.
  func refreshSome(after start: [UInt8]) throws -> [UInt8]? {
    try refresh("name > ? ORDER BY name LIMIT \(Self.refreshCount)", [Data(start)])
  }

  /// - Returns: the last name that was found.
  @discardableResult private func refresh(_ condition: String, _ arguments: StatementArguments) throws -> [UInt8]? {
    let found = try rows.all("SELECT name, sealed FROM \(table.rawValue) WHERE \(condition)", arguments)
    for row in found {
      let name: Data = row[0]
      let aad = aad(name)
      // A damaged record is found by who names it; it must not keep others from being written.
      guard let inner = uncover(row[1], aad) else { continue }
      try rows.run(
        "UPDATE \(table.rawValue) SET sealed = ? WHERE name = ?", [cover(inner, aad), name])
    }
    return found.last.map { Array($0[0] as Data) }
  }
}

/// Two columns that are read as one.
private struct NamedRow: DatabaseValueConvertible, StatementColumnConvertible {
  let name: Data
  let sealed: Data

  init?(sqliteStatement statement: SQLiteStatement, index: CInt) {
    // `unsafe`: the statement is lent by who steps it and stands at a row, of which it copies the columns.
    name = unsafe Data(sqliteStatement: statement, index: index)
    sealed = unsafe Data(sqliteStatement: statement, index: index + 1)
  }

  /// It stands for its columns only while a statement is read.
  static func fromDatabaseValue(_ value: DatabaseValue) -> NamedRow? { nil }
  var databaseValue: DatabaseValue { .null }
}
