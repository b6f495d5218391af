/// Looks for canaries in bytes, in every form, and inside of compressed streams.
package struct CanarySearch: Sendable {
  package let canaries: [Canary]
  private let patterns: [(canary: Int, form: Form)]
  private let table: PatternTable

  package init(_ canaries: [Canary]) {
    self.canaries = canaries
    var patterns: [(canary: Int, form: Form)] = []
    var bytes: [[UInt8]] = []
    for (index, canary) in canaries.enumerated() {
      for pattern in Form.patterns(of: canary) {
        patterns.append((index, pattern.form))
        bytes.append(pattern.bytes)
      }
    }
    self.patterns = patterns
    table = PatternTable(bytes)
  }

  /// How many byte strings are looked for.
  package var patternCount: Int { patterns.count }

  /// Bytes that a piece of a haystack has to show of the next one, so that nothing on the border is missed: the longest
  /// pattern, and enough of a compressed stream that begins there.
  package var overlap: Int { max(table.longest, Self.streamInputByteCount) }

  /// Compressed bytes of one stream that are looked into, at least.
  private static let streamInputByteCount = 256 << 10
  /// Decompressed bytes of one stream, at most: a stream of zeros grows a thousandfold.
  private static let streamOutputByteCount = 4 << 20
  /// Decompressed bytes in all that one place is searched for.
  private static let outputByteCount = 512 << 20

  /// Searches bytes that are there as a whole.
  package func findings(in bytes: [UInt8]) -> Findings {
    var findings = Findings()
    search(bytes, beginningBefore: bytes.count, at: "", 0, into: &findings)
    return findings
  }

  /// Searches a piece of a haystack.
  ///
  /// - Parameters:
  ///   - end: what begins from here on belongs to the next piece.
  ///   - label: what the haystack is called, and `offset` where in it the piece begins.
  package func search(
    _ bytes: [UInt8], beginningBefore end: Int, at label: String, _ offset: UInt64, into findings: inout Findings
  ) {
    findings.byteCount += UInt64(min(end, bytes.count))
    table.scan(bytes, beginningBefore: end) { pattern, position in
      findings.add(hit(pattern, inside: nil), at: label, offset + UInt64(position))
    }
    CompressedStreams.find(in: bytes, beginningBefore: end) { kind, body, header in
      guard findings.inflatedByteCount < Self.outputByteCount else {
        findings.skippedStreamCount += 1
        return
      }
      let (output, isCut) = Inflate.decode(bytes, from: body, limit: Self.streamOutputByteCount)
      guard !output.isEmpty else { return }
      findings.streamCount += 1
      if isCut { findings.cutStreamCount += 1 }
      findings.inflatedByteCount += output.count
      table.scan(output, beginningBefore: output.count) { pattern, _ in
        findings.add(hit(pattern, inside: kind), at: label, offset + UInt64(header))
      }
    }
  }

  private func hit(_ pattern: Int, inside kind: CompressedStreams.Kind?) -> Findings.Key {
    Findings.Key(canary: patterns[pattern].canary, form: patterns[pattern].form, compression: kind?.rawValue)
  }

  /// What was found, as "kind (form)", each once.
  package func words(for findings: Findings) -> [String] {
    Set(findings.hits.keys.map { "\(canaries[$0.canary].kind) (\($0.words))" }).sorted()
  }
}

/// What a search found, and how much it looked at.
package struct Findings: Sendable {
  package struct Key: Hashable, Sendable {
    /// The canary, by its place in the search's list.
    package var canary: Int
    package var form: Form
    /// gzip or zlib, when it stood inside of such a stream.
    package var compression: String?

    package var words: String { compression.map { "\(form.rawValue) in \($0)" } ?? form.rawValue }
  }

  package struct Where: Sendable {
    package var count: Int
    /// The first place: what the haystack is called, and the byte in it.
    package var label: String
    package var offset: UInt64
  }

  package var hits: [Key: Where] = [:]
  package var byteCount: UInt64 = 0
  /// Compressed streams that were looked into; what begins like one and is none counts when it gave any bytes.
  package var streamCount = 0
  /// Streams of which the beginning was searched, and not all.
  package var cutStreamCount = 0
  /// Streams that were not looked into, since the bound on all of them was reached.
  package var skippedStreamCount = 0
  package var inflatedByteCount = 0

  package init() {}

  package var isEmpty: Bool { hits.isEmpty }

  mutating func add(_ key: Key, at label: String, _ offset: UInt64) {
    hits[key, default: Where(count: 0, label: label, offset: offset)].count += 1
  }
}
