import TestSupport
import Testing
import WireFormat

private func readLength(_ bytes: [UInt8]) throws(WireError) -> Int {
  var reader = ByteReader(bytes.span)
  let length = try reader.readLength()
  try reader.finish()
  return length
}

@Test func `the published vector headers decode and encode`() throws {
  struct Case: Decodable {
    let vlbytes_header: HexBytes
    let length: Int
  }
  guard let cases = try Vectors.load("mls/deserialization.json", as: [Case].self) else { return }
  var counter = CaseCounter("mls/deserialization.json")
  for item in cases {
    #expect(try readLength(item.vlbytes_header.bytes) == item.length)
    var writer = ByteWriter()
    writer.writeLength(item.length)
    #expect(writer.bytes == item.vlbytes_header.bytes)
    counter.run()
  }
  counter.report()
}

@Test(arguments: [[0x40, 0x00], [0x40, 0x3f], [0x80, 0, 0, 0], [0x80, 0, 0, 0x3f], [0x80, 0, 0x3f, 0xff]])
func `a length in more bytes than it needs is refused`(bytes: [UInt8]) {
  #expect(throws: WireError.nonMinimalLength) { try readLength(bytes) }
}

@Test(arguments: UInt8(0xc0)...0xff)
func `the reserved prefix is refused`(first: UInt8) {
  #expect(throws: WireError.nonMinimalLength) { try readLength([first, 0, 0, 0, 0, 0, 0, 0]) }
}

@Test func `lengths at the borders of the three forms round trip`() throws {
  for length in [0, 1, 63, 64, 65, 16_383, 16_384, 16_385, (1 << 30) - 1] {
    var writer = ByteWriter()
    writer.writeLength(length)
    #expect(try readLength(writer.bytes) == length)
  }
}

@Test(arguments: [0, 63, 64, 16_383, 16_384, 70_000])
func `a vector built in place equals one written whole`(count: Int) throws {
  let content = [UInt8](repeating: 7, count: count)
  var whole = ByteWriter()
  whole.write(UInt8(9))
  whole.writeVector(content)
  var inPlace = ByteWriter()
  inPlace.write(UInt8(9))
  inPlace.writeVector { (writer: inout ByteWriter) in writer.writeBytes(content) }
  #expect(whole.bytes == inPlace.bytes)
}

@Test func `a vector over the caller's limit is refused before its content is looked at`() {
  #expect(throws: WireError.lengthOverLimit(length: 16_384, limit: 100)) {
    let bytes: [UInt8] = [0x80, 0x00, 0x40, 0x00]
    var reader = ByteReader(bytes.span)
    _ = try reader.readVector(limit: 100)
  }
}

@Test func `a vector longer than the input is truncated`() {
  #expect(throws: WireError.truncated(needed: 5, available: 2)) {
    let bytes: [UInt8] = [5, 1, 2]
    var reader = ByteReader(bytes.span)
    _ = try reader.readVector()
  }
}

@Test func `a list that ends inside an element is refused`() {
  #expect(throws: WireError.misaligned) {
    let bytes: [UInt8] = [3, 0, 1, 2]
    var reader = ByteReader(bytes.span)
    _ = try reader.readList(of: UInt16.self)
  }
}

@Test func `a list with more elements than allowed is refused`() {
  #expect(throws: WireError.lengthOverLimit(length: 3, limit: 2)) {
    let bytes: [UInt8] = [3, 0, 1, 2]
    var reader = ByteReader(bytes.span)
    _ = try reader.readList(of: UInt8.self, maxCount: 2)
  }
}

@Test func `an element that takes no bytes cannot fill a list`() {
  struct Nothing: WireDecodable {
    init(from reader: inout ByteReader) throws(WireError) {}
  }
  #expect(throws: WireError.misaligned) {
    let bytes: [UInt8] = [1, 0]
    var reader = ByteReader(bytes.span)
    _ = try reader.readList(of: Nothing.self)
  }
}

@Test(arguments: UInt8(2)...255)
func `a presence byte other than zero and one is refused`(presence: UInt8) {
  #expect(throws: WireError.invalidValue(UInt64(presence))) {
    let bytes: [UInt8] = [presence, 0]
    var reader = ByteReader(bytes.span)
    _ = try reader.readOptional(of: UInt8.self)
  }
}

@Test func `the bytes of a value as it arrived can be had back`() throws {
  let bytes: [UInt8] = [1, 2, 3, 4, 5]
  var reader = ByteReader(bytes.span)
  _ = try reader.readUInt8()
  let start = reader.position
  _ = try reader.readUInt16()
  let arrived = reader.bytesRead(since: start)
  #expect(arrived == [2, 3])
  let rest = reader.readRemaining()
  #expect(rest == [4, 5])
  try reader.finish()
}
