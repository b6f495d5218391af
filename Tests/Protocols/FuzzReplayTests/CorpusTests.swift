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

  /// Every prefix where an input is read at once; where each is a course of events, as many as there is time for.
  @Test(arguments: FuzzTarget.allCases)
  func `seeds hold, and so do their prefixes`(target: FuzzTarget) throws {
    for seed in try target.seeds() {
      let step = target.form == .blob ? 1 : 1 + seed.bytes.count / 16
      for count in Array(stride(from: 0, to: seed.bytes.count, by: step)) + [seed.bytes.count] {
        let prefix = Array(seed.bytes.prefix(count))
        #expect(throws: Never.self, "\(count) bytes of \(target.rawValue)/\(seed.name)") { try target.check(prefix) }
      }
    }
  }

  /// What refuses its own seeds looks at nothing that grows out of them.
  @Test func `every structure takes its seeds, and every tree is valid`() throws {
    for (name, bytes) in try Structure.mlsSeeds() { #expect(try Structure.run(bytes, of: Structure.mls), "\(name)") }
    for (name, bytes) in try Structure.sottoSeeds() { #expect(try Structure.run(bytes, of: Structure.sotto), "\(name)") }
    for (name, bytes) in try TreeTarget.makeSeeds() { #expect(try TreeTarget.run(bytes), "\(name)") }
  }

  @Test(arguments: [FuzzTarget.mlsStructures, .sottoStructures, .mlsTree])
  func `the corpus has the seeds that are made, and no others`(target: FuzzTarget) throws {
    let stored = try Corpus.inputs(of: target).map(\.name).filter { $0.hasPrefix("seed-") }
    #expect(Set(stored) == Set(try target.makeSeeds().map { "seed-" + $0.name }))
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

  /// What a fuzzer would try first, without one: seeds spliced, with steps and bytes changed. `SOTTO_MUTANTS` says how many.
  @Test(arguments: FuzzTarget.allCases)
  func `mutants of seeds hold`(target: FuzzTarget) throws {
    let form = target.form
    let count = ProcessInfo.processInfo.environment["SOTTO_MUTANTS"].flatMap { Int($0) } ?? (form == .blob ? 2_000 : 60)
    let seeds = try target.seeds().map { Course($0.bytes, form) }
    var random = SeededGenerator(for: "mutants of \(target.rawValue)")
    for number in 0..<count {
      var course = seeds.randomElement(using: &random) ?? Course([], form)
      for _ in 0..<Int.random(in: 1...4, using: &random) { course.change(with: seeds, using: &random) }
      #expect(throws: Never.self, "mutant \(number): \(Data(course.bytes).base64EncodedString())") { try target.check(course.bytes) }
    }
  }
}

/// How a target reads its input.
private enum Form: Equatable {
  /// A number, and what is read at once.
  case blob
  /// Steps, each of so many bytes and a vector.
  case steps(headByteCount: Int)
}

extension FuzzTarget {
  fileprivate var form: Form {
    switch self {
    case .byteReader, .mlsStructures, .mlsTree, .sottoStructures: .blob
    case .mlsGroup, .mlsPartial: .steps(headByteCount: 2)
    case .mailboxEngine, .serverNetwork, .clientNetwork: .steps(headByteCount: 1)
    }
  }

  /// Seeds made today; for the live group those in the corpus, for making others would replace the group.
  fileprivate func seeds() throws -> [(name: String, bytes: [UInt8])] {
    switch self {
    case .mlsGroup, .mlsPartial: try Corpus.inputs(of: self).filter { $0.name.hasPrefix("seed-") }
    default: try makeSeeds()
    }
  }
}

/// An input as its steps; one that is read at once is one step.
private struct Course {
  private let form: Form
  private var steps: [(head: [UInt8], bytes: [UInt8])] = []

  init(_ input: [UInt8], _ form: Form) {
    self.form = form
    switch form {
    case .blob: steps = [(Array(input.prefix(1)), Array(input.dropFirst()))]
    case .steps(let count):
      var reader = ByteReader(input.span)
      while let head = try? reader.readBytes(count), let bytes = try? reader.readVector() { steps.append((head, bytes)) }
    }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    for step in steps {
      writer.writeBytes(step.head)
      if form == .blob { writer.writeBytes(step.bytes) } else { writer.writeVector(step.bytes) }
    }
    return writer.bytes
  }

  mutating func change(with seeds: [Course], using random: inout SeededGenerator) {
    guard let place = steps.indices.randomElement(using: &random) else { return }
    guard form != .blob, Bool.random(using: &random) else {
      let others = seeds.randomElement(using: &random)?.steps.randomElement(using: &random)?.bytes ?? []
      return Course.change(&steps[place].bytes, with: others, using: &random)
    }
    switch Int.random(in: 0..<6, using: &random) {
    case 0: steps.remove(at: place)
    case 1: steps.insert(steps[place], at: place)
    case 2: steps.swapAt(place, Int.random(in: 0..<steps.count, using: &random))
    case 3:
      guard let index = steps[place].head.indices.randomElement(using: &random) else { return }
      steps[place].head[index] = UInt8.random(in: 0..<16, using: &random)
    case 4:
      let head = steps[place].head.map { _ in UInt8.random(in: 0..<16, using: &random) }
      steps.insert((head, random.bytes(Int.random(in: 0...3, using: &random))), at: place)
    default:
      guard let other = seeds.randomElement(using: &random), let cut = other.steps.indices.randomElement(using: &random) else { return }
      steps.replaceSubrange(place..., with: other.steps[cut...])
    }
  }

  /// Bytes changed, cut off, taken out, repeated, put in or taken from another seed.
  private static func change(_ bytes: inout [UInt8], with other: [UInt8], using random: inout SeededGenerator) {
    let start = Int.random(in: 0...bytes.count, using: &random)
    let range = start..<Int.random(in: start...min(bytes.count, start + 40), using: &random)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: bytes.removeSubrange(start...)
    case 1: bytes.removeSubrange(range)
    case 2: bytes.insert(contentsOf: bytes[range], at: start)
    case 3: bytes.insert(contentsOf: random.bytes(Int.random(in: 1...3, using: &random)), at: start)
    case 4: bytes.replaceSubrange(start..., with: other.suffix(Int.random(in: 0...other.count, using: &random)))
    case 5:
      guard start < bytes.count else { return }
      bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    default:
      guard start < bytes.count else { return }
      bytes[start] = UInt8.random(in: 0...255, using: &random)
    }
  }
}
