import Foundation

/// A copy of a database file and its write-ahead log, as bytes: what a thief has.
struct StolenFiles {
  struct Frame {
    let page: Int
    let bytes: [UInt8]
    /// Counts committed transactions in this log.
    let transaction: Int
  }

  /// One row of a table with row numbers, as it lies in a page.
  struct Cell: Hashable {
    let id: Int64
    let byteCount: Int
    let page: Int
    let offset: Int
  }

  /// One row of a table whose key is a name, as it lies in a page.
  struct Record {
    let name: [UInt8]
    /// What stands behind the name.
    let content: [UInt8]
    /// Bytes of the last column.
    let sealedCount: Int
    let page: Int
    let offset: Int

    var sealed: [UInt8] { Array(content.suffix(sealedCount)) }
  }

  /// Pages by their number, from 1.
  typealias Pages = [Int: [UInt8]]

  let pageByteCount: Int
  /// The pages of the database file.
  private(set) var pages: Pages = [:]
  private(set) var frames: [Frame] = []

  init(database: [UInt8], log: [UInt8]) {
    pageByteCount = Int(database[16]) << 8 | Int(database[17])
    for start in stride(from: 0, to: database.count - pageByteCount + 1, by: pageByteCount) {
      pages[start / pageByteCount + 1] = Array(database[start..<start + pageByteCount])
    }
    var transaction = 0
    var start = 32
    while start + 24 + pageByteCount <= log.count {
      let header = Array(log[start..<start + 24])
      // SQLite begins again at the front when the log is long; what a former round left behind it has other salts.
      guard header[8..<16] == log[16..<24] else { break }
      frames.append(
        Frame(
          page: Self.integer(header, 0, 4), bytes: Array(log[start + 24..<start + 24 + pageByteCount]), transaction: transaction))
      if Self.integer(header, 4, 4) != 0 { transaction += 1 }
      start += 24 + pageByteCount
    }
  }

  /// The pages as they are after the log.
  var current: Pages { frames.reduce(into: pages) { $0[$1.page] = $1.bytes } }

  // MARK: Pages

  /// Which pages belong to trees with these roots, by the names of the trees.
  static func owners(of roots: [String: Int], in pages: Pages) -> [Int: String] {
    var owners: [Int: String] = [:]
    for (name, root) in roots {
      var open = [root]
      while let page = open.popLast(), let bytes = pages[page], owners[page] == nil {
        owners[page] = name
        guard bytes.count > 12, bytes[0] == 0x05 || bytes[0] == 0x02 else { continue }
        open += offsets(bytes, page).map { integer(bytes, $0, 4) } + [integer(bytes, 8, 4)]
      }
    }
    return owners
  }

  /// The rows of a leaf page of a table with row numbers; none for any other page.
  static func cells(_ bytes: [UInt8], page: Int) -> [Cell] {
    guard page > 1, bytes.first == 0x0D else { return [] }
    return offsets(bytes, page).compactMap { offset in
      var position = offset
      guard let size = varint(bytes, &position), let id = varint(bytes, &position), size > 0 else { return nil }
      return Cell(id: Int64(bitPattern: id), byteCount: Int(size), page: page, offset: offset)
    }
  }

  /// The rows of a page of a table whose key is a name of 32 bytes; none for any other page.
  static func records(_ bytes: [UInt8], page: Int) -> [Record] {
    guard page > 1, bytes.first == 0x0A || bytes.first == 0x02 else { return [] }
    return offsets(bytes, page).compactMap { offset in
      var position = offset + (bytes[0] == 0x02 ? 4 : 0)
      guard let size = varint(bytes, &position) else { return nil }
      let start = position
      guard let headerCount = varint(bytes, &position), size < 65_536, headerCount < 64 else { return nil }
      var types: [UInt64] = []
      while position < start + Int(headerCount), let type = varint(bytes, &position) { types.append(type) }
      let body = start + Int(headerCount)
      let end = min(bytes.count, start + Int(size))
      guard types.first == 12 + 2 * 32, body + 32 <= end else { return nil }
      let sealedCount = types.last.map { $0 >= 12 ? Int($0 - 12) / 2 : 0 } ?? 0
      return Record(
        name: Array(bytes[body..<body + 32]), content: Array(bytes[body + 32..<end]), sealedCount: sealedCount, page: page, offset: offset)
    }
  }

  /// Where the rows of a page begin.
  private static func offsets(_ bytes: [UInt8], _ page: Int) -> [Int] {
    let base = page == 1 ? 100 : 0
    let start = base + (bytes[base] == 0x02 || bytes[base] == 0x05 ? 12 : 8)
    return (0..<integer(bytes, base + 3, 2)).map { integer(bytes, start + 2 * $0, 2) }
  }

  private static func integer(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int {
    guard start >= 0, start + count <= bytes.count else { return 0 }
    return bytes[start..<start + count].reduce(0) { $0 << 8 | Int($1) }
  }

  private static func varint(_ bytes: [UInt8], _ position: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard position < bytes.count else { return nil }
      let byte = bytes[position]
      position += 1
      if index == 8 { return value << 8 | UInt64(byte) }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte < 0x80 { return value }
    }
    return value
  }
}
