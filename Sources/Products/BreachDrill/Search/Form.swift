/// A way in which a program may have written a value down.
package enum Form: String, CaseIterable, Codable, Sendable, Comparable {
  case raw
  case utf16LittleEndian = "UTF-16LE"
  case utf16BigEndian = "UTF-16BE"
  case hex
  case upperCaseHex = "HEX"
  /// As Swift prints an array of bytes: `104, 101, 108`.
  case decimal = "decimal list"
  /// Base64 of something longer in which the value begins at a multiple of three bytes; the next two, one and two bytes behind.
  case base64
  case base64Behind1 = "base64 +1"
  case base64Behind2 = "base64 +2"
  case base64URL = "base64url"
  case base64URLBehind1 = "base64url +1"
  case base64URLBehind2 = "base64url +2"

  package static func < (left: Form, right: Form) -> Bool { left.rawValue < right.rawValue }

  /// A form of a canary, as bytes to look for.
  struct Pattern: Hashable {
    var form: Form
    var bytes: [UInt8]
  }

  /// Below this many bytes a pattern would be found by chance in sealed bytes.
  private static let fewestBytes = 5
  /// A long value is looked for in pieces of this many bytes, so that what is left of it in reused memory is found too.
  private static let pieceByteCount = 16

  /// All that is looked for to find one canary.
  static func patterns(of canary: Canary) -> [Pattern] {
    var patterns: [Pattern] = []
    for (index, bytes) in canary.variants.enumerated() {
      let units = canary.codeUnits?[index] ?? bytes.map(UInt16.init)
      // Parts of a text may be anybody's words.
      patterns += (canary.codeUnits == nil ? pieces(of: bytes) : [bytes]).map { Pattern(form: .raw, bytes: $0) }
      patterns += [
        Pattern(form: .utf16LittleEndian, bytes: units.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }),
        Pattern(form: .utf16BigEndian, bytes: units.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }),
        Pattern(form: .hex, bytes: Encode.hex(bytes, Encode.lowerDigits)),
        Pattern(form: .upperCaseHex, bytes: Encode.hex(bytes, Encode.upperDigits)),
        Pattern(form: .decimal, bytes: Array(bytes.map(String.init).joined(separator: ", ").utf8)),
      ]
      let (standard, url): ([Form], [Form]) = (
        [.base64, .base64Behind1, .base64Behind2], [.base64URL, .base64URLBehind1, .base64URLBehind2]
      )
      for offset in 0..<3 {
        patterns.append(Pattern(form: standard[offset], bytes: base64Core(bytes, behind: offset, Encode.standardAlphabet)))
        patterns.append(Pattern(form: url[offset], bytes: base64Core(bytes, behind: offset, Encode.urlAlphabet)))
      }
    }
    // Where both alphabets give the same, it is found once.
    var seen: Set<[UInt8]> = []
    return patterns.filter { $0.bytes.count >= fewestBytes && seen.insert($0.bytes).inserted }
  }

  private static func pieces(of bytes: [UInt8]) -> [[UInt8]] {
    guard bytes.count >= 2 * pieceByteCount else { return [bytes] }
    var pieces = stride(from: 0, through: bytes.count - pieceByteCount, by: pieceByteCount).map { Array(bytes[$0..<$0 + pieceByteCount]) }
    pieces.append(Array(bytes.suffix(pieceByteCount)))
    return pieces
  }

  /// Base64 of the value somewhere inside something longer, without the characters that depend on its neighbours.
  private static func base64Core(_ bytes: [UInt8], behind offset: Int, _ alphabet: [UInt8]) -> [UInt8] {
    let padded = [UInt8](repeating: 0, count: offset) + bytes
    let first = (offset * 8 + 5) / 6
    let last = padded.count * 8 / 6
    guard last > first else { return [] }
    return Array(Encode.base64(padded, alphabet)[first..<last])
  }
}

/// Writes bytes as text, as ASCII.
package enum Encode {
  package static let lowerDigits = Array("0123456789abcdef".utf8)
  package static let upperDigits = Array("0123456789ABCDEF".utf8)
  package static let standardAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  package static let urlAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  package static func hex(_ bytes: [UInt8], _ digits: [UInt8]) -> [UInt8] {
    bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
  }

  /// Without padding characters.
  package static func base64(_ bytes: [UInt8], _ alphabet: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    var buffer: UInt32 = 0
    var bits: UInt32 = 0
    for byte in bytes {
      buffer = (buffer << 8) | UInt32(byte)
      bits += 8
      while bits >= 6 {
        bits -= 6
        text.append(alphabet[Int((buffer >> bits) & 63)])
      }
    }
    if bits > 0 { text.append(alphabet[Int((buffer << (6 - bits)) & 63)]) }
    return text
  }
}
