import WireFormat

/// Inputs that are a course of events: `uint8 step; opaque bytes<V>`, as long as there are some.
enum Steps {
  private static let maxCount = 24

  static func read<Step: CaseIterable>(_ input: [UInt8], of _: Step.Type, maxCount: Int = maxCount) -> [(Step, [UInt8])] {
    let all = Array(Step.allCases)
    var steps: [(Step, [UInt8])] = []
    var reader = ByteReader(input.span)
    while steps.count < maxCount, let kind = try? reader.readUInt8(), let bytes = try? reader.readVector() {
      steps.append((all[Int(kind) % all.count], bytes))
    }
    return steps
  }

  static func write(_ step: some RawRepresentable<UInt8>, _ bytes: [UInt8] = []) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(step.rawValue)
    writer.writeVector(bytes)
    return writer.bytes
  }
}
