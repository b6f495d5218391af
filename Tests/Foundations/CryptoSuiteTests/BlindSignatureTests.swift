import TestSupport
import Testing

@testable import CryptoSuite

struct BlindSignatureTests {
  /// Making a key takes long, and none of these tests needs one of its own.
  private static let key = Result { try BlindSignatureKey.generate() }
  private static let otherKey = Result { try BlindSignatureKey.generate() }
  private let message = SystemRandom().bytes(32)

  private func hex(_ text: String) throws -> [UInt8] {
    let bytes = bytes(hex: text)
    return try #require(bytes)
  }

  @Test func `the signer's answer, its finishing and its verification are those of RFC 9474 appendix A`() throws {
    let key = try BlindSignatureKey(
      n: hex(RFC9474Vector.n), d: hex(RFC9474Vector.d), p: hex(RFC9474Vector.p), q: hex(RFC9474Vector.q))
    let message = try hex(RFC9474Vector.message)
    let signature = try hex(RFC9474Vector.signature)
    #expect(try key.sign(hex(RFC9474Vector.blinded)) == hex(RFC9474Vector.answer))
    let finished = try key.publicKey.finish(
      hex(RFC9474Vector.answer), message: message, inverse: Secret(hex(RFC9474Vector.inverse)))
    #expect(finished == signature)
    #expect(key.publicKey.verify(signature, of: message))
    // The library draws salt and blind itself, so its blinding cannot be held against the vector: that it agrees with the
    // other three steps is what can be shown.
    let (blinded, inverse) = try key.publicKey.blind(message)
    let own = try key.publicKey.finish(key.sign(blinded), message: message, inverse: inverse)
    #expect(key.publicKey.verify(own, of: message))
    #expect(own != signature)
  }

  @Test func `a message is signed unseen, and the same twice shares nothing that the signer saw`() throws {
    let key = try Self.key.get()
    let first = try key.publicKey.blind(message)
    let second = try key.publicKey.blind(message)
    #expect(first.blinded != second.blinded)
    #expect(first.blinded.count == 256)
    let answers = try [key.sign(first.blinded), key.sign(second.blinded)]
    #expect(try key.sign(first.blinded) == answers[0])
    let signature = try key.publicKey.finish(answers[0], message: message, inverse: first.inverse)
    #expect(key.publicKey.verify(signature, of: message))
    #expect(!answers.contains(signature))
    #expect(throws: CryptoError.invalidSignature) {
      try key.publicKey.finish(answers[1], message: message, inverse: first.inverse)
    }
  }

  @Test func `nothing but the signature of this message under this key is valid`() throws {
    let key = try Self.key.get()
    let (blinded, inverse) = try key.publicKey.blind(message)
    let signature = try key.publicKey.finish(key.sign(blinded), message: message, inverse: inverse)
    #expect(try !Self.otherKey.get().publicKey.verify(signature, of: message))
    #expect(!key.publicKey.verify(signature, of: SystemRandom().bytes(32)))
    #expect(!key.publicKey.verify(signature, of: []))
    for index in [0, 100, 255] {
      var tampered = signature
      tampered[index] ^= 1
      #expect(!key.publicKey.verify(tampered, of: message))
    }
    for wrong in [[], Array(signature.dropLast()), signature + [0], [0] + signature, [UInt8](repeating: 0, count: 256)] {
      #expect(!key.publicKey.verify(wrong, of: message))
    }
    // The same number modulo the modulus, where it fits the bytes: another form of the same signature.
    if let shifted = sum(signature, key.publicKey.modulus) { #expect(!key.publicKey.verify(shifted, of: message)) }
    #expect(!key.publicKey.verify([UInt8](repeating: 0xff, count: 256), of: message))
  }

  @Test func `a signer answers only numbers below its modulus, of its length`() throws {
    let key = try Self.key.get()
    for count in [0, 1, 255, 257, 4_096] {
      #expect(throws: CryptoError.invalidLength(expected: 256, actual: count)) {
        try key.sign([UInt8](repeating: 1, count: count))
      }
    }
    #expect(throws: CryptoError.unsupported) { try key.sign([UInt8](repeating: 0xff, count: 256)) }
    #expect(throws: CryptoError.unsupported) { try key.sign(key.publicKey.modulus) }
  }

  @Test func `a signer that answers with something else is found out`() throws {
    let key = try Self.key.get()
    let (blinded, inverse) = try key.publicKey.blind(message)
    #expect(throws: CryptoError.invalidSignature) {
      try key.publicKey.finish(Self.otherKey.get().sign([0] + blinded.dropFirst()), message: message, inverse: inverse)
    }
    #expect(throws: CryptoError.invalidSignature) { try key.publicKey.finish(blinded, message: message, inverse: inverse) }
    for count in [0, 255, 257] {
      #expect(throws: CryptoError.invalidLength(expected: 256, actual: count)) {
        try key.publicKey.finish([UInt8](repeating: 1, count: count), message: message, inverse: inverse)
      }
      #expect(throws: CryptoError.invalidLength(expected: 256, actual: count)) {
        try key.publicKey.finish(key.sign(blinded), message: message, inverse: Secret([UInt8](repeating: 1, count: count)))
      }
    }
  }

  @Test func `a key comes back from its bytes, and other bytes are no key`() throws {
    let key = try Self.key.get()
    let (blinded, _) = try key.publicKey.blind(message)
    #expect(try BlindSignatureKey(derBytes: key.derBytes).sign(blinded) == key.sign(blinded))
    #expect(throws: CryptoError.invalidKey) { try BlindSignatureKey(derBytes: Secret([1, 2, 3])) }
    var even = key.publicKey.modulus
    even[255] &= 0xfe
    let wrong: [[UInt8]] = [
      [], Array(key.publicKey.modulus.dropLast()), [0] + key.publicKey.modulus, even, [UInt8](repeating: 0xff, count: 513),
    ]
    for modulus in wrong { #expect(throws: CryptoError.invalidKey) { try BlindSignaturePublicKey(modulus: modulus) } }
    #expect("\(key)" == "BlindSignatureKey")
  }

  /// The sum of two big-endian numbers, or nil when it needs another byte.
  private func sum(_ left: [UInt8], _ right: [UInt8]) -> [UInt8]? {
    var result = left
    var carry = 0
    for index in left.indices.reversed() {
      let value = Int(left[index]) + Int(right[index]) + carry
      result[index] = UInt8(value & 0xff)
      carry = value >> 8
    }
    return carry == 0 ? result : nil
  }
}
