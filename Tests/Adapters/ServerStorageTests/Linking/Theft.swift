import Foundation
import GRDB

/// What a thief sees who copied a server's files twice, a day apart, the second time with the write-ahead log.
struct Theft {
  typealias Name = [UInt8]

  /// What one transaction of the second copy's log did, by table.
  struct Step {
    var made: [String: [Name]] = [:]
    var changed: [String: [(name: Name, before: StolenFiles.Record, after: StolenFiles.Record)]] = [:]
    var inserted: [String: Set<Int64>] = [:]
    var deleted: [String: Set<Int64>] = [:]
  }

  /// The rows of one state of the database: by table, those with names and those with numbers.
  struct State {
    var records: [String: [Name: StolenFiles.Record]] = [:]
    var cells: [String: [Int64: StolenFiles.Cell]] = [:]
  }

  /// An empty row that shows where a queue lies, and not a cell, has at most so many bytes.
  static let markByteCount = 100

  /// The first copy; the second without its log, and with it.
  let before: State
  let beforeLog: State
  let after: State
  let steps: [Step]
  /// Rows as SQL shows them: of the first copy, and of the second with its log.
  let rowsBefore: DatabaseQueue
  let rowsAfter: DatabaseQueue
  private let folder: TemporaryServer

  typealias Files = (database: [UInt8], log: [UInt8])

  init(before: Files, after: Files) throws {
    folder = try TemporaryServer()
    for (name, files) in [("before", before), ("after", after)] {
      try folder.write(files.database, to: name)
      try folder.write(files.log, to: "\(name)-wal")
    }
    rowsBefore = try DatabaseQueue(path: folder.file("before"))
    rowsAfter = try DatabaseQueue(path: folder.file("after"))
    let roots = try rowsAfter.read { db in
      Dictionary(
        uniqueKeysWithValues: try Row.fetchAll(db, sql: "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'")
          .map { ($0[0] as String, $0[1] as Int) })
    }
    let (first, second) = (StolenFiles(database: before.database, log: before.log), StolenFiles(database: after.database, log: after.log))
    self.before = State(first.current, roots)
    beforeLog = State(second.pages, roots)
    self.after = State(second.current, roots)
    steps = Self.steps(of: second, roots)
  }

  static func copy(_ server: TemporaryServer) throws -> Files {
    (try server.read("server.sqlite"), try server.read("server.sqlite-wal"))
  }

  private static func steps(of files: StolenFiles, _ roots: [String: Int]) -> [Step] {
    var pages = files.pages
    // A page can come to a tree and leave it within the log.
    var owners = StolenFiles.owners(of: roots, in: pages)
    let transactions = Dictionary(grouping: files.frames, by: \.transaction)
    return transactions.keys.sorted().map { transaction in
      let frames = Dictionary((transactions[transaction] ?? []).map { ($0.page, $0.bytes) }) { _, last in last }
      var (old, new) = (State(), State())
      for page in frames.keys { if let table = owners[page] { old.add(pages[page] ?? [], page, table) } }
      pages.merge(frames) { _, last in last }
      owners = StolenFiles.owners(of: roots, in: pages)
      for (page, bytes) in frames { if let table = owners[page] { new.add(bytes, page, table) } }
      return Step(from: old, to: new)
    }
  }
}

extension Theft.State {
  init(_ pages: StolenFiles.Pages, _ roots: [String: Int]) {
    for (page, table) in StolenFiles.owners(of: roots, in: pages) { add(pages[page] ?? [], page, table) }
  }

  mutating func add(_ bytes: [UInt8], _ page: Int, _ table: String) {
    for record in StolenFiles.records(bytes, page: page) { records[table, default: [:]][record.name] = record }
    for cell in StolenFiles.cells(bytes, page: page) { cells[table, default: [:]][cell.id] = cell }
  }

  /// The cells of a table that hold something.
  func fullCells(_ table: String = "envelopes") -> [Int64: StolenFiles.Cell] {
    cells[table, default: [:]].filter { $0.value.byteCount > Theft.markByteCount }
  }
}

extension Theft.Step {
  fileprivate init(from old: Theft.State, to new: Theft.State) {
    for (table, rows) in new.records {
      let known = old.records[table] ?? [:]
      made[table] = rows.keys.filter { known[$0] == nil }
      changed[table] = rows.compactMap { name, row in
        guard let before = known[name], before.content != row.content else { return nil }
        return (name, before, row)
      }
    }
    for table in Set(new.cells.keys).union(old.cells.keys) {
      let (left, right) = (Set(old.fullCells(table).keys), Set(new.fullCells(table).keys))
      inserted[table] = right.subtracting(left)
      deleted[table] = left.subtracting(right)
    }
  }
}
