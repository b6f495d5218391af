import WireFormat

/// Runs the reader beside a twin that is obviously right: the first byte counts the operations, which follow, then the data.
enum ByteReaderTarget {
  static func check(_ input: [UInt8]) throws(BrokenProperty) {
    let count = Int(input.first ?? 0)
    let operations = input.dropFirst().prefix(count)
    let data = Array(input.dropFirst(1 + operations.count))
    var reader = ByteReader(data.span)
    var twin = SlowReader(data: data)
    for operation in operations {
      let fast: [UInt8]?
      let slow: [UInt8]?
      switch operation % 8 {
      case 0:
        fast = (try? reader.readUInt8())?.encoded
        slow = twin.take(1)
      case 1:
        fast = (try? reader.readUInt16())?.encoded
        slow = twin.take(2)
      case 2:
        fast = (try? reader.readUInt32())?.encoded
        slow = twin.take(4)
      case 3:
        fast = (try? reader.readUInt64())?.encoded
        slow = twin.take(8)
      case 4:
        fast = try? reader.readBytes(Int(operation / 8))
        slow = twin.take(Int(operation / 8))
      case 5:
        let limit = operation / 8 == 0 ? Int.max : Int(operation / 8)
        fast = try? reader.readVector(limit: limit)
        slow = twin.takeVector(limit: limit)
      case 6:
        fast = (try? reader.readList(of: UInt16.self, maxCount: Int(operation)))?.flatMap(\.encoded)
        slow = twin.takeVector(limit: .max).flatMap { $0.count.isMultiple(of: 2) && $0.count / 2 <= Int(operation) ? $0 : nil }
      default:
        fast = (try? reader.readOptional(of: UInt32.self)).map { $0?.encoded ?? [] }
        slow = twin.takeOptional(4)
      }
      try BrokenProperty.unless(fast == slow, "operation \(operation) reads \(fast ?? []) and not \(slow ?? [])")
      // Where a refused reader stands is not specified.
      guard fast != nil else { return }
      try BrokenProperty.unless(reader.remaining == twin.data.count, "operation \(operation) ends elsewhere")
    }
    let isFinished = (try? reader.finish()) != nil
    try BrokenProperty.unless(isFinished == twin.data.isEmpty, "the end is seen where it is not")
  }

  static var seeds: [(name: String, bytes: [UInt8])] {
    [
      ("integers", [4, 0, 1, 2, 3] + Array(1...15)),
      ("vectors", [3, 5, 5, 21] + [2, 1, 2] + [0x40, 0x40] + [UInt8](repeating: 7, count: 64) + [1, 9]),
      ("lists", [4, 6, 7, 7, 36] + [4, 1, 2, 3, 4] + [0] + [1, 1, 2, 3, 4] + [1, 2, 3, 4]),
    ]
  }
}

/// Removes what it reads from the front of an array.
private struct SlowReader {
  var data: [UInt8]

  mutating func take(_ count: Int) -> [UInt8]? {
    guard count <= data.count else { return nil }
    defer { data.removeFirst(count) }
    return Array(data.prefix(count))
  }

  /// RFC 9420 §2.1.2.
  mutating func takeVector(limit: Int) -> [UInt8]? {
    guard let first = data.first, first >> 6 < 3, let prefix = take(1 << Int(first >> 6)) else { return nil }
    let length = prefix.dropFirst().reduce(Int(first & 63)) { $0 * 256 + Int($1) }
    if prefix.count == 2, length < 64 { return nil }
    if prefix.count == 4, length < 16_384 { return nil }
    return length <= limit ? take(length) : nil
  }

  mutating func takeOptional(_ count: Int) -> [UInt8]? {
    switch take(1) {
    case [0]: []
    case [1]: take(count)
    default: nil
    }
  }
}
