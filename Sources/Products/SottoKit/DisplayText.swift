/// Text from elsewhere, made safe to show on a terminal or a page.
///
/// Control characters could move the cursor, rewrite what stands above or answer for the user; direction overrides could
/// make one name look like another. They are shown as replacement characters.
public enum DisplayText {
  private static let replacement: Unicode.Scalar = "\u{FFFD}"

  /// A text with its lines; tabs and line feeds stay.
  public static func lines(_ text: String) -> String {
    filtered(text) { $0 == "\n" || $0 == "\t" }
  }

  /// A name or title, which has one line.
  public static func line(_ text: String) -> String {
    filtered(text) { _ in false }
  }

  private static func filtered(_ text: String, keeping isKept: (Unicode.Scalar) -> Bool) -> String {
    var output = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      output.append(isKept(scalar) || !isActive(scalar) ? scalar : replacement)
    }
    return String(output)
  }

  /// Whether a terminal might act on the character instead of showing it.
  static func isActive(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // C0, delete, C1.
    case 0x00...0x1F, 0x7F...0x9F: true
    // Line and paragraph separators; direction marks, embeddings, overrides and isolates.
    case 0x2028, 0x2029, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    // Zero-width space, word joiner and byte-order mark; interlinear annotations; noncharacters.
    case 0x200B, 0x2060, 0xFEFF, 0xFFF9...0xFFFB, 0xFFFE, 0xFFFF: true
    default: false
    }
  }

  /// JSON that can be printed anywhere: what a terminal might act on is written as escapes.
  ///
  /// - Parameter json: valid JSON, in which such characters stand in strings only.
  public static func escapedJSON(_ json: String) -> String {
    var output = ""
    for scalar in json.unicodeScalars {
      if isActive(scalar) {
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      } else {
        output.unicodeScalars.append(scalar)
      }
    }
    return output
  }
}
