import Foundation
import Testing

@testable import BreachDrill

@Suite struct SearchTests {
  private let text = "Grüße an ~~~~~~ den Leuchtturm, 0123456789 mal"

  /// What a program would have written for each form, in the midst of something else.
  private func written(_ form: Form) -> [UInt8] {
    let bytes = Array(text.utf8)
    func base64(behind count: Int, url: Bool) -> [UInt8] {
      let padding = [UInt8](repeating: 9, count: count)
      var encoded = Data(padding + bytes + [7]).base64EncodedString()
      if url { encoded = encoded.replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_") }
      return Array(encoded.utf8)
    }
    switch form {
    case .raw: return bytes
    case .utf16LittleEndian: return Array(text.data(using: .utf16LittleEndian) ?? Data())
    case .utf16BigEndian: return Array(text.data(using: .utf16BigEndian) ?? Data())
    case .hex: return Array(bytes.map { String(format: "%02x", $0) }.joined().utf8)
    case .upperCaseHex: return Array(bytes.map { String(format: "%02X", $0) }.joined().utf8)
    case .decimal: return Array("\(bytes)".utf8)
    case .base64: return base64(behind: 0, url: false)
    case .base64Behind1: return base64(behind: 1, url: false)
    case .base64Behind2: return base64(behind: 2, url: false)
    case .base64URL: return base64(behind: 0, url: true)
    case .base64URLBehind1: return base64(behind: 1, url: true)
    case .base64URLBehind2: return base64(behind: 2, url: true)
    }
  }

  @Test(arguments: Form.allCases) func `a canary is found in every form, and at every place in a haystack`(_ form: Form) {
    let search = CanarySearch([Canary("text", text: text)])
    let needle = written(form)
    for start in [0, 1, 2, 3, 4, 5, 6, 7, 8, 1_000] {
      let haystack = [UInt8](repeating: 0x20, count: start) + needle + [1, 2, 3]
      #expect(search.words(for: search.findings(in: haystack)) == ["text (\(form.rawValue))"])
    }
  }

  @Test func `a canary is found in its composed and its decomposed form`() {
    let search = CanarySearch([Canary("name", text: "Zo\u{EB} Ge\u{301}rard of the canaries")])
    for name in ["Zoe\u{308} Ge\u{301}rard of the canaries", "Zo\u{EB} G\u{E9}rard of the canaries"] {
      #expect(search.words(for: search.findings(in: Array(name.utf8))) == ["name (raw)"])
      let units = name.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
      #expect(search.words(for: search.findings(in: units)) == ["name (UTF-16LE)"])
    }
  }

  @Test func `what is left of a long value is found`() {
    let key = (0..<32).map { UInt8($0 * 7 + 1) }
    let search = CanarySearch([Canary("key", bytes: key)])
    #expect(!search.findings(in: [0, 0] + key.prefix(16)).isEmpty)
    #expect(!search.findings(in: [0, 0, 0] + key.suffix(16)).isEmpty)
    #expect(search.findings(in: [0, 0] + key.prefix(15)).isEmpty)
  }

  @Test func `what is almost a canary is none`() {
    let search = CanarySearch([Canary("text", text: "find-me-if-you-can")])
    #expect(search.findings(in: Array("find-me-if-you-ca".utf8)).isEmpty)
    #expect(search.findings(in: Array("find-me-if-you-cam".utf8)).isEmpty)
    #expect(search.findings(in: []).isEmpty)
  }

  @Test func `a short canary is found as well`() {
    let search = CanarySearch([Canary("name", text: "Alice")])
    #expect(search.words(for: search.findings(in: Array("Malice AlAlice".utf8))) == ["name (raw)"])
    #expect(search.findings(in: Array("xx Alice".utf8)).hits.values.first?.offset == 3)
  }

  @Test func `each of many canaries is found beside the others`() {
    let canaries = (0..<200).map { Canary("number \($0)", text: "canary number \($0) of 200, counted") }
    let search = CanarySearch(canaries)
    let haystack = (0..<200).flatMap { Array("--- canary number \($0) of 200, counted".utf8) }
    let found = search.findings(in: haystack)
    #expect(Set(found.hits.keys.map(\.canary)) == Set(0..<200))
    #expect(found.hits.values.allSatisfy { $0.count == 1 })
  }

  @Test func `a haystack that is read in pieces is searched over their borders`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "haystack-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let needle = Array("a-canary-on-the-border".utf8)
    let search = CanarySearch([Canary("text", bytes: needle)])
    let piece = 4 << 20
    for start in [piece - needle.count, piece - 7, piece, piece + 1, 2 * piece - 3] {
      var bytes = [UInt8](repeating: 0, count: 2 * piece + 100)
      bytes.replaceSubrange(start..<start + needle.count, with: needle)
      try Data(bytes).write(to: folder)
      let haystack = try #require(Haystack.open(folder.path, label: "file"))
      var findings = Findings()
      haystack.search(search, into: &findings)
      haystack.close()
      #expect(findings.byteCount == UInt64(bytes.count))
      #expect(findings.hits.values.map(\.offset) == [UInt64(start)])
      #expect(findings.hits.values.map(\.count) == [1])
    }
  }
}
