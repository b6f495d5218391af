#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Finds many patterns in one pass over bytes, looking at four of every eight of them.
///
/// An occurrence of eleven bytes or more covers a whole four-byte window that begins at a multiple of eight. So the table
/// holds, of each pattern, the windows at its first eight offsets, and only where one of them stands the whole pattern is
/// compared. Hundreds of megabytes take about a second, in a debug build too.
struct PatternTable: Sendable {
  private struct Entry {
    var pattern: Int
    /// Where in the pattern the window begins.
    var offset: Int
  }

  private static let stride = 8
  private static let windowByteCount = 4
  private static let shortestSampled = stride + windowByteCount - 1
  private static let filterBits: UInt32 = 20

  let patterns: [[UInt8]]
  /// The longest pattern, in bytes: how far two pieces of a haystack have to overlap.
  let longest: Int
  /// Which hashes of windows occur at all.
  private var filter = [UInt64](repeating: 0, count: 1 << (filterBits - 6))
  private var entries: [UInt32: [Entry]] = [:]
  /// Patterns that are too short for windows, which are looked for one by one.
  private var short: [Int] = []

  init(_ patterns: [[UInt8]]) {
    self.patterns = patterns
    longest = patterns.map(\.count).max() ?? 0
    for (index, pattern) in patterns.enumerated() {
      guard pattern.count >= Self.shortestSampled else {
        if !pattern.isEmpty { short.append(index) }
        continue
      }
      for offset in 0..<Self.stride {
        // As it is loaded from memory below.
        let window = (0..<Self.windowByteCount).reduce(UInt32(0)) { $0 | UInt32(pattern[offset + $1]) << UInt32($1 * 8) }
        entries[window, default: []].append(Entry(pattern: index, offset: offset))
        let hash = Self.hash(window)
        filter[hash >> 6] |= 1 << UInt64(hash & 63)
      }
    }
  }

  private static func hash(_ window: UInt32) -> Int { Int((window &* 0x9E37_79B1) >> (32 - filterBits)) }

  /// Calls `found` with each pattern and the position at which it begins, if that is before `end`.
  func scan(_ bytes: [UInt8], beginningBefore end: Int, _ found: (_ pattern: Int, _ position: Int) -> Void) {
    // `unsafe`: the pointers stay within the array's storage, which is held during the call; each load and comparison below is
    // inside `count` bytes of it.
    unsafe bytes.withUnsafeBytes { bytes in
      let count = bytes.count
      unsafe filter.withUnsafeBufferPointer { filter in
        var position = 0
        while position + Self.windowByteCount <= count {
          let window = unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
          let hash = Self.hash(window)
          if unsafe filter[hash >> 6] & (1 << UInt64(hash & 63)) != 0, let candidates = entries[window] {
            for entry in candidates {
              let start = position - entry.offset
              if start >= 0, start < end, unsafe stands(patterns[entry.pattern], at: start, in: bytes) { found(entry.pattern, start) }
            }
          }
          position += Self.stride
        }
      }
      for index in short {
        let pattern = patterns[index]
        var position = 0
        // `unsafe`: `bytes` is valid here.
        while let start = unsafe next(pattern, in: bytes, from: position), start < end {
          found(index, start)
          position = start + 1
        }
      }
    }
  }

  /// `bytes` is valid during the call.
  private func stands(_ pattern: [UInt8], at start: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
    guard start + pattern.count <= bytes.count, let base = bytes.baseAddress else { return false }
    // `unsafe`: `pattern.count` bytes from `start` are within `bytes`, as was just checked.
    return unsafe pattern.withUnsafeBytes { pattern in
      guard let wanted = pattern.baseAddress else { return true }
      return unsafe memcmp(base + start, wanted, pattern.count) == 0
    }
  }

  /// `bytes` is valid during the call.
  private func next(_ pattern: [UInt8], in bytes: UnsafeRawBufferPointer, from position: Int) -> Int? {
    guard let base = bytes.baseAddress, let first = pattern.first else { return nil }
    var position = position
    // `unsafe`: the system looks at the bytes from `position` to the end of `bytes`.
    while position < bytes.count, let hit = unsafe memchr(base + position, Int32(first), bytes.count - position) {
      let start = unsafe UnsafeRawPointer(hit) - base
      if unsafe stands(pattern, at: start, in: bytes) { return start }
      position = start + 1
    }
    return nil
  }
}
