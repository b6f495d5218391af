import Foundation
import Testing

/// The page `docs/mls.md` shows nothing but what these examples run.
struct PageTests {
  @Test func `each block on the page is the region that it names`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
    let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/mls.md"), encoding: .utf8)
    var regions: [String: String] = [:]
    for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    where file.pathExtension == "swift" && file.lastPathComponent != "PageTests.swift" {
      regions.merge(try Self.regions(of: String(contentsOf: file, encoding: .utf8))) { first, _ in
        Issue.record("two regions have one name")
        return first
      }
    }
    let blocks = try Self.blocks(of: page)
    #expect(!blocks.isEmpty)
    for (name, text) in blocks { #expect(regions[name] == text, "the block \(name)") }
    let unused = Set(regions.keys).subtracting(blocks.map(\.name))
    #expect(unused.isEmpty, "regions that the page does not show")
  }

  @Test func `a region is cut out without its indentation`() throws {
    let source = "a\n  // docs: one\n  if x {\n    y()\n\n  }\n  // docs: end\nb\n"
    #expect(try Self.regions(of: source) == ["one": "if x {\n  y()\n\n}"])
    #expect(throws: Damage.self) { try Self.regions(of: "// docs: one\n") }
    #expect(throws: Damage.self) { try Self.blocks(of: "```swift\nx\n```\n") }
  }

  enum Damage: Error { case regionWithoutEnd(String), blockWithoutName, blockWithoutEnd(String) }

  /// What stands between `// docs: <name>` and `// docs: end`, by name.
  static func regions(of source: String) throws -> [String: String] {
    var regions: [String: String] = [:]
    var open: (name: String, lines: [Substring])?
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      let text = line.trimmingCharacters(in: .whitespaces)
      if text == "// docs: end", let region = open {
        regions[region.name] = outdented(region.lines)
        open = nil
      } else if text.hasPrefix("// docs: ") {
        open = (String(text.dropFirst("// docs: ".count)), [])
      } else {
        open?.lines.append(line)
      }
    }
    if let open { throw Damage.regionWithoutEnd(open.name) }
    return regions
  }

  /// The Swift blocks of a page, each behind a comment `<!-- example: <name> -->`.
  static func blocks(of page: String) throws -> [(name: String, text: String)] {
    var blocks: [(name: String, text: String)] = []
    var name: String?
    var open: [Substring]?
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line == "```", let lines = open, let region = name {
        blocks.append((region, lines.joined(separator: "\n")))
        (open, name) = (nil, nil)
      } else if open != nil {
        open?.append(line)
      } else if line == "```swift" {
        guard name != nil else { throw Damage.blockWithoutName }
        open = []
      } else if line.hasPrefix("<!-- example: "), line.hasSuffix(" -->") {
        name = String(line.dropFirst("<!-- example: ".count).dropLast(" -->".count))
      }
    }
    if open != nil { throw Damage.blockWithoutEnd(name ?? "") }
    return blocks
  }

  private static func outdented(_ lines: [Substring]) -> String {
    let indents = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }
    let indent = indents.min() ?? 0
    return lines.map { $0.dropFirst(indent) }.joined(separator: "\n")
  }
}
