import Foundation

/// Looks for a value in bytes, in the forms in which a program might have written it.
struct CanarySearch {
  /// What is looked for, by a name for the report.
  var canaries: [(name: String, bytes: [UInt8])] = []

  mutating func add(_ name: String, text: String) { canaries.append((name, Array(text.utf8))) }
  mutating func add(_ name: String, bytes: [UInt8]) { canaries.append((name, bytes)) }

  /// The forms of a value: as it is, as UTF-16, hexadecimal in both cases, and base64 at each of its three offsets.
  static func forms(of bytes: [UInt8]) -> [(form: String, bytes: [UInt8])] {
    var forms = [("raw", bytes)]
    forms.append(("UTF-16 little-endian", bytes.flatMap { [$0, 0] }))
    forms.append(("UTF-16 big-endian", bytes.flatMap { [0, $0] }))
    let hex = bytes.map { String(format: "%02x", $0) }.joined()
    forms.append(("hexadecimal", Array(hex.utf8)))
    forms.append(("hexadecimal, upper case", Array(hex.uppercased().utf8)))
    for offset in 0..<3 {
      // Base64 of the value somewhere inside something longer: what depends on the neighbours is cut off.
      let padded = [UInt8](repeating: 0, count: offset) + bytes
      let text = Array(Data(padded).base64EncodedString().utf8)
      let first = (offset * 8 + 5) / 6
      let last = padded.count * 8 / 6
      guard last > first else { continue }
      let core = Array(text[first..<last])
      forms.append(("base64", core))
      forms.append(
        ("base64url", core.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }))
    }
    return forms.map { (form: $0.0, bytes: $0.1) }
  }

  /// What was found, as "name (form)".
  func hits(in haystack: [UInt8]) -> [String] {
    let data = Data(haystack)
    return canaries.flatMap { canary in
      Self.forms(of: canary.bytes).compactMap { data.range(of: Data($0.bytes)) == nil ? nil : "\(canary.name) (\($0.form))" }
    }
  }
}
