import TestSupport
import Testing
import WireFormat

/// One field of every kind that the format has.
struct Sample: WireCodable, Equatable {
  var small: UInt8
  var short: UInt16
  var word: UInt32
  var long: UInt64
  var fixed: [UInt8]
  var vector: [UInt8]
  var list: [UInt16]
  var optional: UInt32?
  var nested: [UInt8]

  init(using random: inout SeededGenerator) {
    small = random.next()
    short = random.next()
    word = random.next()
    long = random.next()
    fixed = random.bytes(4)
    vector = random.bytes(Int.random(in: 0...200, using: &random))
    list = (0..<Int.random(in: 0...40, using: &random)).map { _ in random.next() }
    optional = Bool.random(using: &random) ? random.next() : nil
    nested = random.bytes(Int.random(in: 0...70, using: &random))
  }

  init(from reader: inout ByteReader) throws(WireError) {
    small = try reader.readUInt8()
    short = try reader.readUInt16()
    word = try reader.readUInt32()
    long = try reader.readUInt64()
    fixed = try reader.readBytes(4)
    vector = try reader.readVector()
    list = try reader.readList()
    optional = try reader.readOptional()
    var content = try reader.readNested()
    nested = try content.readVector()
    try content.finish()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(small)
    writer.write(short)
    writer.write(word)
    writer.write(long)
    writer.writeBytes(fixed)
    writer.writeVector(vector)
    writer.writeList(list)
    writer.writeOptional(optional)
    writer.writeVector { (writer: inout ByteWriter) in writer.writeVector(nested) }
  }
}

@Test func `every kind of field survives a round trip`() throws {
  var random = SeededGenerator(for: "wire round trip")
  for _ in 0..<500 {
    let sample = Sample(using: &random)
    let decoded = try Sample(decoding: sample.encoded)
    #expect(decoded == sample)
  }
}

@Test func `every truncation is refused`() throws {
  var random = SeededGenerator(for: "wire truncation")
  for _ in 0..<50 {
    let bytes = Sample(using: &random).encoded
    for count in 0..<bytes.count {
      #expect(throws: WireError.self) { try Sample(decoding: Array(bytes.prefix(count))) }
    }
  }
}

@Test func `trailing bytes are refused`() throws {
  var random = SeededGenerator(for: "wire trailing bytes")
  let bytes = Sample(using: &random).encoded
  #expect(throws: WireError.trailingBytes(count: 1)) { try Sample(decoding: bytes + [0]) }
  #expect(throws: WireError.trailingBytes(count: 3)) { try Sample(decoding: bytes + [1, 2, 3]) }
}

@Test func `whatever random bytes decode to encodes to the same bytes`() throws {
  var random = SeededGenerator(for: "wire canonical")
  var accepted = 0
  for _ in 0..<20_000 {
    var bytes = Sample(using: &random).encoded
    let index = Int.random(in: 0..<bytes.count, using: &random)
    bytes[index] = random.next()
    guard let sample = try? Sample(decoding: bytes) else { continue }
    accepted += 1
    #expect(sample.encoded == bytes)
  }
  #expect(accepted > 1_000)
}
