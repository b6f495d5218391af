import CryptoSuite
import TestSupport
import Testing

@Test func `a secret shows nothing of its content`() {
  let secret = Secret([0xde, 0xad, 0xbe, 0xef])
  #expect("\(secret)" == "Secret(4 bytes)")
  #expect(String(reflecting: secret) == "Secret(4 bytes)")
  var dumped = ""
  dump(secret, to: &dumped)
  #expect(dumped == "- Secret(4 bytes)\n")
  #expect(Mirror(reflecting: secret).children.isEmpty)
}

@Test func `secrets compare by content`() {
  #expect(Secret([1, 2]) == Secret([1, 2]))
  #expect(Secret([1, 2]) != Secret([1, 3]))
  #expect(Secret([1, 2]) != Secret([1, 2, 3]))
  #expect(Secret([]) == Secret([]))
  #expect(Secret([7, 8]).withBytes { $0.count } == 2)
  #expect(Secret([7, 8]).exposedBytes == [7, 8])
  #expect(constantTimeEquals([1, 2], [1, 2]))
  #expect(!constantTimeEquals([1, 2], [1]))
  #expect(!constantTimeEquals([1, 2], [2, 2]))
}

@Test func `RFC 5869 test case 1`() throws {
  let kdf = KDF(.sha256)
  let salt = try #require(bytes(hex: "000102030405060708090a0b0c"))
  let prk = kdf.extract(salt: Secret(salt), ikm: Secret([UInt8](repeating: 0x0b, count: 22)))
  #expect(
    prk.exposedBytes == bytes(hex: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"))
  let info = try #require(bytes(hex: "f0f1f2f3f4f5f6f7f8f9"))
  #expect(
    kdf.expand(prk, info: info, count: 42).exposedBytes
      == bytes(
        hex: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
}

@Test(arguments: [AEADAlgorithm.aes128GCM, .aes256GCM, .chaCha20Poly1305])
func `an altered ciphertext does not open`(aead: AEADAlgorithm) throws {
  let key = Secret(randomByteCount: aead.keyByteCount)
  let nonce = SystemRandom().bytes(12)
  for count in [0, 1, 15, 16, 17, 100] {
    let plaintext = [UInt8](repeating: 5, count: count)
    let sealed = try aead.seal(plaintext, key: key, nonce: nonce, aad: [1])
    #expect(sealed.count == count + 16)
    #expect(try aead.open(sealed, key: key, nonce: nonce, aad: [1]) == plaintext)
    #expect(throws: CryptoError.notAuthentic) { try aead.open(sealed, key: key, nonce: nonce, aad: [2]) }
    for bit in 0..<(sealed.count * 8) {
      var changed = sealed
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: CryptoError.notAuthentic) { try aead.open(changed, key: key, nonce: nonce, aad: [1]) }
    }
    for length in 0..<sealed.count {
      #expect(throws: CryptoError.notAuthentic) {
        try aead.open(Array(sealed.prefix(length)), key: key, nonce: nonce, aad: [1])
      }
    }
  }
  #expect(throws: CryptoError.invalidLength(expected: 12, actual: 11)) {
    try aead.seal([], key: key, nonce: Array(nonce.dropLast()), aad: [])
  }
  #expect(throws: CryptoError.invalidLength(expected: aead.keyByteCount, actual: 3)) {
    try aead.seal([], key: Secret([1, 2, 3]), nonce: nonce, aad: [])
  }
}

@Test(arguments: [SignatureAlgorithm.ed25519, .p256, .p384, .p521])
func `a signature holds for its message and key alone`(algorithm: SignatureAlgorithm) throws {
  let key = algorithm.generateKey()
  let signature = try key.sign([1, 2, 3])
  #expect(algorithm.verify(signature, of: [1, 2, 3], publicKey: key.publicKey))
  #expect(!algorithm.verify(signature, of: [1, 2, 4], publicKey: key.publicKey))
  #expect(!algorithm.verify(signature, of: [1, 2, 3], publicKey: algorithm.generateKey().publicKey))
  #expect(!algorithm.verify([], of: [1, 2, 3], publicKey: key.publicKey))
  #expect(!algorithm.verify(signature, of: [1, 2, 3], publicKey: []))
  #expect(!algorithm.verify(Array(signature.dropLast()), of: [1, 2, 3], publicKey: key.publicKey))
  #expect(algorithm.isValidPublicKey(key.publicKey))
  #expect(!algorithm.isValidPublicKey(Array(key.publicKey.dropFirst())))
  #expect(try SigningKey(algorithm, privateKey: key.privateBytes).publicKey == key.publicKey)
  #expect(throws: CryptoError.invalidKey) { try SigningKey(algorithm, privateKey: Secret([1])) }
  #expect(algorithm.generateKey(using: SeededRandom(seed: 3)) == algorithm.generateKey(using: SeededRandom(seed: 3)))
}

@Test(arguments: [SignatureAlgorithm.ed25519, .p256, .p384, .p521])
func `a signature has one length and one encoding`(algorithm: SignatureAlgorithm) throws {
  let key = algorithm.generateKey()
  let signature = try key.sign([1, 2, 3])
  #expect(!algorithm.verify(signature + [0], of: [1, 2, 3], publicKey: key.publicKey))
  #expect(!algorithm.verify([0] + signature, of: [1, 2, 3], publicKey: key.publicKey))
  #expect(!algorithm.verify(signature, of: [1, 2, 3], publicKey: key.publicKey + [0]))
  guard algorithm == .ed25519 else {
    // SEQUENCE { INTEGER r ...: a zero in front of r, counted in both lengths.
    let longForm = signature[1] == 0x81
    var padded = signature
    let sequence = longForm ? 2 : 1
    padded[sequence] += 1
    padded[sequence + 2] += 1
    padded.insert(0, at: sequence + 3)
    #expect(!algorithm.verify(padded, of: [1, 2, 3], publicKey: key.publicKey))
    return
  }
  // S plus the order of the group (RFC 8032 §5.1.7 refuses it): 2^252 + 27742317777372353535851937790883648493.
  let order = try #require(bytes(hex: "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"))
  var raised = signature
  var carry = 0
  for index in order.indices {
    let sum = Int(raised[32 + index]) + Int(order[index]) + carry
    raised[32 + index] = UInt8(truncatingIfNeeded: sum)
    carry = sum >> 8
  }
  #expect(!algorithm.verify(raised, of: [1, 2, 3], publicKey: key.publicKey))
}

@Test func `RFC 7914 scrypt with N 1024`() throws {
  let key = try PasswordHash.scrypt(
    password: Array("password".utf8), salt: Array("NaCl".utf8), logN: 10, r: 8, p: 16, count: 64)
  #expect(
    key.exposedBytes
      == bytes(
        hex: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
          + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"))
  #expect(throws: CryptoError.unsupported) {
    try PasswordHash.scrypt(password: [], salt: [], logN: 40, r: 8, p: 1, count: 32)
  }
}

@Test func `a seeded source repeats itself and differs between seeds`() {
  let first = SeededRandom(seed: 7)
  let again = SeededRandom(seed: 7)
  #expect(first.bytes(100) == again.bytes(100))
  #expect(first.bytes(33) == again.bytes(33))
  #expect(SeededRandom(seed: 8).bytes(32) != SeededRandom(seed: 7).bytes(32))
  #expect(SystemRandom().bytes(13).count == 13)
}

@Test(arguments: [SignatureAlgorithm.p256, .p384, .p521])
func `a signature key is taken without the leading zeros of its scalar`(algorithm: SignatureAlgorithm) throws {
  let rest = [UInt8](repeating: 0x55, count: algorithm.privateKeyByteCount - 8)
  let whole = try SigningKey(algorithm, privateKey: Secret([UInt8](repeating: 0, count: 8) + rest))
  for missing in 1...8 {
    let key = try SigningKey(algorithm, privateKey: Secret([UInt8](repeating: 0, count: 8 - missing) + rest))
    // It is the same key, also in what is saved of it.
    #expect(key == whole && key.publicKey == whole.publicKey)
    #expect(key.privateBytes.byteCount == algorithm.privateKeyByteCount)
    #expect(algorithm.verify(try key.sign([1]), of: [1], publicKey: whole.publicKey))
  }
  // So many zeros nobody draws, and one byte more is no scalar.
  for wrong in [Array(rest.dropFirst()), [UInt8](repeating: 0, count: 9) + rest] {
    #expect(throws: CryptoError.invalidKey) { try SigningKey(algorithm, privateKey: Secret(wrong)) }
  }
}

@Test func `an Ed25519 key is taken with its public key behind it`() throws {
  let key = SignatureAlgorithm.ed25519.generateKey()
  let seed = key.privateBytes.exposedBytes
  let both = try SigningKey(.ed25519, privateKey: Secret(seed + key.publicKey))
  #expect(both == key && both.publicKey == key.publicKey && both.privateBytes.byteCount == 32)
  // Not with another's, nor with a part of it.
  let other = SignatureAlgorithm.ed25519.generateKey().publicKey
  for wrong in [seed + other, seed + key.publicKey.dropLast(), seed + key.publicKey + [0], Array(seed.dropFirst())] {
    #expect(throws: CryptoError.invalidKey) { try SigningKey(.ed25519, privateKey: Secret(wrong)) }
  }
}

@Test(arguments: [
  CipherSuite.mls128P256AES128SHA256P256, .mls256P384AES256SHA384P384, .mls256P521AES256SHA512P521,
])
func `an HPKE key is taken without the leading zeros of its scalar`(suite: CipherSuite) throws {
  let hpke = suite.hpke
  let rest = [UInt8](repeating: 0x55, count: hpke.kem.privateKeyByteCount - 8)
  let whole = try hpke.keyPair(privateKey: Secret([UInt8](repeating: 0, count: 8) + rest))
  let sealed = try hpke.seal([1, 2, 3], to: whole.publicKey, info: [], aad: [])
  for missing in 1...8 {
    let short = try hpke.keyPair(privateKey: Secret([UInt8](repeating: 0, count: 8 - missing) + rest))
    #expect(short.publicKey == whole.publicKey)
    #expect(try hpke.open(sealed, with: short, info: [], aad: []) == [1, 2, 3])
  }
  for wrong in [Array(rest.dropFirst()), [UInt8](repeating: 0, count: 9) + rest] {
    #expect(throws: CryptoError.invalidKey) { try hpke.keyPair(privateKey: Secret(wrong)) }
  }
}
