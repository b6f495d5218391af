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
  struct Row: Hashable {
    let id: Int64
    let byteCount: Int
    let page: Int
    let offset: Int
  }

  let pageByteCount: Int
  /// The pages of the database file, from 1.
  private(set) var pages: [Int: [UInt8]] = [:]
  private(set) var frames: [Frame] = []

  init(database: [UInt8], log: [UInt8]) {
    pageByteCount = Int(database[16]) << 8 | Int(database[17])
    for start in stride(from: 0, to: database.count - pageByteCount + 1, by: pageByteCount) {
      pages[start / pageByteCount + 1] = Array(database[start..<start + pageByteCount])
    }
    var transaction = 0
    var start = 32
    while start + 24 + pageByteCount <= log.count {
      let header = log[start..<start + 24]
      func word(_ index: Int) -> Int { header.dropFirst(index * 4).prefix(4).reduce(0) { $0 << 8 | Int($1) } }
      frames.append(Frame(page: word(0), bytes: Array(log[start + 24..<start + 24 + pageByteCount]), transaction: transaction))
      if word(1) != 0 { transaction += 1 }
      start += 24 + pageByteCount
    }
  }

  /// The pages as they are after the log.
  var current: [Int: [UInt8]] { frames.reduce(into: pages) { $0[$1.page] = $1.bytes } }

  /// The rows of a leaf page of a table with row numbers; none for any other page.
  static func rows(_ bytes: [UInt8], page: Int) -> [Row] {
    let base = page == 1 ? 100 : 0
    guard bytes[base] == 0x0D else { return [] }
    let count = Int(bytes[base + 3]) << 8 | Int(bytes[base + 4])
    return (0..<count).compactMap { index in
      let offset = Int(bytes[base + 8 + 2 * index]) << 8 | Int(bytes[base + 9 + 2 * index])
      var position = offset
      guard let size = varint(bytes, &position), let id = varint(bytes, &position), size > 0 else { return nil }
      return Row(id: Int64(bitPattern: id), byteCount: Int(size), page: page, offset: offset)
    }
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

  /// Where names of 32 bytes stand in a page, and a fingerprint of the bytes behind each.
  static func finds(_ names: [[UInt8]: Int], in bytes: [UInt8], reach: Int) -> [Int: (offset: Int, content: [UInt8])] {
    var found: [Int: (offset: Int, content: [UInt8])] = [:]
    let prefixes = Set(names.keys.map { $0[0] })
    for offset in 0..<max(0, bytes.count - 32) where prefixes.contains(bytes[offset]) {
      guard let index = names[Array(bytes[offset..<offset + 32])] else { continue }
      found[index] = (offset, Array(bytes[offset + 32..<min(bytes.count, offset + 32 + reach)]))
    }
    return found
  }
}
