import Foundation
import TestSupport
import Testing
import WireFormat

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
  func `seeds made today hold, and so do sixteen prefixes of each`(target: FuzzTarget) throws {
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

  @Test func `seeds for connections reach what they are for`() throws {
    func seed(_ name: String, of target: FuzzTarget) throws -> [UInt8] {
      try #require(try target.makeSeeds().first { $0.name == name }).bytes
    }
    for (name, answers, messages) in [
      ("get", 3, 0), ("pipelined", 3, 0), ("call", 2, 0), ("gone", 1, 0), ("stream", 1, 4), ("delivered", 3, 7), ("fragments", 1, 4),
      ("queue", 1, 3), ("unproved", 2, 2),
    ] {
      let read = try NetworkTarget.run(try seed(name, of: .serverNetwork))
      #expect(read == (answers, messages), "\(name): \(read)")
    }
    for (name, count) in [("reply", 2), ("chunked", 1), ("until-close", 1), ("busy", 1), ("stream", 2), ("greeting", 1), ("fragments", 1)] {
      #expect(try ClientTarget.run(try seed(name, of: .clientNetwork)) == count, "\(name)")
    }
  }

  /// What a fuzzer would try first, without one: seeds spliced step by step, with steps and bytes changed.
  @Test(arguments: [FuzzTarget.mailboxEngine, .serverNetwork, .clientNetwork])
  func `mutants of seeds hold`(target: FuzzTarget) throws {
    let count = ProcessInfo.processInfo.environment["SOTTO_MUTANTS"].flatMap { Int($0) } ?? 60
    let seeds = try target.makeSeeds().map { Course($0.bytes) }
    var random = SeededGenerator(for: "mutants of \(target.rawValue)")
    for number in 0..<count {
      var course = seeds.randomElement(using: &random) ?? Course([])
      for _ in 0..<Int.random(in: 1...4, using: &random) { course.change(with: seeds, using: &random) }
      #expect(throws: Never.self, "mutant \(number): \(Data(course.bytes).base64EncodedString())") { try target.check(course.bytes) }
    }
  }
}

/// An input as its steps.
private struct Course {
  private var steps: [(kind: UInt8, bytes: [UInt8])] = []

  init(_ input: [UInt8]) {
    var reader = ByteReader(input.span)
    while let kind = try? reader.readUInt8(), let bytes = try? reader.readVector() { steps.append((kind, bytes)) }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    for step in steps {
      writer.write(step.kind)
      writer.writeVector(step.bytes)
    }
    return writer.bytes
  }

  mutating func change(with seeds: [Course], using random: inout SeededGenerator) {
    guard let place = steps.indices.randomElement(using: &random) else { return }
    switch Int.random(in: 0..<8, using: &random) {
    case 0: steps.remove(at: place)
    case 1: steps.insert(steps[place], at: place)
    case 2: steps.swapAt(place, Int.random(in: 0..<steps.count, using: &random))
    case 3: steps[place].kind = UInt8.random(in: 0..<16, using: &random)
    case 4: steps[place].bytes = Array(steps[place].bytes.prefix(Int.random(in: 0...steps[place].bytes.count, using: &random)))
    case 5: steps.insert((UInt8.random(in: 0..<16, using: &random), random.bytes(Int.random(in: 0...3, using: &random))), at: place)
    case 6:
      guard let index = steps[place].bytes.indices.randomElement(using: &random) else { return }
      steps[place].bytes[index] = UInt8.random(in: 0...255, using: &random)
    default:
      guard let other = seeds.randomElement(using: &random), let cut = other.steps.indices.randomElement(using: &random) else { return }
      steps.replaceSubrange(place..., with: other.steps[cut...])
    }
  }
}
