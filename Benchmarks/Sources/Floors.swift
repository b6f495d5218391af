import CryptoSuite

/// What the unavoidable operations cost on this machine, in nanoseconds.
struct Floors {
  let suite: CipherSuite
  let sign: Double
  let verify: Double
  /// Of one path secret: HPKE to one key.
  let seal: Double
  let open: Double
  let makeKeyPair: Double
  /// One hash of 64 bytes.
  let hash: Double
  /// One HKDF-Expand of one block.
  let expand: Double
  /// One kibibyte through the suite's AEAD.
  let sealKibibyte: Double
  let openKibibyte: Double
  private let message: [UInt8]
  private let key: SigningKey
  private let signature: [UInt8]
  private let pair: HPKEKeyPair
  private let secret: [UInt8]
  private let context: [UInt8]

  init(_ suite: CipherSuite) throws {
    self.suite = suite
    let message = [UInt8](repeating: 7, count: 256)
    let key = suite.signature.generateKey()
    let signature = try key.sign(message)
    sign = try best { keep(try key.sign(message)) }
    verify = best { keep(suite.signature.verify(signature, of: message, publicKey: key.publicKey)) }
    let pair = suite.hpke.generateKeyPair()
    let secret = [UInt8](repeating: 5, count: suite.hash.byteCount)
    let context = [UInt8](repeating: 6, count: 200)
    self.message = message
    self.key = key
    self.signature = signature
    self.pair = pair
    self.secret = secret
    self.context = context
    let sealed = try suite.hpke.seal(secret, to: pair.publicKey, info: context, aad: [])
    seal = try best { keep(try suite.hpke.seal(secret, to: pair.publicKey, info: context, aad: [])) }
    open = try best { keep(try suite.hpke.open(sealed, with: pair, info: context, aad: [])) }
    let seed = Secret(secret)
    makeKeyPair = try best { keep(try suite.hpke.deriveKeyPair(ikm: seed)) }
    let block = [UInt8](repeating: 1, count: 64)
    hash = best { keep(suite.hash.hash(block)) }
    expand = best { keep(suite.kdf.expand(seed, info: [1, 2, 3], count: suite.hash.byteCount)) }
    let kibibyte = [UInt8](repeating: 2, count: 1_024)
    let aeadKey = Secret([UInt8](repeating: 3, count: suite.aead.keyByteCount))
    let nonce = [UInt8](repeating: 4, count: suite.aead.nonceByteCount)
    let ciphertext = try suite.aead.seal(kibibyte, key: aeadKey, nonce: nonce, aad: [])
    sealKibibyte = try best { keep(try suite.aead.seal(kibibyte, key: aeadKey, nonce: nonce, aad: [])) }
    openKibibyte = try best { keep(try suite.aead.open(ciphertext, key: aeadKey, nonce: nonce, aad: [])) }
  }

  /// Verifications one after the other, in nanoseconds for each. What takes long does not run at the speed of the shortest
  /// moment, so its floor is not to be taken from that.
  func sustainedVerify(_ count: Int) -> Double {
    let start = threadNanoseconds()
    for _ in 0..<count { keep(suite.signature.verify(signature, of: message, publicKey: key.publicKey)) }
    return (threadNanoseconds() - start) / Double(count)
  }

  func sustainedSeal(_ count: Int) throws -> Double {
    let start = threadNanoseconds()
    for _ in 0..<count { keep(try suite.hpke.seal(secret, to: pair.publicKey, info: context, aad: [])) }
    return (threadNanoseconds() - start) / Double(count)
  }

  func report(to report: inout Report, area: String) {
    let rows: [(String, Double)] = [
      ("signature", sign), ("verification", verify), ("HPKE seal", seal), ("HPKE open", open), ("key pair from a secret", makeKeyPair),
      ("hash of 64 bytes", hash), ("HKDF-Expand, one block", expand), ("AEAD seal 1 KiB", sealKibibyte), ("AEAD open 1 KiB", openKibibyte),
    ]
    for (name, time) in rows { report.add(area, "floor: " + name, size: 1, time / 1e3, "us") }
  }
}
