import TestSupport
import Testing

@testable import CryptoSuite

private let suites: [HPKESuite] = [
  .x25519_sha256_aes128gcm, .x25519_sha256_chaCha20Poly1305, .p256_sha256_aes128gcm, .p384_sha384_aes256gcm,
  .p521_sha512_aes256gcm, .xWing_sha384_aes256gcm,
]

@Test func `X-Wing agrees with the published vectors`() throws {
  struct Case: Decodable {
    struct Encryption: Decodable { let aad, ct, nonce, pt: HexBytes }
    struct Export: Decodable {
      let exporter_context, exported_value: HexBytes
      let L: Int
    }
    let mode, kem_id, kdf_id, aead_id: Int
    let info, ikmR, skRm, pkRm, enc, shared_secret, key, base_nonce, exporter_secret: HexBytes
    let encryptions: [Encryption]
    let exports: [Export]
  }
  let file = "mls-xwing/hpke-xwing.json"
  guard let cases = try Vectors.load(file, as: [Case].self) else { return }
  var counter = CaseCounter(file)
  for item in cases {
    guard item.kem_id == 0x647a else {
      counter.passOver("another KEM than X-Wing")
      continue
    }
    // A KDF that MLS does not use leaves the KEM to check: it has no part in DeriveKeyPair and decapsulation.
    let isHKDF = item.kdf_id == 1
    let suite = HPKESuite(kem: .xWing, hash: .sha256, aead: .chaCha20Poly1305)
    let pair = try suite.deriveKeyPair(ikm: Secret(item.ikmR.bytes))
    #expect(pair.privateKey == Secret(item.skRm.bytes))
    #expect(pair.publicKey == item.pkRm.bytes)
    let shared = try suite.kem.decapsulate(item.enc.bytes, with: pair)
    #expect(shared == Secret(item.shared_secret.bytes))
    counter.run()
    guard isHKDF else { continue }

    let schedule = HPKEKeySchedule(sharedSecret: shared, info: suite.prepare(info: item.info.bytes))
    #expect(schedule.key == Secret(item.key.bytes))
    #expect(schedule.baseNonce == Secret(item.base_nonce.bytes))
    #expect(schedule.exporterSecret == Secret(item.exporter_secret.bytes))
    for export in item.exports {
      #expect(
        try suite.setupReceiverExport(
          kemOutput: item.enc.bytes, with: pair, info: item.info.bytes,
          exporterContext: export.exporter_context.bytes, count: export.L) == Secret(export.exported_value.bytes))
    }
    let first = try #require(item.encryptions.first)
    let ciphertext = HPKECiphertext(kemOutput: item.enc.bytes, ciphertext: first.ct.bytes)
    #expect(try suite.open(ciphertext, with: pair, info: item.info.bytes, aad: first.aad.bytes) == first.pt.bytes)
  }
  counter.report()
}

@Test func `SHAKE256 agrees with the published digests`() throws {
  // FIPS 202 examples; lengths on both sides of a block of 136 bytes.
  #expect(shake256([], count: 32) == bytes(hex: "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"))
  #expect(
    shake256(Array("abc".utf8), count: 32)
      == bytes(hex: "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739"))
  let long = shake256([UInt8](repeating: 0xa3, count: 200), count: 300)
  #expect(Array(long.prefix(32)) == bytes(hex: "cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d"))
}

private func shake256(_ input: [UInt8], count: Int) -> [UInt8] {
  SHAKE256.hash(Secret(Array(input.prefix(3))), before: Array(input.dropFirst(3)), count: count).exposedBytes
}

@Test func `RFC 9180 appendix A-1-1 derives and opens`() throws {
  let suite = HPKESuite.x25519_sha256_aes128gcm
  let ikm = try #require(bytes(hex: "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037"))
  let pair = try suite.deriveKeyPair(ikm: Secret(ikm))
  #expect(pair.privateKey == Secret(bytes(hex: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8") ?? []))
  #expect(pair.publicKey == bytes(hex: "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"))
  let enc = try #require(bytes(hex: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"))
  #expect(
    try suite.kem.decapsulate(enc, with: pair).exposedBytes
      == bytes(hex: "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"))
  let ciphertext = try #require(
    bytes(hex: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"))
  let info = try #require(bytes(hex: "4f6465206f6e2061204772656369616e2055726e"))
  #expect(
    try suite.open(
      HPKECiphertext(kemOutput: enc, ciphertext: ciphertext), with: pair, info: info, aad: Array("Count-0".utf8))
      == Array("Beauty is truth, truth beauty".utf8))
}

/// Points of small order: whatever the other key, the shared secret is zero.
@Test func `X25519 keys that lead to the zero secret are refused`() throws {
  let suite = HPKESuite.x25519_sha256_aes128gcm
  let pair = suite.generateKeyPair()
  let points = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  ]
  for point in points {
    let key = try #require(bytes(hex: point))
    #expect(throws: CryptoError.invalidKey) { try suite.seal([1], to: key, info: [], aad: []) }
    #expect(throws: CryptoError.notAuthentic) {
      try suite.open(HPKECiphertext(kemOutput: key, ciphertext: [UInt8](repeating: 0, count: 20)), with: pair, info: [], aad: [])
    }
  }
}

@Test(arguments: suites)
func `an info prepared once seals like one given each time`(suite: HPKESuite) throws {
  let info = suite.prepare(info: [1, 2, 3])
  for _ in 0..<3 {
    let pair = suite.generateKeyPair()
    let sealed = try suite.seal([7], to: pair.publicKey, info: info, aad: [])
    #expect(try suite.open(sealed, with: pair, info: [1, 2, 3], aad: []) == [7])
  }
}

@Test(arguments: suites)
func `a sealed message opens with everything the same and with nothing different`(suite: HPKESuite) throws {
  let pair = suite.generateKeyPair()
  let other = suite.generateKeyPair()
  let message: [UInt8] = [1, 2, 3, 4]
  let sealed = try suite.seal(message, to: pair.publicKey, info: [5], aad: [6])
  #expect(sealed.kemOutput.count == suite.kem.kemOutputByteCount)
  #expect(try suite.open(sealed, with: pair, info: [5], aad: [6]) == message)
  #expect(throws: CryptoError.notAuthentic) { try suite.open(sealed, with: other, info: [5], aad: [6]) }
  #expect(throws: CryptoError.notAuthentic) { try suite.open(sealed, with: pair, info: [], aad: [6]) }
  #expect(throws: CryptoError.notAuthentic) { try suite.open(sealed, with: pair, info: [5], aad: []) }
  for bit in 0..<(sealed.ciphertext.count * 8) {
    var changed = sealed
    changed.ciphertext[bit / 8] ^= 1 << UInt8(bit % 8)
    #expect(throws: CryptoError.notAuthentic) { try suite.open(changed, with: pair, info: [5], aad: [6]) }
  }
  for count in 0..<sealed.ciphertext.count {
    var cut = sealed
    cut.ciphertext = Array(sealed.ciphertext.prefix(count))
    #expect(throws: CryptoError.notAuthentic) { try suite.open(cut, with: pair, info: [5], aad: [6]) }
  }
  for count in 0..<sealed.kemOutput.count {
    var cut = sealed
    cut.kemOutput = Array(sealed.kemOutput.prefix(count))
    #expect(throws: CryptoError.invalidLength(expected: sealed.kemOutput.count, actual: count)) {
      try suite.open(cut, with: pair, info: [5], aad: [6])
    }
  }
}

@Test(arguments: suites)
func `PSK mode needs the same PSK and identifier`(suite: HPKESuite) throws {
  let pair = suite.generateKeyPair()
  let psk = Secret(randomByteCount: 32)
  let sealed = try suite.sealWithPSK([9, 9], to: pair.publicKey, info: [1], aad: [2], psk: psk, pskID: [3])
  #expect(try suite.openWithPSK(sealed, with: pair, info: [1], aad: [2], psk: psk, pskID: [3]) == [9, 9])
  #expect(throws: CryptoError.notAuthentic) {
    try suite.openWithPSK(sealed, with: pair, info: [1], aad: [2], psk: Secret(randomByteCount: 32), pskID: [3])
  }
  #expect(throws: CryptoError.notAuthentic) {
    try suite.openWithPSK(sealed, with: pair, info: [1], aad: [2], psk: psk, pskID: [4])
  }
  #expect(throws: CryptoError.notAuthentic) { try suite.open(sealed, with: pair, info: [1], aad: [2]) }
  #expect(throws: CryptoError.invalidLength(expected: 32, actual: 31)) {
    try suite.sealWithPSK(
      [], to: pair.publicKey, info: [], aad: [], psk: Secret(randomByteCount: 31), pskID: [3])
  }
}

@Test func `our key schedule with a PSK agrees with RFC 9180 appendix A-1-2`() throws {
  let shared = try #require(bytes(hex: "727699f009ffe3c076315019c69648366b69171439bd7dd0807743bde76986cd"))
  let info = try #require(bytes(hex: "4f6465206f6e2061204772656369616e2055726e"))
  let psk = try #require(bytes(hex: "0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82"))
  let pskID = try #require(bytes(hex: "456e6e796e20447572696e206172616e204d6f726961"))
  let schedule = HPKEKeySchedule(
    sharedSecret: Secret(shared),
    info: HPKEInfo(suite: .x25519_sha256_aes128gcm, info: info, psk: Secret(psk), pskID: pskID))
  #expect(schedule.key.exposedBytes == bytes(hex: "15026dba546e3ae05836fc7de5a7bb26"))
  #expect(schedule.baseNonce.exposedBytes == bytes(hex: "9518635eba129d5ce0914555"))
  #expect(
    schedule.exporterSecret.exposedBytes
      == bytes(hex: "3d76025dbbedc49448ec3f9080a1abab6b06e91c0b11ad23c912f043a0ee7655"))
}

@Test(arguments: suites)
func `both ends export the same secret`(suite: HPKESuite) throws {
  let pair = suite.generateKeyPair()
  let (kemOutput, secret) = try suite.setupSenderExport(
    to: pair.publicKey, info: [1], exporterContext: [2], count: 48)
  #expect(secret.byteCount == 48)
  #expect(
    try suite.setupReceiverExport(kemOutput: kemOutput, with: pair, info: [1], exporterContext: [2], count: 48)
      == secret)
}

@Test(arguments: suites)
func `derived keys repeat for the same input and malformed public keys are told apart`(suite: HPKESuite) throws {
  let ikm = Secret(randomByteCount: 66)
  #expect(try suite.deriveKeyPair(ikm: ikm) == suite.deriveKeyPair(ikm: ikm))
  let key = suite.generateKeyPair(using: SeededRandom(seed: 1)).publicKey
  #expect(key == suite.generateKeyPair(using: SeededRandom(seed: 1)).publicKey)
  #expect(suite.isValidPublicKey(key))
  #expect(!suite.isValidPublicKey(Array(key.dropLast())))
  #expect(!suite.isValidPublicKey([]))
  #expect(throws: CryptoError.invalidKey) { try suite.seal([], to: Array(key.dropLast()), info: [], aad: []) }
}

@Test func `a point beside the curve is no key`() throws {
  for suite in [HPKESuite.p256_sha256_aes128gcm, .p384_sha384_aes256gcm, .p521_sha512_aes256gcm] {
    let pair = suite.generateKeyPair()
    var beside = pair.publicKey
    beside[beside.count - 1] ^= 1
    #expect(suite.isValidPublicKey(pair.publicKey))
    #expect(!suite.isValidPublicKey(beside))
    #expect(throws: CryptoError.invalidKey) { try suite.seal([1], to: beside, info: [], aad: []) }
    let ciphertext = HPKECiphertext(kemOutput: beside, ciphertext: [UInt8](repeating: 0, count: 20))
    #expect(throws: CryptoError.notAuthentic) { try suite.open(ciphertext, with: pair, info: [], aad: []) }
    // RFC 9420 §5.1.1 knows the uncompressed form only.
    let compressed = [0x02 | (pair.publicKey[pair.publicKey.count - 1] & 1)] + pair.publicKey[1...(pair.publicKey.count / 2)]
    #expect(!suite.isValidPublicKey(compressed))
  }
}
