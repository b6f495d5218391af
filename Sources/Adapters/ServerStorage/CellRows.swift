import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import SottoProtocol
import WireFormat

/// Content cut into sealed cells of four sizes, which fit a page of the database whole.
///
/// A cell's number is its expiry day and, below it, a part that follows from the place's key: so cells of one thing, or of one
/// transaction, lie anywhere within their day, and nothing longer than a page puts its pages side by side. Two cells of
/// different places meet at one number once in 2^43 or so; then the later one moves on.
struct CellRows {
  enum Table: String, CaseIterable {
    case envelopes, logEntries = "log_entries", groupInfos = "group_infos", blobs

    var kind: RowKeys.Kind {
      switch self {
      case .envelopes: .envelope
      case .logEntries: .logEntry
      case .groupInfos: .groupInfo
      case .blobs: .blob
      }
    }
  }

  /// Bytes of a cell before it is sealed: the three smallest frames with all that is wrapped around them, and the largest of
  /// which two fit a page.
  static let sizes = [592, 1_104, 2_128, 4_040]
  static let largestSize = 4_040
  private static let partByteCount = 2
  private static let lengthByteCount = 4
  /// Bits of a number below the day.
  private static let positionBits: UInt64 = 43
  private static let lastDay: UInt32 = 0xF_FFFF
  /// Bits of a cell's part: a content has fewer cells than this allows.
  private static let partBits: UInt64 = 15
  /// How many numbers are tried for one cell.
  private static let attempts = 4
  /// Rows that one statement looks up.
  static let batchCount = 32

  let table: Table
  private let rows: Rows
  private let statements: Statements

  init(_ db: Database, _ table: Table) {
    rows = Rows(db)
    self.table = table
    statements = Statements.of(table)
  }

  /// What is asked for each cell, put together once.
  private final class Statements: Sendable {
    let insert: String
    let find: String
    let findSome: String
    let delete: String

    private init(_ table: Table) {
      let name = table.rawValue
      insert = "INSERT OR IGNORE INTO \(name) VALUES (?, ?)"
      find = "SELECT sealed FROM \(name) WHERE id = ?"
      findSome = "SELECT id, sealed FROM \(name) WHERE id IN (\(Array(repeating: "?", count: batchCount).joined(separator: ", ")))"
      delete = "DELETE FROM \(name) WHERE id = ?"
    }

    private static let envelopes = Statements(.envelopes)
    private static let logEntries = Statements(.logEntries)
    private static let groupInfos = Statements(.groupInfos)
    private static let blobs = Statements(.blobs)

    static func of(_ table: Table) -> Statements {
      switch table {
      case .envelopes: envelopes
      case .logEntries: logEntries
      case .groupInfos: groupInfos
      case .blobs: blobs
      }
    }
  }

  // MARK: Numbers

  /// The number of a cell: at most 63 bits.
  static func number(_ day: Day, _ position: UInt64) -> Int64 {
    Int64(UInt64(min(day.number, lastDay)) << positionBits | position & (1 << positionBits - 1))
  }

  /// The first number behind all those of a day.
  static func end(of day: Day) -> Int64 { Int64(clamping: (UInt64(min(day.number, lastDay)) + 1) << positionBits) }

  static func day(of number: Int64) -> Day { Day(number: UInt32(truncatingIfNeeded: number >> Int64(positionBits))) }

  // MARK: Content

  static func cellCount(contentByteCount: Int) -> Int {
    let payload = largestSize - partByteCount
    return max(1, (lengthByteCount + contentByteCount + payload - 1) / payload)
  }

  /// Numbers the parts, and fills the last with zeros up to a size.
  static func cut(_ content: [UInt8]) -> [[UInt8]] {
    var writer = ByteWriter()
    writer.write(UInt32(clamping: content.count))
    writer.writeBytes(content)
    let bytes = writer.bytes
    let payload = largestSize - partByteCount
    return stride(from: 0, to: bytes.count, by: payload).enumerated().map { part, start in
      let piece = bytes[start..<min(bytes.count, start + payload)]
      let size = sizes.first { $0 >= piece.count + partByteCount } ?? largestSize
      var cell = [UInt8(truncatingIfNeeded: part >> 8), UInt8(truncatingIfNeeded: part)]
      cell.reserveCapacity(size)
      cell += piece
      cell += [UInt8](repeating: 0, count: size - cell.count)
      return cell
    }
  }

  /// The length and beginning of a content, from its first cell.
  static func head(_ cell: [UInt8]) -> (byteCount: Int, beginning: [UInt8])? {
    guard cell.count >= partByteCount + lengthByteCount, cell[0] == 0, cell[1] == 0 else { return nil }
    let byteCount = cell[2..<6].reduce(0) { $0 << 8 | Int($1) }
    guard cellCount(contentByteCount: byteCount) < 1 << partBits else { return nil }
    return (byteCount, Array(cell.dropFirst(partByteCount + lengthByteCount).prefix(byteCount)))
  }

  /// Puts a content together again, or nil when its cells do not fit each other.
  static func join(_ cells: [[UInt8]]) -> [UInt8]? {
    guard let first = cells.first, let (byteCount, beginning) = head(first),
      cells.count == cellCount(contentByteCount: byteCount)
    else { return nil }
    var content = beginning
    for (part, cell) in cells.enumerated().dropFirst() {
      guard cell.count > partByteCount, Int(cell[0]) << 8 | Int(cell[1]) == part else { return nil }
      content += cell.dropFirst(partByteCount).prefix(byteCount - content.count)
    }
    return content.count == byteCount ? content : nil
  }

  // MARK: Rows

  private func aad(_ number: Int64) -> [UInt8] { [table.kind.rawValue] + UInt64(bitPattern: number).bigEndianBytes }

  /// Writes a cell, unless something lies under its number.
  func insert(_ cell: [UInt8], at number: Int64, _ keys: RowKeys) throws -> Bool {
    try rows.run(statements.insert, [number, Data(keys.seal(cell, aad: aad(number)))])
    return rows.changes == 1
  }

  func open(_ sealed: Data, at number: Int64, _ keys: RowKeys) -> [UInt8]? { keys.open(Array(sealed), aad: aad(number)) }

  func row(at number: Int64) throws -> Data? { try rows.value(statements.find, [number]) }

  /// Looks up at most `batchCount` numbers.
  func rows(at numbers: [Int64]) throws -> [Int64: Data] {
    let padded = numbers + [Int64](repeating: -1, count: max(0, Self.batchCount - numbers.count))
    var found: [Int64: Data] = [:]
    try rows.each(statements.findSome, StatementArguments(padded)) { row in
      found[row[0]] = row[1] as Data
      return true
    }
    return found
  }

  func delete(_ number: Int64) throws { try rows.run(statements.delete, [number]) }

  /// Deletes some cells that have expired, at most `limit`.
  ///
  /// - Returns: whether there may be more.
  func expireSome(today: Day, limit: Int) throws -> Bool {
    try rows.run(
      "DELETE FROM \(table.rawValue) WHERE id IN (SELECT id FROM \(table.rawValue) WHERE id < ? LIMIT ?)", [Self.end(of: today), limit])
    return rows.changes == limit
  }

  /// The days of which there are cells.
  func days() throws -> [Day] {
    var days: [Day] = []
    var start: Int64 = 0
    while let row = try rows.first("SELECT id FROM \(table.rawValue) WHERE id >= ? ORDER BY id LIMIT 1", [start]) {
      let day = Self.day(of: row[0])
      days.append(day)
      if day.number == Self.lastDay { break }
      start = Self.end(of: day)
    }
    return days
  }

  /// Bytes of the sealed cells of a day. Counted day by day: to group all rows by their day SQLite would sort them in memory.
  func byteCount(of day: Day) throws -> Int {
    let sum: Int? = try rows.value(
      "SELECT sum(length(sealed)) FROM \(table.rawValue) WHERE id BETWEEN ? AND ?", [Self.number(day, 0), Self.end(of: day) - 1])
    return sum ?? 0
  }

  // MARK: Content under an index

  /// Writes a content where `read` finds it under the same index.
  func write(_ content: [UInt8], day: Day, index: UInt64, _ keys: RowKeys) throws {
    for (part, cell) in Self.cut(content).enumerated() {
      guard try numbers(day, index, part, keys).contains(where: { try insert(cell, at: $0, keys) }) else { throw DamagedRow() }
    }
  }

  func read(day: Day, index: UInt64, _ keys: RowKeys) throws -> [UInt8]? {
    guard let first = try cell(day, index, 0, keys)?.cell, let (byteCount, _) = Self.head(first) else { return nil }
    var cells = [first]
    for part in 1..<max(1, Self.cellCount(contentByteCount: byteCount)) {
      guard let cell = try cell(day, index, part, keys)?.cell else { return nil }
      cells.append(cell)
    }
    return Self.join(cells)
  }

  func contains(day: Day, index: UInt64, _ keys: RowKeys) throws -> Bool { try cell(day, index, 0, keys) != nil }

  func remove(day: Day, index: UInt64, _ keys: RowKeys) throws {
    for part in 0..<1 << Int(Self.partBits) {
      guard let (number, _) = try cell(day, index, part, keys) else { return }
      try delete(number)
    }
  }

  private func numbers(_ day: Day, _ index: UInt64, _ part: Int, _ keys: RowKeys) -> [Int64] {
    keys.numbers(table.kind, day: day.number, index: index << Self.partBits | UInt64(part)).map { Self.number(day, $0) }
  }

  private func cell(_ day: Day, _ index: UInt64, _ part: Int, _ keys: RowKeys) throws -> (number: Int64, cell: [UInt8])? {
    for number in numbers(day, index, part, keys) {
      if let sealed = try row(at: number), let cell = open(sealed, at: number, keys) { return (number, cell) }
    }
    return nil
  }
}
