import Crypto
import CryptoExtras
import FoundationEssentials

/// Blind RSA signatures: RSABSSA-SHA384-PSS-Deterministic (RFC 9474 §5).
///
/// Who has something signed blinds it first; the signer sees a random number and cannot recognise the signature that is made
/// of its answer. "Deterministic" says that the message is signed as it is: it must be one that nobody can guess
/// (RFC 9474 §7.3), such as 32 random bytes.
public enum BlindSignature {
  fileprivate typealias Scheme = _RSA.BlindSigning
  fileprivate static let parameters = Scheme.Parameters<SHA384>.RSABSSA_SHA384_PSS_Deterministic
  /// 65,537: a fixed exponent leaves a signer nothing to choose but the modulus.
  fileprivate static let exponent: [UInt8] = [1, 0, 1]
  /// Lengths of a modulus, and of everything signed under it, in bytes.
  fileprivate static let modulusByteCounts = 256...512
}

/// The public half of a signer's key: what blinds, finishes and verifies.
public struct BlindSignaturePublicKey: Sendable {
  /// Big-endian, without leading zeros. Messages on their way and signatures have the same length.
  public let modulus: [UInt8]

  private let key: BlindSignature.Scheme.PublicKey<SHA384>

  /// - Parameter modulus: big-endian, 256 to 512 bytes, odd, with its highest bit set. The exponent is 65,537.
  /// - Throws: `.invalidKey`.
  public init(modulus: [UInt8]) throws(CryptoError) {
    guard BlindSignature.modulusByteCounts.contains(modulus.count), let first = modulus.first, first >= 0x80,
      let last = modulus.last, last & 1 == 1
    else { throw .invalidKey }
    self.modulus = modulus
    do {
      key = try BlindSignature.Scheme.PublicKey(n: modulus, e: BlindSignature.exponent, parameters: BlindSignature.parameters)
    } catch { throw .invalidKey }
  }

  /// Blinds a message for the signer (RFC 9474 §4.2). Costs some ten microseconds.
  ///
  /// - Returns: what the signer gets, and what makes a signature of its answer. The latter is secret: with it the signer
  ///   would recognise the signature.
  /// - Throws: `.underlying`, for a modulus that is no RSA modulus too.
  public func blind(_ message: [UInt8]) throws(CryptoError) -> (blinded: [UInt8], inverse: Secret) {
    do {
      let result = try key.blind(key.prepare(message))
      return (Array(result.blindedMessage), Secret(try Self.bytes(of: result.inverse)))
    } catch { throw .underlying }
  }

  /// Makes the signature of a signer's answer, and verifies it (RFC 9474 §4.4).
  ///
  /// - Throws: `.invalidLength`; `.invalidSignature` when the signer has answered with anything else than a signature.
  public func finish(_ answer: [UInt8], message: [UInt8], inverse: Secret) throws(CryptoError) -> [UInt8] {
    guard answer.count == modulus.count else { throw .invalidLength(expected: modulus.count, actual: answer.count) }
    guard inverse.byteCount == modulus.count else {
      throw .invalidLength(expected: modulus.count, actual: inverse.byteCount)
    }
    do {
      let signature = try key.finalize(
        BlindSignature.Scheme.BlindSignature(rawRepresentation: answer), for: key.prepare(message),
        blindingInverse: try Self.inverse(of: inverse.exposedBytes))
      return Array(signature.rawRepresentation)
    } catch { throw .invalidSignature }
  }

  /// Whether this is a signature of the message. Anything malformed is simply not valid. Costs 15 microseconds.
  public func verify(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    // A number that is not below the modulus would be a second form of the same signature.
    guard signature.count == modulus.count, signature.lexicographicallyPrecedes(modulus) else { return false }
    return key.isValidSignature(_RSA.Signing.RSASignature(rawRepresentation: signature), for: key.prepare(message))
  }

  // The library has no way to store the inverse, and a blinded message whose inverse is lost is a lost right to a signature. Its
  // type holds one `Data` and nothing else; a test fails if that is ever otherwise.

  private static func bytes(of inverse: BlindSignature.Scheme.BlindingInverse) throws -> [UInt8] {
    guard MemoryLayout<BlindSignature.Scheme.BlindingInverse>.size == MemoryLayout<Data>.size else { throw CryptoError.unsupported }
    // `unsafe`: both are structures of one `Data`, so they have the same representation.
    return Array(unsafe unsafeBitCast(inverse, to: Data.self))
  }

  private static func inverse(of bytes: [UInt8]) throws -> BlindSignature.Scheme.BlindingInverse {
    guard MemoryLayout<BlindSignature.Scheme.BlindingInverse>.size == MemoryLayout<Data>.size else { throw CryptoError.unsupported }
    // `unsafe`: as above.
    return unsafe unsafeBitCast(Data(bytes), to: BlindSignature.Scheme.BlindingInverse.self)
  }
}

extension BlindSignaturePublicKey: Hashable {
  public static func == (left: BlindSignaturePublicKey, right: BlindSignaturePublicKey) -> Bool { left.modulus == right.modulus }
  public func hash(into hasher: inout Hasher) { hasher.combine(modulus) }
}

/// A signer's key.
public struct BlindSignatureKey: Sendable {
  /// What those who have something signed need.
  public let publicKey: BlindSignaturePublicKey
  /// The key as it is stored (RFC 8017 §A.1.2).
  public let derBytes: Secret

  private let key: BlindSignature.Scheme.PrivateKey<SHA384>

  /// A new key of 2,048 bits, from the system's generator; takes some tenths of a second.
  ///
  /// - Throws: `.underlying` when the library below makes none.
  public static func generate() throws(CryptoError) -> BlindSignatureKey {
    do {
      return try BlindSignatureKey(BlindSignature.Scheme.PrivateKey(keySize: .bits2048, parameters: BlindSignature.parameters))
    } catch { throw .underlying }
  }

  /// - Throws: `.invalidKey` for bytes that are no RSA key of at least 2,048 bits with the exponent 65,537.
  public init(derBytes: Secret) throws(CryptoError) {
    do {
      self = try BlindSignatureKey(
        BlindSignature.Scheme.PrivateKey(derRepresentation: derBytes.exposedBytes, parameters: BlindSignature.parameters))
    } catch { throw .invalidKey }
  }

  /// A key of its numbers, big-endian, as test vectors write them.
  package init(n: [UInt8], d: [UInt8], p: [UInt8], q: [UInt8]) throws(CryptoError) {
    do {
      self = try BlindSignatureKey(
        BlindSignature.Scheme.PrivateKey(
          n: n, e: BlindSignature.exponent, d: d, p: p, q: q, parameters: BlindSignature.parameters))
    } catch { throw .invalidKey }
  }

  private init(_ key: BlindSignature.Scheme.PrivateKey<SHA384>) throws {
    self.key = key
    let numbers = try key.publicKey.getKeyPrimitives()
    guard Array(numbers.publicExponent) == BlindSignature.exponent else { throw CryptoError.invalidKey }
    publicKey = try BlindSignaturePublicKey(modulus: Array(numbers.modulus))
    derBytes = Secret(Array(key.derRepresentation))
  }

  /// Signs what somebody has blinded (RFC 9474 §4.3): the same answer for the same bytes. Costs half a millisecond.
  ///
  /// - Throws: `.invalidLength`; `.unsupported` for a number that is not below the modulus.
  public func sign(_ blinded: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard blinded.count == publicKey.modulus.count else {
      throw .invalidLength(expected: publicKey.modulus.count, actual: blinded.count)
    }
    guard blinded.lexicographicallyPrecedes(publicKey.modulus) else { throw .unsupported }
    do { return Array(try key.blindSignature(for: blinded).rawRepresentation) } catch { throw .underlying }
  }
}

extension BlindSignatureKey: CustomStringConvertible, CustomReflectable {
  public var description: String { "BlindSignatureKey" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
