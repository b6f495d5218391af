/// Which bytes of an SQLite database file belong to nothing that lives (file format: sqlite.org/fileformat2.html).
///
/// Deleted content lies there until it is overwritten: pages on the free list, freed blocks and the gap between the cell
/// pointers and the cells of a page of a tree. Whatever cannot be made sense of is left out; the whole file is searched as well.
struct SQLitePages {
  private static let headerByteCount = 100
  private static let magic = Array("SQLite format 3\0".utf8)

  private let bytes: [UInt8]
  private let pageByteCount: Int

  /// - Returns: nil when it is no database file.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.headerByteCount, bytes.starts(with: Self.magic) else { return nil }
    self.bytes = bytes
    let size = Int(bytes[16]) << 8 | Int(bytes[17])
    pageByteCount = size == 1 ? 65_536 : size
    guard pageByteCount >= 512 else { return nil }
  }

  var pageCount: Int { bytes.count / pageByteCount }

  /// Free ranges of the file, in no order.
  var freeRanges: [Range<Int>] {
    guard pageCount > 0 else { return [] }
    let free = freePages
    var ranges: [Range<Int>] = free.map { start(of: $0)..<start(of: $0) + pageByteCount }
    for page in 1...pageCount where !free.contains(page) { ranges += gaps(in: page) }
    return ranges
  }

  /// The numbers of the pages on the free list, counted from 1: trunks and leaves.
  var freePages: Set<Int> {
    var free: Set<Int> = []
    var trunk = integer(at: 32)
    // A page that comes twice ends a damaged list.
    while 1 <= trunk, trunk <= pageCount, free.insert(trunk).inserted {
      let start = start(of: trunk)
      let count = min(integer(at: start + 4), pageByteCount / 4 - 2)
      for index in 0..<max(0, count) {
        let leaf = integer(at: start + 8 + index * 4)
        if 1 <= leaf, leaf <= pageCount { free.insert(leaf) }
      }
      trunk = integer(at: start)
    }
    return free
  }

  private func start(of page: Int) -> Int { (page - 1) * pageByteCount }

  private func gaps(in page: Int) -> [Range<Int>] {
    let start = start(of: page)
    let header = page == 1 ? start + Self.headerByteCount : start
    let type = bytes[header]
    // Pages of trees: inner and leaf, of indexes and of tables. Anything else is an overflow page, which holds one value.
    guard [2, 5, 10, 13].contains(type) else { return [] }
    let pointers = header + (type < 10 ? 12 : 8)
    let contentStart = short(at: header + 5) == 0 ? 65_536 : short(at: header + 5)
    let gap = pointers + 2 * short(at: header + 3)
    var ranges: [Range<Int>] = []
    if gap < start + contentStart, contentStart <= pageByteCount { ranges.append(gap..<start + contentStart) }
    var block = short(at: header + 1)
    // The blocks stand in rising order.
    while block != 0, block + 4 <= pageByteCount {
      let count = short(at: start + block + 2)
      guard count >= 4, block + count <= pageByteCount else { break }
      ranges.append(start + block..<start + block + count)
      let next = short(at: start + block)
      guard next > block else { break }
      block = next
    }
    return ranges
  }

  private func short(at offset: Int) -> Int {
    guard offset + 2 <= bytes.count else { return 0 }
    return Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
  }

  private func integer(at offset: Int) -> Int { short(at: offset) << 16 | short(at: offset + 2) }
}
