#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Finds where gzip (RFC 1952) and zlib (RFC 1950) streams may begin. Many of the places in random bytes are none.
enum CompressedStreams {
  enum Kind: String, Codable, Sendable {
    case gzip
    case zlib
  }

  /// Calls `found` with where the compressed bytes begin, behind the header, for each header that begins before `end`.
  static func find(in bytes: [UInt8], beginningBefore end: Int, _ found: (_ kind: Kind, _ body: Int, _ header: Int) -> Void) {
    each(0x1F, in: bytes, before: end) { if let body = gzipBody(bytes, at: $0) { found(.gzip, body, $0) } }
    each(0x78, in: bytes, before: end) { if isZlib(bytes, at: $0) { found(.zlib, $0 + 2, $0) } }
  }

  /// Deflate with a window of 32 KiB, no preset dictionary, and the check bits: one byte pair in 16,384.
  private static func isZlib(_ bytes: [UInt8], at position: Int) -> Bool {
    guard position + 2 < bytes.count else { return false }
    let flags = bytes[position + 1]
    return flags & 0x20 == 0 && (0x7800 + Int(flags)) % 31 == 0
  }

  private static func gzipBody(_ bytes: [UInt8], at position: Int) -> Int? {
    guard position + 10 < bytes.count, bytes[position + 1] == 0x8B, bytes[position + 2] == 8 else { return nil }
    let flags = bytes[position + 3]
    guard flags & 0xE0 == 0 else { return nil }
    var body = position + 10
    if flags & 4 != 0 {
      guard body + 2 < bytes.count else { return nil }
      body += 2 + Int(bytes[body]) + Int(bytes[body + 1]) << 8
    }
    // A file name and a comment, each up to a zero.
    for flag: UInt8 in [8, 16] where flags & flag != 0 {
      guard body < bytes.count, let zero = bytes[body...].firstIndex(of: 0) else { return nil }
      body = zero + 1
    }
    if flags & 2 != 0 { body += 2 }
    return body < bytes.count ? body : nil
  }

  private static func each(_ byte: UInt8, in bytes: [UInt8], before end: Int, _ visit: (Int) -> Void) {
    var position = 0
    let end = min(end, bytes.count)
    while position < end, let next = next(byte, in: bytes, from: position, to: end) {
      visit(next)
      position = next + 1
    }
  }

  private static func next(_ byte: UInt8, in bytes: [UInt8], from position: Int, to end: Int) -> Int? {
    // `unsafe`: the system looks at the bytes from `position` to `end`, both within the array's storage, which is held during the call.
    unsafe bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, let hit = unsafe memchr(base + position, Int32(byte), end - position) else { return nil }
      return unsafe UnsafeRawPointer(hit) - base
    }
  }
}
