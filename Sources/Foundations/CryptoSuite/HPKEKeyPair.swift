import Crypto
import FoundationEssentials

/// A key pair for HPKE.
public struct HPKEKeyPair: Sendable, Equatable {
  /// A scalar, or the 32-byte seed of X-Wing. A scalar of a NIST curve may lack leading zeros.
  public let privateKey: Secret
  /// As RFC 9180 §7.1.1 serialises it: 32 bytes, an uncompressed point, or 1,216 bytes for X-Wing.
  public let publicKey: [UInt8]

  /// A pair known to belong together; see ``HPKESuite/publicKey(for:)`` for checking.
  public init(privateKey: Secret, publicKey: [UInt8]) {
    self.privateKey = privateKey
    self.publicKey = publicKey
  }
}

/// An encapsulated key and what was encrypted under it (RFC 9420 §7.6).
public struct HPKECiphertext: Sendable, Hashable {
  /// The encapsulated key.
  public var kemOutput: [UInt8]
  /// The ciphertext with its tag.
  public var ciphertext: [UInt8]

  public init(kemOutput: [UInt8], ciphertext: [UInt8]) {
    self.kemOutput = kemOutput
    self.ciphertext = ciphertext
  }
}

extension HPKESuite {
  /// Makes a new key pair.
  public func generateKeyPair(using random: any RandomSource = SystemRandom()) -> HPKEKeyPair {
    while true {
      let ikm = Secret(randomByteCount: kem.privateKeyByteCount, using: random)
      // Fails only with a probability below 2^-128, and then for this input only.
      if let keyPair = try? deriveKeyPair(ikm: ikm) { return keyPair }
    }
  }

  /// The key pair that belongs to a secret, DeriveKeyPair (RFC 9180 §7.1.3; X-Wing: draft-ietf-hpke-pq).
  ///
  /// - Parameter ikm: at least as many bytes of entropy as a private key has.
  /// - Throws: `.invalidKey` for a secret that leads to no key: for the curves of NIST, with a probability below 2^-128.
  public func deriveKeyPair(ikm: Secret) throws(CryptoError) -> HPKEKeyPair {
    if kem == .xWing {
      // The label and the output length, 32, are both preceded by 16-bit lengths in this form of labelled derivation.
      let suffix = Array("HPKE-v1".utf8) + kem.suiteID + [0x00, 0x0d] + Array("DeriveKeyPair".utf8) + [0x00, 0x20]
      let seed = SHAKE256.hash(ikm, before: suffix, count: 32)
      return HPKEKeyPair(privateKey: seed, publicKey: try publicKey(for: seed))
    }
    let labelled = LabelledKDF(hash: kem.hash, suiteID: kem.suiteID)
    let prk = labelled.extract(salt: Secret([]), label: "dkp_prk", ikm: ikm)
    if kem == .x25519 {
      let secret = labelled.expand(prk, label: "sk", info: [], count: 32)
      return HPKEKeyPair(privateKey: secret, publicKey: try publicKey(for: secret))
    }
    for counter in UInt8.min...UInt8.max {
      var candidate = labelled.expand(prk, label: "candidate", info: [counter], count: kem.privateKeyByteCount)
      if kem == .p521 {
        candidate = candidate.keepingLastBitOfFirstByte
      }
      // A candidate outside 1...order-1 is skipped, as the RFC says.
      if let publicKey = try? publicKey(for: candidate) {
        return HPKEKeyPair(privateKey: candidate, publicKey: publicKey)
      }
    }
    throw .invalidKey
  }

  /// The key pair of a private key that is kept elsewhere. Of a scalar of a NIST curve, leading zeros may be missing: some
  /// who publish keys of P-521 leave them out.
  ///
  /// - Throws: `.invalidKey` for bytes that are no private key.
  public func keyPair(privateKey: Secret) throws(CryptoError) -> HPKEKeyPair {
    HPKEKeyPair(privateKey: privateKey, publicKey: try publicKey(for: privateKey))
  }

  /// The public half of a private key.
  ///
  /// - Throws: `.invalidKey` for bytes that are no private key.
  public func publicKey(for privateKey: Secret) throws(CryptoError) -> [UInt8] {
    let key = try kem.privateKey(privateKey)
    defer { key.wipe() }
    return key.publicKey
  }

  /// Whether these bytes are a public key of this suite: of the right length, and on the curve.
  public func isValidPublicKey(_ publicKey: [UInt8]) -> Bool {
    do {
      switch kem {
      case .x25519: _ = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey)
      case .p256: _ = try P256.KeyAgreement.PublicKey(x963Representation: publicKey)
      case .p384: _ = try P384.KeyAgreement.PublicKey(x963Representation: publicKey)
      case .p521: _ = try P521.KeyAgreement.PublicKey(x963Representation: publicKey)
      case .xWing: _ = try XWingMLKEM768X25519.PublicKey(rawRepresentation: publicKey)
      }
      return true
    } catch {
      return false
    }
  }
}

extension Secret {
  /// How many leading zeros of a scalar may be missing. Of fewer than one key in 2^64 so many are zeros; what is shorter is
  /// a mistake.
  private static var missingZeros: Int { 8 }

  /// A big-endian scalar with the leading zeros that were left out; whatever has another length stays as it is.
  func asScalar(byteCount count: Int) -> Secret {
    let missing = count - byteCount
    guard missing > 0, missing <= Self.missingZeros else { return self }
    // The pointers are valid in their closures, and the buffer has room for the zeros and this secret behind them.
    return unsafe Secret(count: count) { buffer in
      unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
      unsafe withRawBytes { bytes in
        unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[missing...]).copyMemory(from: bytes)
      }
    }
  }

  /// Its first and its other bytes; nil where there are not so many.
  func split(at count: Int) -> (head: Secret, tail: [UInt8])? {
    guard byteCount >= count else { return nil }
    // The pointers are valid in the closure and only copied from.
    return unsafe withRawBytes { bytes in
      unsafe (
        Secret(copying: UnsafeRawBufferPointer(rebasing: bytes[..<count])),
        [UInt8](UnsafeRawBufferPointer(rebasing: bytes[count...]))
      )
    }
  }

  /// Only the lowest bit of the first byte is part of a P-521 scalar.
  var keepingLastBitOfFirstByte: Secret {
    // The pointers are valid in their closures, and the buffer is as long as this secret.
    unsafe Secret(count: byteCount) { buffer in
      unsafe withRawBytes { unsafe buffer.copyMemory(from: $0) }
      if byteCount > 0 { unsafe buffer[0] &= 0x01 }
    }
  }
}
