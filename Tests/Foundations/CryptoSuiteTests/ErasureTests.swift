import Testing
import WireFormat

@testable import CryptoSuite

struct ErasureTests {
  @Test func `a wiped array holds zeros`() {
    var bytes = [UInt8](1...200)
    bytes.wipe()
    #expect(bytes == [UInt8](repeating: 0, count: 200))
    var empty: [UInt8] = []
    empty.wipe()
    #expect(empty.isEmpty)
  }

  @Test func `a writer of secrets writes what every writer writes`() {
    for count in [0, 1, 62, 63, 64, 65, 300, 16_384, 70_000] {
      func write(to writer: inout ByteWriter) {
        writer.write(UInt64(7))
        writer.writeVector { (writer: inout ByteWriter) in
          for index in 0..<count { writer.write(UInt8(truncatingIfNeeded: index)) }
        }
        writer.writeVector([UInt8](repeating: 9, count: count))
        writer.writeVector(Secret([UInt8](repeating: 8, count: count)))
      }
      var plain = ByteWriter()
      write(to: &plain)
      var secret = ByteWriter(secretCapacity: 1)
      write(to: &secret)
      #expect(plain.bytes == secret.bytes)
    }
  }

  @Test func `secrets are read and written as vectors`() throws {
    var writer = ByteWriter()
    writer.writeVector(Secret([1, 2, 3]))
    writer.writeOptionalVector(Secret([4]))
    writer.writeOptionalVector(nil)
    #expect(writer.bytes == [3, 1, 2, 3, 1, 1, 4, 0])
    let bytes = writer.bytes
    var reader = ByteReader(bytes.span)
    let (first, second, third) = (
      try reader.readSecret(), try reader.readOptionalSecret(), try reader.readOptionalSecret()
    )
    try reader.finish()
    #expect(first == Secret([1, 2, 3]) && second == Secret([4]) && third == nil)
    for bad: [UInt8] in [[2, 1, 4], [1, 2, 1], [1, 0x40, 1, 7]] {
      #expect(throws: WireError.self) {
        var reader = ByteReader(bad.span)
        _ = try reader.readOptionalSecret()
      }
    }
  }

  @Test func `equality looks at the length and at every byte`() {
    let secret = Secret([UInt8](1...40))
    #expect(secret == Secret([UInt8](1...40)))
    #expect(secret != Secret([UInt8](1...39)) && secret != Secret([UInt8](1...41)) && secret != Secret([]))
    for position in 0..<40 {
      var other = [UInt8](1...40)
      other[position] ^= 0x80
      #expect(secret != Secret(other))
      #expect(!constantTimeEquals(other, [UInt8](1...40)))
    }
  }

  @Test func `a nonce takes on its reuse guard at its beginning`() {
    #expect(Secret([1, 2, 3]).xoringPrefix(with: [1, 1]) == Secret([0, 3, 3]))
    #expect(Secret([1]).xoringPrefix(with: [1, 1, 1]) == Secret([0]))
  }

  #if canImport(Glibc)
    @Test func `the object of an X-Wing key is the one that is known, and is overwritten`() throws {
      guard case .xWing(let key) = try HPKESuite.KEM.xWing.privateKey(Secret([UInt8](1...32))) else {
        Issue.record("another key")
        return
      }
      let object = try #require(key.backing)
      let start = unsafe Unmanaged.passUnretained(object).toOpaque()
      let (header, count) = (type(of: key).headerByteCount, type(of: key).contentByteCount)
      // How long an object of the class is, which stands behind the kind, the superclass, the flags and the address point
      // of every class that is Swift's alone. It does not depend on what the allocator hands out.
      let metadata = unsafe unsafeBitCast(type(of: object) as AnyClass, to: UnsafeRawPointer.self)
      #expect(unsafe metadata.load(fromByteOffset: 24, as: UInt32.self) == UInt32(header + count))

      let content = unsafe UnsafeRawBufferPointer(start: start + header, count: count)
      #expect(unsafe Array(content.suffix(32)) == [UInt8](1...32))
      key.wipe()
      #expect(unsafe content.allSatisfy { $0 == 0 })
      withExtendedLifetime(key) {}
    }
  #endif
}
