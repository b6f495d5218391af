import BreachDrill
import Foundation

/// What is to be leaked, where and in which form.
struct LeakOrder: Codable, Sendable {
  /// Where a leak is made. A row stands in the database's file and in a backup, too, and what is in memory is in a core file.
  static let places: [Place] = [.tables, .freedPages, .writeAheadLog, .objects, .otherFiles, .log, .memory, .backup, .wire]

  /// The forms in which a program might write something down, those compressed included.
  static let forms = Form.allCases.map(\.rawValue) + ["raw in gzip", "raw in zlib"]

  var place: Place
  var form: String
  /// Its letters are not all ASCII, and its base64 has a sign in which the two alphabets differ, at each alignment.
  var text: String

  /// What the report calls it.
  var name: String { "\(place.rawValue): \(form)" }

  /// One for each place and form, each with a text of its own.
  static func all() -> [LeakOrder] {
    places.flatMap { place in
      forms.map { LeakOrder(place: place, form: $0, text: "~~~~~~ l\u{E9}aked \(RandomText.marker()) gr\u{FC}n") }
    }
  }

  /// The text as the leak writes it.
  var written: [UInt8] {
    let bytes = Array(text.utf8)
    switch form {
    case "raw in gzip": return Compress.gzip(bytes)
    case "raw in zlib": return Compress.zlib(bytes)
    default: break
    }
    switch Form(rawValue: form) {
    case .raw?, nil: return bytes
    case .utf16LittleEndian?: return text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    case .utf16BigEndian?: return text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
    case .hex?: return Encode.hex(bytes, Encode.lowerDigits)
    case .upperCaseHex?: return Encode.hex(bytes, Encode.upperDigits)
    case .decimal?: return Array("\(bytes)".utf8)
    case .base64?: return Encode.base64(bytes, Encode.standardAlphabet)
    case .base64Behind1?: return Encode.base64([1] + bytes, Encode.standardAlphabet)
    case .base64Behind2?: return Encode.base64([1, 2] + bytes, Encode.standardAlphabet)
    case .base64URL?: return Encode.base64(bytes, Encode.urlAlphabet)
    case .base64URLBehind1?: return Encode.base64([1] + bytes, Encode.urlAlphabet)
    case .base64URLBehind2?: return Encode.base64([1, 2] + bytes, Encode.urlAlphabet)
    }
  }

  // MARK: - On the way

  private static let magic = Array("leak, please: 01".utf8)

  /// Where the leaky server leaves the orders.
  static func planFile(in dataDirectory: String) -> String { "\(dataDirectory)/plan.bin" }

  /// A request that only the leaky server understands. It is masked, so that handing it over is no leak in itself.
  static func request(_ orders: [LeakOrder]) throws -> [UInt8] { magic + masked(Array(try JSONEncoder().encode(orders))) }

  /// - Returns: nil for any other request.
  static func orders(in request: [UInt8]) -> [LeakOrder]? {
    guard request.starts(with: magic) else { return nil }
    return try? JSONDecoder().decode([LeakOrder].self, from: Data(masked(Array(request.dropFirst(magic.count)))))
  }

  private static func masked(_ bytes: [UInt8]) -> [UInt8] { bytes.enumerated().map { $1 ^ (0xA5 &+ UInt8(truncatingIfNeeded: $0 &* 7)) } }
}

/// Compresses without finding repetitions: one block with the fixed codes, in which no byte stands as it was.
enum Compress {
  static func gzip(_ bytes: [UInt8]) -> [UInt8] { [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + deflate(bytes) + [UInt8](repeating: 0, count: 8) }
  static func zlib(_ bytes: [UInt8]) -> [UInt8] { [0x78, 0x9C] + deflate(bytes) + [UInt8](repeating: 0, count: 4) }

  private static func deflate(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    var current: UInt8 = 0
    var count: UInt8 = 0
    func put(_ bit: Int) {
      current |= UInt8(bit) << count
      count += 1
      if count == 8 {
        output.append(current)
        (current, count) = (0, 0)
      }
    }
    func code(_ value: Int, _ length: Int) { for bit in (0..<length).reversed() { put(value >> bit & 1) } }
    // The last block, with the fixed codes (RFC 1951 §3.2.6).
    for bit in [1, 1, 0] { put(bit) }
    for byte in bytes.map(Int.init) { byte < 144 ? code(0x30 + byte, 8) : code(0x190 + byte - 144, 9) }
    code(0, 7)
    while count > 0 { put(0) }
    return output
  }
}
