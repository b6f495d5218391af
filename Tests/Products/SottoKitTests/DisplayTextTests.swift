import SottoKit
import Testing

@Suite struct DisplayTextTests {
  @Test func `ordinary text of any language is shown as it is`() {
    for text in ["Tea at four?", "Grüße, Jürgen", "お茶", "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "שלום", "a\u{200D}b"] {
      #expect(DisplayText.line(text) == text)
      #expect(DisplayText.lines(text) == text)
    }
  }

  @Test func `lines and tabs stay in a text, and not in a name`() {
    #expect(DisplayText.lines("one\n\ttwo") == "one\n\ttwo")
    #expect(DisplayText.line("one\ntwo\t") == "one\u{FFFD}two\u{FFFD}")
    #expect(DisplayText.lines("a\r\nb") == "a\u{FFFD}\nb")
  }

  @Test func `no control character is left, whichever it is`() {
    for value in Array(0x00...0x1F as ClosedRange<UInt32>) + Array(0x7F...0x9F) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = "a\(Character(scalar))b"
      #expect(!DisplayText.line(text).unicodeScalars.contains(scalar))
      if scalar != "\n", scalar != "\t" { #expect(!DisplayText.lines(text).unicodeScalars.contains(scalar)) }
    }
  }

  @Test func `no direction override is left`() {
    let overrides: [Unicode.Scalar] = ["\u{202A}", "\u{202E}", "\u{2066}", "\u{2069}", "\u{200F}", "\u{061C}", "\u{2028}"]
    for scalar in overrides {
      #expect(DisplayText.line("ada\(Character(scalar))nil") == "ada\u{FFFD}nil")
    }
  }

  @Test func `JSON is escaped where a terminal might act on it`() {
    #expect(DisplayText.escapedJSON("{\"text\":\"a\u{9B}2J\u{202E}b\u{7F}\"}") == "{\"text\":\"a\\u009b2J\\u202eb\\u007f\"}")
    #expect(DisplayText.escapedJSON("{\"text\":\"é👍\"}") == "{\"text\":\"é👍\"}")
  }
}
