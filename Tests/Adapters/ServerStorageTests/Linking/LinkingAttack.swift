import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// What a thief sees who copied a server's files twice, a day apart, the second time with the write-ahead log.
struct Theft {
  let before: StolenFiles
  let after: StolenFiles
  /// Rows as SQL shows them: of the first copy, and of the second with its log.
  let rowsBefore: DatabaseQueue
  let rowsAfter: DatabaseQueue

  private let folder: TemporaryServer

  init(before: (database: [UInt8], log: [UInt8]), after: (database: [UInt8], log: [UInt8])) throws {
    folder = try TemporaryServer()
    self.before = StolenFiles(database: before.database, log: before.log)
    self.after = StolenFiles(database: after.database, log: after.log)
    for (name, files) in [("before", before), ("after", after)] {
      try folder.write(files.database, to: name)
      try folder.write(files.log, to: "\(name)-wal")
    }
    rowsBefore = try DatabaseQueue(path: folder.file("before"))
    rowsAfter = try DatabaseQueue(path: folder.file("after"))
  }

  static func copy(_ server: TemporaryServer) throws -> (database: [UInt8], log: [UInt8]) {
    (try server.read("server.sqlite"), try server.read("server.sqlite-wal"))
  }
}

/// Scores every pair of mailbox rows by everything in the files that could tell whether they belong together.
enum LinkingAttack {
  /// What is known of one mailbox's row.
  private struct Profile {
    var features: [Double] = []
    /// Waiting envelopes by day and size.
    var queue: [String: Double] = [:]
    var arrivals = 0.0
    var deliveryKeyCount = 0.0
    var isNew = false
    var hasChanged = false
    var byteCount = 0
    var page = 0
    var offset = 0
    /// Transactions of the log in which it has changed.
    var changes: Set<Int> = []
    /// Transactions of the log in which its inner seal has changed.
    var realChanges: Set<Int> = []
    var hasReallyChanged = false
  }

  // MARK: Schema 1

  static func scoreOldLayout(_ theft: Theft, _ names: [StoredName], isLinked: (Int, Int) -> Bool) throws -> LinkScore {
    var profiles = try profiles(theft, names)
    let counts = try theft.rowsAfter.read { db in
      try Row.fetchAll(db, sql: "SELECT expires, length(sealed), count(*) FROM envelopes GROUP BY 1, 2")
    }
    // What few have is worth more: a rare size on a certain day.
    var rarity: [String: Double] = [:]
    for row in counts { rarity["\(row[0] as Int) \(row[1] as Int)"] = 1 / log(2 + Double(row[2] as Int)) }
    for (index, name) in names.enumerated() {
      try theft.rowsAfter.read { db in
        let data = Data(name.bytes)
        for row in try Row.fetchAll(
          db, sql: "SELECT expires, length(sealed), count(*) FROM envelopes WHERE mailbox = ? GROUP BY 1, 2", arguments: [data])
        {
          let key = "\(row[0] as Int) \(row[1] as Int)"
          profiles[index].queue[key] = Double(row[2] as Int) * (rarity[key] ?? 1)
        }
        profiles[index].deliveryKeyCount =
          try Double.fetchOne(db, sql: "SELECT count(*) FROM delivery_keys WHERE mailbox = ?", arguments: [data]) ?? 0
        profiles[index].arrivals =
          try Double.fetchOne(db, sql: "SELECT last_sequence FROM mailboxes WHERE name = ?", arguments: [data]) ?? 0
      }
      profiles[index].arrivals -= try theft.rowsBefore.read {
        try Double.fetchOne($0, sql: "SELECT last_sequence FROM mailboxes WHERE name = ?", arguments: [Data(name.bytes)]) ?? 0
      }
    }
    var score = LinkScore([
      "likeness of the queues by day and size", "likeness of the lengths of the queues", "likeness of what came since the first copy",
      "as many delivery keys", "how much came to both", "how many delivery keys both have", "likeness of long queues",
      "written in one transaction of the log",
      "both new since the first copy", "neighbours in a page",
    ])
    pairs(names.count) { one, other in
      let (left, right) = (profiles[one], profiles[other])
      let (leftLength, rightLength) = (log(1 + left.queue.values.reduce(0, +)), log(1 + right.queue.values.reduce(0, +)))
      let distance = abs(Double(left.offset - right.offset))
      let isNeighbour = left.page == right.page && left.page > 0
      var values: [Double] = [cosine(left.queue, right.queue), -abs(leftLength - rightLength)]
      values.append(-abs(log(1 + max(0, left.arrivals)) - log(1 + max(0, right.arrivals))))
      values.append(-abs(left.deliveryKeyCount - right.deliveryKeyCount))
      values.append(log(1 + max(0, min(left.arrivals, right.arrivals))))
      values.append(min(left.deliveryKeyCount, right.deliveryKeyCount))
      values.append(cosine(left.queue, right.queue) * min(leftLength, rightLength))
      values.append(Double(left.changes.intersection(right.changes).count))
      values.append(flag(left.isNew && right.isNew))
      values.append(isNeighbour ? 1 / (1 + distance / 100) : 0)
      score.add(values, isLinked: isLinked(one, other))
    }
    return score
  }

  // MARK: Schema 2

  /// - Parameter veil: what `server.keys` opens, if that was stolen, too.
  static func score(_ theft: Theft, _ names: [StoredName], veil: Secret?, isLinked: (Int, Int) -> Bool) throws -> LinkScore {
    let profiles = try profiles(theft, names, veil: veil)
    var score = LinkScore(
      [
        "rows of one size", "both new since the first copy", "both changed since the first copy", "changed in one transaction of the log",
        "both changed in the log", "transactions of the log near each other", "neighbours in a page",
      ]
        + (veil == nil
          ? [] : ["both really changed since the first copy", "both really changed in the log", "really changed near each other"]))
    pairs(names.count) { one, other in
      let (left, right) = (profiles[one], profiles[other])
      let distance = abs(Double(left.offset - right.offset))
      let isNeighbour = left.page == right.page && left.page > 0
      var values: [Double] = [flag(left.byteCount == right.byteCount), flag(left.isNew && right.isNew)]
      values.append(flag(left.hasChanged && right.hasChanged))
      values.append(Double(left.changes.intersection(right.changes).count))
      values.append(flag(!left.changes.isEmpty && !right.changes.isEmpty))
      values.append(nearness(left.changes, right.changes))
      values.append(isNeighbour ? 1 / (1 + distance / 1_000) : 0)
      if veil != nil {
        values.append(flag(left.hasReallyChanged && right.hasReallyChanged))
        values.append(flag(!left.realChanges.isEmpty && !right.realChanges.isEmpty))
        values.append(nearness(left.realChanges, right.realChanges))
      }
      score.add(values, isLinked: isLinked(one, other))
    }
    return score
  }

  // MARK: Cells

  /// What the log tells of cells: which were written in one transaction, and which were deleted in one.
  struct CellView {
    var inserted: [[Int64]] = []
    var deleted: [[Int64]] = []
    /// Cells and where they lie, by number.
    var places: [Int64: (page: Int, offset: Int, byteCount: Int)] = [:]
  }

  static func cells(_ files: StolenFiles) -> CellView {
    var view = CellView()
    var pages = files.pages
    let transactions = Dictionary(grouping: files.frames, by: \.transaction)
    for transaction in transactions.keys.sorted() {
      var (before, after) = (Set<Int64>(), Set<Int64>())
      for frame in transactions[transaction] ?? [] {
        before.formUnion(StolenFiles.rows(pages[frame.page] ?? [0], page: frame.page).filter { $0.byteCount > 100 }.map(\.id))
        after.formUnion(StolenFiles.rows(frame.bytes, page: frame.page).filter { $0.byteCount > 100 }.map(\.id))
        pages[frame.page] = frame.bytes
      }
      view.inserted.append(Array(after.subtracting(before)))
      view.deleted.append(Array(before.subtracting(after)))
    }
    for (page, bytes) in pages {
      for row in StolenFiles.rows(bytes, page: page) { view.places[row.id] = (page, row.offset, row.byteCount) }
    }
    return view
  }

  // MARK: Parts

  private static func profiles(_ theft: Theft, _ names: [StoredName], veil: Secret? = nil) throws -> [Profile] {
    let index = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1.bytes, $0) })
    var profiles = names.map { _ in Profile() }
    // The longest record of a small mailbox, with its header.
    let reach = 1_200
    var known: [Int: [UInt8]] = [:]
    var inner: [Int: [UInt8]] = [:]
    func open(_ mailbox: Int, _ queue: DatabaseQueue) throws -> [UInt8]? {
      guard let veil else { return nil }
      let name = Data(names[mailbox].bytes)
      let sealed = try queue.read { try Data.fetchOne($0, sql: "SELECT sealed FROM mailboxes WHERE name = ?", arguments: [name]) }
      return sealed.flatMap { RecordRows.uncover(Array($0), Array("mailboxes".utf8) + names[mailbox].bytes, veil: veil) }
    }
    var before: Set<Int> = []
    for bytes in theft.before.current.values {
      for (mailbox, find) in StolenFiles.finds(index, in: bytes, reach: reach) {
        before.insert(mailbox)
        known[mailbox] = find.content
      }
    }
    for (page, bytes) in theft.after.pages {
      for (mailbox, find) in StolenFiles.finds(index, in: bytes, reach: reach) {
        if let old = known[mailbox], old != find.content { profiles[mailbox].hasChanged = true }
        known[mailbox] = find.content
        inner[mailbox] = Self.inner(find.content, names[mailbox], veil)
        (profiles[mailbox].page, profiles[mailbox].offset) = (page, find.offset)
      }
    }
    for frame in theft.after.frames {
      for (mailbox, find) in StolenFiles.finds(index, in: frame.bytes, reach: reach) where known[mailbox] != find.content {
        profiles[mailbox].changes.insert(frame.transaction)
        known[mailbox] = find.content
        let opened = Self.inner(find.content, names[mailbox], veil)
        if veil != nil, opened != inner[mailbox] { profiles[mailbox].realChanges.insert(frame.transaction) }
        inner[mailbox] = opened
        (profiles[mailbox].page, profiles[mailbox].offset) = (frame.page, find.offset)
      }
    }
    for mailbox in names.indices {
      profiles[mailbox].isNew = !before.contains(mailbox)
      profiles[mailbox].byteCount = try theft.rowsAfter.read { db in
        let columns = try db.columns(in: "mailboxes").map(\.name)
        guard columns.contains("sealed") else { return 0 }
        return try Int.fetchOne(db, sql: "SELECT length(sealed) FROM mailboxes WHERE name = ?", arguments: [Data(names[mailbox].bytes)])
          ?? 0
      }
      if veil != nil { profiles[mailbox].hasReallyChanged = try open(mailbox, theft.rowsBefore) != open(mailbox, theft.rowsAfter) }
    }
    return profiles
  }

  /// The inner seal of a record of the smallest size, which stands behind its name in a page.
  private static func inner(_ content: [UInt8], _ name: StoredName, _ veil: Secret?) -> [UInt8]? {
    let record = MailboxRecord(ownerKey: .random(using: SystemRandom()), sealKey: .random(using: SystemRandom())).bytes.count
    let sealed = Array(content.prefix(record + 2 * RowKeys.overheadByteCount))
    return veil.flatMap { RecordRows.uncover(sealed, Array("mailboxes".utf8) + name.bytes, veil: $0) }
  }

  private static func pairs(_ count: Int, _ body: (Int, Int) -> Void) {
    for one in 0..<count { for other in (one + 1)..<max(count, one + 1) { body(one, other) } }
  }

  private static func flag(_ condition: Bool) -> Double { condition ? 1 : 0 }

  private static func cosine(_ left: [String: Double], _ right: [String: Double]) -> Double {
    let product = left.reduce(0) { $0 + $1.value * (right[$1.key] ?? 0) }
    let lengths = (left.values.reduce(0) { $0 + $1 * $1 } * right.values.reduce(0) { $0 + $1 * $1 }).squareRoot()
    return lengths > 0 ? product / lengths : 0
  }

  private static func nearness(_ left: Set<Int>, _ right: Set<Int>) -> Double {
    guard let distance = left.flatMap({ one in right.map { abs(one - $0) } }).min() else { return 0 }
    return 1 / (1 + Double(distance))
  }
}
