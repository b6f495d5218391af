/// What an intruder would have got.
package struct DrillReport: Codable, Sendable {
  /// One kind of canary in one place.
  package struct Hit: Codable, Sendable, Equatable {
    package var kind: String
    /// The form, with what it was compressed by.
    package var form: String
    package var rule: Canary.Rule
    package var count: Int
    /// Where the first one stands: a file, a table and column, or memory, and the byte in it.
    package var first: String
  }

  package struct PlaceResult: Codable, Sendable {
    package var place: Place
    package var byteCount: UInt64
    package var streamCount: Int
    /// What should not be there.
    package var hits: [Hit]
    /// What passes through here, as it must.
    package var inFlight: [Hit]
    /// Whether what is known to stand here was found; nil where nothing is.
    package var isControlFound: Bool?
    /// What keeps the search from being whole.
    package var note: String?

    /// Whether the result means something.
    package var wasSearched: Bool { note == nil && isControlFound != false }
  }

  package struct Table: Codable, Sendable {
    package var name: String
    package var columns: [String]
    package var rowCount: Int
    /// The first bytes of each value of one row.
    package var example: [String]
    /// What it tells an intruder; nil for a table that this program does not make.
    package var meaning: String?
  }

  package var canaryCount: Int
  package var formCount: Int
  /// How many canaries there are of each kind, and what may become of them.
  package var kinds: [Kind]
  package var places: [PlaceResult] = []
  package var tables: [Table] = []
  /// How long the search took.
  package var seconds = 0.0

  package struct Kind: Codable, Sendable {
    package var name: String
    package var rule: Canary.Rule
    package var count: Int
  }

  init(canaries: [Canary], formCount: Int) {
    canaryCount = canaries.count
    self.formCount = formCount
    kinds = []
    for canary in canaries {
      if let index = kinds.firstIndex(where: { $0.name == canary.kind && $0.rule == canary.rule }) {
        kinds[index].count += 1
      } else {
        kinds.append(Kind(name: canary.kind, rule: canary.rule, count: 1))
      }
    }
  }

  mutating func add(_ place: Place, _ findings: Findings, canaries: [Canary], isControlFound: Bool?, note: String?) {
    struct Group: Hashable {
      var kind: String
      var form: String
      var rule: Canary.Rule
    }
    var groups: [Group: Hit] = [:]
    let hits = findings.hits.filter { $0.key.canary < canaries.count }
    for (key, found) in hits.sorted(by: { ($0.key.canary, $0.key.form) < ($1.key.canary, $1.key.form) }) {
      let canary = canaries[key.canary]
      let group = Group(kind: canary.kind, form: key.words, rule: canary.rule)
      let first = "\(found.label), byte \(found.offset)"
      groups[group, default: Hit(kind: canary.kind, form: key.words, rule: canary.rule, count: 0, first: first)].count += found.count
    }
    let all = groups.values.sorted { ($0.kind, $0.form) < ($1.kind, $1.form) }
    var note = note
    if findings.skippedStreamCount > 0, note == nil {
      note = "\(findings.skippedStreamCount) compressed streams were not looked into: together they are too large"
    }
    let passes = { (hit: Hit) in hit.rule == .inFlight && place.isPassedThrough }
    places.append(
      PlaceResult(
        place: place, byteCount: findings.byteCount, streamCount: findings.streamCount, hits: all.filter { !passes($0) },
        inFlight: all.filter(passes), isControlFound: isControlFound, note: note))
  }

  /// What was found where nothing should be, a table that nobody knows included.
  package var leakCount: Int { places.reduce(0) { $0 + $1.hits.count } + tables.count { $0.meaning == nil } }

  /// Places of which nothing can be said. A core file is none of them where the system keeps none at hand: it is a copy of memory.
  package var unsearched: [Place] {
    places.filter { !$0.wasSearched && !($0.place == .coreFile && $0.note != nil) }.map(\.place)
  }

  package var isClean: Bool { leakCount == 0 && unsearched.isEmpty }

  /// The first bytes of a value, as hexadecimal; digits as they are.
  static func excerpt(_ value: [UInt8]) -> String {
    if !value.isEmpty, value.count <= 20, value.allSatisfy({ (0x30...0x39).contains($0) }) { return String(decoding: value, as: UTF8.self) }
    let shown = String(decoding: Encode.hex(Array(value.prefix(12)), Encode.lowerDigits), as: UTF8.self)
    return value.count > 12 ? "\(shown)... (\(value.count) bytes)" : shown
  }
}
