import Testing

/// What the fuzzers start from, and what they once found.
struct CorpusTests {
  @Test(arguments: FuzzTarget.allCases)
  func `every input of the corpus holds`(target: FuzzTarget) throws {
    let inputs = try Corpus.inputs(of: target)
    #expect(!inputs.isEmpty)
    for input in inputs {
      #expect(throws: Never.self, "\(target.rawValue)/\(input.name)") { try target.check(input.bytes) }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `seeds made today hold, and so does each of their prefixes`(target: FuzzTarget) throws {
    // The live group's seeds belong to the one in the corpus: making them would replace it.
    guard target != .mlsGroup, target != .mlsPartial else { return }
    for seed in try target.makeSeeds() {
      try target.check(seed.bytes)
      for count in stride(from: 0, to: seed.bytes.count, by: 1 + seed.bytes.count / 16) {
        try target.check(Array(seed.bytes.prefix(count)))
      }
    }
  }

  /// A corpus that nobody can read any more tests nothing.
  @Test func `good messages of the corpus are accepted by the live group`() throws {
    let good = [
      "application": 1, "out-of-order": 2, "commit": 2, "add": 1, "mixed": 1, "external-commit": 1, "update-and-commit": 2, "welcome": 1,
      "group-info": 1, "forged-text": 1, "proposal-3": 2,
      "forged-welcome": 1, "forged-welcome-psk": 1, "self-remove-and-commit": 2, "confirmed-add": 1, "confirmed-mixed": 2,
      "confirmed-external": 1,
    ]
    let inputs = try Corpus.inputs(of: .mlsGroup)
    for (name, count) in good {
      let input = try #require(inputs.first { $0.name == "seed-" + name })
      #expect(try GroupTarget.run(input.bytes) >= count, "\(name)")
    }
  }

  @Test func `good messages of the corpus are accepted by the live group's partial member`() throws {
    let good = [
      "commit": 2, "commit-add": 2, "forged-commit": 2, "forged-annotations": 1, "message": 1, "forged-message": 1,
      "forged-proposal": 1, "forged-welcome": 1, "forged-welcome-psk": 1, "proof": 1, "upgrade": 1,
    ]
    let inputs = try Corpus.inputs(of: .mlsPartial)
    for (name, count) in good {
      let input = try #require(inputs.first { $0.name == "seed-" + name })
      #expect(try PartialTarget.run(input.bytes) == count, "\(name)")
    }
  }
}
