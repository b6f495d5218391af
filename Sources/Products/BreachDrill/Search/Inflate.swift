/// Takes bytes apart that were compressed with DEFLATE (RFC 1951).
///
/// It is made for looking into what may be a compressed stream or may be anything: what was decoded before a fault is kept.
struct Inflate {
  private enum Fault: Error {
    case notDeflate
    case outOfInput
    case full
  }

  /// A canonical Huffman code: how many codes there are of each length, and the symbols in the order of their codes.
  private struct Code {
    var counts = [Int](repeating: 0, count: 16)
    var symbols: [Int] = []

    /// - Throws: `.notDeflate` when there are more codes of a length than fit.
    init(lengths: some Collection<Int>) throws(Fault) {
      for length in lengths { counts[length] += 1 }
      counts[0] = 0
      var left = 1
      for length in 1...15 {
        left = left * 2 - counts[length]
        if left < 0 { throw .notDeflate }
      }
      var offsets = [Int](repeating: 0, count: 16)
      for length in 1..<15 { offsets[length + 1] = offsets[length] + counts[length] }
      symbols = [Int](repeating: 0, count: lengths.count)
      for (symbol, length) in lengths.enumerated() where length > 0 {
        symbols[offsets[length]] = symbol
        offsets[length] += 1
      }
    }
  }

  private static let lengthBases = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
  ]
  private static let lengthExtraBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
  private static let distanceBases = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289,
    16385, 24577,
  ]
  private static let distanceExtraBits = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
  ]
  /// In which order the lengths of the code for code lengths stand (RFC 1951 §3.2.7).
  private static let lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
  private static let fixedLengths =
    [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112) + [Int](repeating: 7, count: 24) + [Int](repeating: 8, count: 8)

  private let input: [UInt8]
  private var position: Int
  private let limit: Int
  private var buffer: UInt32 = 0
  private var bitCount = 0
  private var output: [UInt8] = []

  private init(_ input: [UInt8], from position: Int, limit: Int) {
    self.input = input
    self.position = position
    self.limit = limit
  }

  /// Decodes a stream that begins at `position`.
  ///
  /// - Parameter limit: bytes to give back at most.
  /// - Returns: what was decoded, and whether there was more that did not fit into `limit` or was cut off in `input`.
  static func decode(_ input: [UInt8], from position: Int, limit: Int) -> (bytes: [UInt8], isCut: Bool) {
    var inflate = Inflate(input, from: position, limit: limit)
    do throws(Fault) {
      while try inflate.block() {}
    } catch {
      return (inflate.output, error != .notDeflate)
    }
    return (inflate.output, false)
  }

  /// - Returns: whether another block follows.
  private mutating func block() throws(Fault) -> Bool {
    let isLast = try bits(1) == 1
    switch try bits(2) {
    case 0: try storedBlock()
    case 1: try codedBlock(try Code(lengths: Self.fixedLengths), try Code(lengths: [Int](repeating: 5, count: 30)))
    case 2: try dynamicBlock()
    default: throw .notDeflate
    }
    return !isLast
  }

  private mutating func storedBlock() throws(Fault) {
    buffer = 0
    bitCount = 0
    let length = try bits(16)
    guard try bits(16) == ~length & 0xFFFF else { throw .notDeflate }
    let rest = input.count - position
    guard output.count + min(length, rest) <= limit else { throw .full }
    output += input[position..<position + min(length, rest)]
    guard length <= rest else { throw .outOfInput }
    position += length
  }

  private mutating func dynamicBlock() throws(Fault) {
    let literalCount = try bits(5) + 257
    let distanceCount = try bits(5) + 1
    let lengthCount = try bits(4) + 4
    guard literalCount <= 286, distanceCount <= 30 else { throw .notDeflate }
    var lengths = [Int](repeating: 0, count: 19)
    for index in Self.lengthOrder.prefix(lengthCount) { lengths[index] = try bits(3) }
    let lengthCode = try Code(lengths: lengths)
    var all: [Int] = []
    while all.count < literalCount + distanceCount {
      let symbol = try symbol(lengthCode)
      switch symbol {
      case 0...15: all.append(symbol)
      case 16:
        guard let last = all.last else { throw .notDeflate }
        all += [Int](repeating: last, count: 3 + (try bits(2)))
      case 17: all += [Int](repeating: 0, count: 3 + (try bits(3)))
      default: all += [Int](repeating: 0, count: 11 + (try bits(7)))
      }
    }
    guard all.count == literalCount + distanceCount, all[256] > 0 else { throw .notDeflate }
    try codedBlock(try Code(lengths: all.prefix(literalCount)), try Code(lengths: Array(all.suffix(distanceCount))))
  }

  private mutating func codedBlock(_ literals: Code, _ distances: Code) throws(Fault) {
    while true {
      let symbol = try symbol(literals)
      if symbol == 256 { return }
      if symbol < 256 {
        guard output.count < limit else { throw .full }
        output.append(UInt8(truncatingIfNeeded: symbol))
        continue
      }
      guard symbol < 286 else { throw .notDeflate }
      let length = Self.lengthBases[symbol - 257] + (try bits(Self.lengthExtraBits[symbol - 257]))
      let distanceSymbol = try self.symbol(distances)
      guard distanceSymbol < 30 else { throw .notDeflate }
      let distance = Self.distanceBases[distanceSymbol] + (try bits(Self.distanceExtraBits[distanceSymbol]))
      guard distance <= output.count else { throw .notDeflate }
      guard output.count + length <= limit else { throw .full }
      // What is copied may overlap with what it becomes: byte by byte.
      for _ in 0..<length { output.append(output[output.count - distance]) }
    }
  }

  private mutating func bits(_ count: Int) throws(Fault) -> Int {
    while bitCount < count {
      guard position < input.count else { throw .outOfInput }
      buffer |= UInt32(input[position]) << UInt32(bitCount)
      position += 1
      bitCount += 8
    }
    let value = buffer & ((1 << UInt32(count)) - 1)
    buffer >>= UInt32(count)
    bitCount -= count
    return Int(value)
  }

  private mutating func symbol(_ code: Code) throws(Fault) -> Int {
    var value = 0
    var first = 0
    var index = 0
    for length in 1...15 {
      value |= try bits(1)
      let count = code.counts[length]
      if value - count < first {
        let position = index + (value - first)
        guard code.symbols.indices.contains(position) else { throw .notDeflate }
        return code.symbols[position]
      }
      index += count
      first = (first + count) << 1
      value <<= 1
    }
    throw .notDeflate
  }
}
