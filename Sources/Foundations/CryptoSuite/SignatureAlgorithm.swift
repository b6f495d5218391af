import Crypto
import FoundationEssentials

/// A signature scheme of the MLS cipher suites: Ed25519 (RFC 8032), or ECDSA with the hash of the curve's size.
///
/// ECDSA public keys are uncompressed points and signatures are DER (RFC 9420 §5.1.1).
public enum SignatureAlgorithm: Sendable, Hashable {
  case ed25519, p256, p384, p521

  /// Makes a new key.
  public func generateKey(using random: any RandomSource = SystemRandom()) -> SigningKey {
    while true {
      var secret = Secret(randomByteCount: privateKeyByteCount, using: random)
      if self == .p521 { secret = secret.keepingLastBitOfFirstByte }
      // Outside the curve's order with a probability of at most 2^-32: draw again.
      if let key = try? SigningKey(self, privateKey: secret) { return key }
    }
  }

  /// Whether `signature` over `message` was made with the private half of `publicKey`. A malformed key or signature is
  /// simply not valid.
  public func verify(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
    do {
      switch self {
      case .ed25519:
        return try Curve25519.Signing.PublicKey(rawRepresentation: publicKey)
          .isValidSignature(signature, for: message)
      case .p256:
        return try P256.Signing.PublicKey(x963Representation: publicKey)
          .isValidSignature(P256.Signing.ECDSASignature(derRepresentation: signature), for: message)
      case .p384:
        return try P384.Signing.PublicKey(x963Representation: publicKey)
          .isValidSignature(P384.Signing.ECDSASignature(derRepresentation: signature), for: message)
      case .p521:
        return try P521.Signing.PublicKey(x963Representation: publicKey)
          .isValidSignature(P521.Signing.ECDSASignature(derRepresentation: signature), for: message)
      }
    } catch {
      return false
    }
  }

  /// Whether these bytes are a public key: of the right length, and on the curve.
  public func isValidPublicKey(_ publicKey: [UInt8]) -> Bool {
    do {
      switch self {
      case .ed25519: _ = try Curve25519.Signing.PublicKey(rawRepresentation: publicKey)
      case .p256: _ = try P256.Signing.PublicKey(x963Representation: publicKey)
      case .p384: _ = try P384.Signing.PublicKey(x963Representation: publicKey)
      case .p521: _ = try P521.Signing.PublicKey(x963Representation: publicKey)
      }
      return true
    } catch {
      return false
    }
  }

  /// The length of a private key, in bytes.
  public var privateKeyByteCount: Int {
    switch self {
    case .ed25519, .p256: 32
    case .p384: 48
    case .p521: 66
    }
  }
}

/// A private signature key with its public half.
public struct SigningKey: Sendable {
  private enum Backing: Sendable {
    case ed25519(Curve25519.Signing.PrivateKey)
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case p521(P521.Signing.PrivateKey)
  }

  private let backing: Backing

  /// The scheme of this key.
  public let algorithm: SignatureAlgorithm

  /// The public key as RFC 9420 §5.1.1 writes it.
  public let publicKey: [UInt8]

  /// The private key: an Ed25519 seed, or a big-endian scalar with its leading zeros.
  public let privateBytes: Secret

  /// A key that is kept elsewhere.
  ///
  /// - Parameter privateKey: an Ed25519 seed (RFC 8032 §5.1.5), alone or with its public key behind it, as many store it; or
  ///   a big-endian scalar, whose leading zeros may be missing.
  /// - Throws: `.invalidKey` for bytes that are no private key of the scheme, and for a seed with another's public key.
  public init(_ algorithm: SignatureAlgorithm, privateKey: Secret) throws(CryptoError) {
    var claimed: [UInt8]?
    var privateKey = privateKey
    if algorithm != .ed25519 {
      privateKey = privateKey.asScalar(byteCount: algorithm.privateKeyByteCount)
    } else if privateKey.byteCount == 64, let parts = privateKey.split(at: 32) {
      privateKey = parts.head
      claimed = parts.tail
    }
    self.algorithm = algorithm
    privateBytes = privateKey
    // The pointer is valid in the closure and only copied from.
    (backing, publicKey) = try unsafe privateKey.withRawBytes { (bytes) throws(CryptoError) -> (Backing, [UInt8]) in
      do {
        switch algorithm {
        case .ed25519:
          let key = try unsafe Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
          return (.ed25519(key), [UInt8](key.publicKey.rawRepresentation))
        case .p256:
          let key = try unsafe P256.Signing.PrivateKey(rawRepresentation: bytes)
          return (.p256(key), [UInt8](key.publicKey.x963Representation))
        case .p384:
          let key = try unsafe P384.Signing.PrivateKey(rawRepresentation: bytes)
          return (.p384(key), [UInt8](key.publicKey.x963Representation))
        case .p521:
          // As for all of them.
          let key = try unsafe P521.Signing.PrivateKey(rawRepresentation: bytes)
          return (.p521(key), [UInt8](key.publicKey.x963Representation))
        }
      } catch {
        throw .invalidKey
      }
    }
    guard claimed == nil || claimed == publicKey else { throw .invalidKey }
  }

  /// Signs `message`.
  ///
  /// - Throws: `.underlying` when the library below fails.
  public func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
    do {
      switch backing {
      case .ed25519(let key): return [UInt8](try key.signature(for: message))
      case .p256(let key): return [UInt8](try key.signature(for: message).derRepresentation)
      case .p384(let key): return [UInt8](try key.signature(for: message).derRepresentation)
      case .p521(let key): return [UInt8](try key.signature(for: message).derRepresentation)
      }
    } catch {
      throw .underlying
    }
  }
}

extension SigningKey: Equatable {
  public static func == (left: SigningKey, right: SigningKey) -> Bool {
    left.algorithm == right.algorithm && left.privateBytes == right.privateBytes
  }
}

extension SigningKey: CustomStringConvertible, CustomReflectable {
  public var description: String { "SigningKey(\(algorithm))" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
