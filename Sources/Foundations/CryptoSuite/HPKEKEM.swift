import Crypto
import FoundationEssentials

extension HPKESuite {
  /// A key encapsulation mechanism (RFC 9180 §7.1; X-Wing: draft-connolly-cfrg-xwing-kem).
  public enum KEM: Sendable, Hashable {
    case x25519, p256, p384, p521, xWing

    /// The number in the IANA registry.
    var identifier: UInt16 {
      switch self {
      case .p256: 0x0010
      case .p384: 0x0011
      case .p521: 0x0012
      case .x25519: 0x0020
      case .xWing: 0x647a
      }
    }

    /// The hash inside a Diffie-Hellman mechanism; X-Wing's is SHA-3 and below this interface.
    var hash: HashAlgorithm {
      switch self {
      case .x25519, .p256, .xWing: .sha256
      case .p384: .sha384
      case .p521: .sha512
      }
    }

    /// Nsk, the length of a private key, in bytes.
    public var privateKeyByteCount: Int {
      switch self {
      case .x25519, .p256, .xWing: 32
      case .p384: 48
      case .p521: 66
      }
    }

    /// Nenc, the length of an encapsulated key, in bytes.
    public var kemOutputByteCount: Int {
      switch self {
      case .x25519: 32
      case .p256: 65
      case .p384: 97
      case .p521: 133
      case .xWing: 1120
      }
    }

    enum PrivateKey {
      case x25519(Curve25519.KeyAgreement.PrivateKey)
      case p256(P256.KeyAgreement.PrivateKey)
      case p384(P384.KeyAgreement.PrivateKey)
      case p521(P521.KeyAgreement.PrivateKey)
      case xWing(XWingMLKEM768X25519.PrivateKey)

      var publicKey: [UInt8] {
        switch self {
        case .x25519(let key): [UInt8](key.publicKey.rawRepresentation)
        case .p256(let key): [UInt8](key.publicKey.x963Representation)
        case .p384(let key): [UInt8](key.publicKey.x963Representation)
        case .p521(let key): [UInt8](key.publicKey.x963Representation)
        case .xWing(let key): [UInt8](key.publicKey.rawRepresentation)
        }
      }

      /// Overwrites what swift-crypto does not wipe when the key goes. The key is not used any more.
      func wipe() {
        if case .xWing(let key) = self { key.wipe() }
      }
    }

    /// Whether a private key is a big-endian scalar.
    private var hasScalars: Bool {
      switch self {
      case .p256, .p384, .p521: true
      case .x25519, .xWing: false
      }
    }

    func privateKey(_ secret: Secret) throws(CryptoError) -> PrivateKey {
      let secret = hasScalars ? secret.asScalar(byteCount: privateKeyByteCount) : secret
      // The pointer is valid in the closure and only copied from.
      return try unsafe secret.withRawBytes { (bytes) throws(CryptoError) -> PrivateKey in
        do {
          switch self {
          case .x25519: return .x25519(try unsafe Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes))
          case .p256: return .p256(try unsafe P256.KeyAgreement.PrivateKey(rawRepresentation: bytes))
          case .p384: return .p384(try unsafe P384.KeyAgreement.PrivateKey(rawRepresentation: bytes))
          case .p521: return .p521(try unsafe P521.KeyAgreement.PrivateKey(rawRepresentation: bytes))
          case .xWing:
            return .xWing(try unsafe XWingMLKEM768X25519.PrivateKey(seedRepresentation: bytes, publicKey: nil))
          }
        } catch {
          throw .invalidKey
        }
      }
    }

    /// suite_id of the mechanism's own derivations (RFC 9180 §4.1).
    var suiteID: [UInt8] {
      Array("KEM".utf8) + [UInt8(identifier >> 8), UInt8(identifier & 0xff)]
    }
  }
}

// MARK: - Encapsulation

extension HPKESuite.KEM {
  /// Makes a shared secret and its encapsulation for a public key (RFC 9180 §4.1).
  ///
  /// - Throws: `.invalidKey` for a malformed public key, or one that leads to the all-zero secret.
  func encapsulate(to publicKey: [UInt8]) throws(CryptoError) -> (sharedSecret: Secret, kemOutput: [UInt8]) {
    let agreement: Agreement
    do {
      switch self {
      case .x25519:
        agreement = try agree(
          Curve25519.KeyAgreement.PrivateKey(), .init(rawRepresentation: publicKey)
        ) { $0.rawRepresentation }
      case .p256:
        agreement = try agree(P256.KeyAgreement.PrivateKey(), .init(x963Representation: publicKey)) {
          $0.x963Representation
        }
      case .p384:
        agreement = try agree(P384.KeyAgreement.PrivateKey(), .init(x963Representation: publicKey)) {
          $0.x963Representation
        }
      case .p521:
        agreement = try agree(P521.KeyAgreement.PrivateKey(), .init(x963Representation: publicKey)) {
          $0.x963Representation
        }
      case .xWing:
        let result = try XWingMLKEM768X25519.PublicKey(rawRepresentation: publicKey).encapsulate()
        return (Secret(result.sharedSecret), [UInt8](result.encapsulated))
      }
    } catch {
      throw .invalidKey
    }
    let sharedSecret = try extractAndExpand(agreement.secret, kemOutput: agreement.publicKey, receiver: publicKey)
    return (sharedSecret, agreement.publicKey)
  }

  /// Recovers the shared secret from an encapsulation (RFC 9180 §4.1).
  ///
  /// - Throws: `.invalidLength` for an encapsulation of a wrong length, `.notAuthentic` for one that is no key,
  ///   `.invalidKey` for a malformed private key.
  func decapsulate(_ kemOutput: [UInt8], with keyPair: HPKEKeyPair) throws(CryptoError) -> Secret {
    // Also because X-Wing's decapsulation below relies on being given all the bytes.
    guard kemOutput.count == kemOutputByteCount else {
      throw .invalidLength(expected: kemOutputByteCount, actual: kemOutput.count)
    }
    let privateKey = try privateKey(keyPair.privateKey)
    defer { privateKey.wipe() }
    let secret: SharedSecret
    do {
      switch privateKey {
      case .x25519(let key): secret = try key.sharedSecretFromKeyAgreement(with: .init(rawRepresentation: kemOutput))
      case .p256(let key): secret = try key.sharedSecretFromKeyAgreement(with: .init(x963Representation: kemOutput))
      case .p384(let key): secret = try key.sharedSecretFromKeyAgreement(with: .init(x963Representation: kemOutput))
      case .p521(let key): secret = try key.sharedSecretFromKeyAgreement(with: .init(x963Representation: kemOutput))
      case .xWing(let key): return Secret(try key.decapsulate(Data(kemOutput)))
      }
    } catch {
      throw .notAuthentic
    }
    do {
      return try extractAndExpand(Secret(secret), kemOutput: kemOutput, receiver: keyPair.publicKey)
    } catch {
      throw .notAuthentic
    }
  }

  private typealias Agreement = (secret: Secret, publicKey: [UInt8])

  private func agree<Key: DiffieHellmanKeyAgreement>(
    _ ephemeral: Key, _ publicKey: Key.PublicKey, serialize: (Key.PublicKey) -> Data
  ) throws -> Agreement {
    (Secret(try ephemeral.sharedSecretFromKeyAgreement(with: publicKey)), [UInt8](serialize(ephemeral.publicKey)))
  }

  /// ExtractAndExpand of a Diffie-Hellman secret (RFC 9180 §4.1).
  ///
  /// - Throws: `.invalidKey` for the all-zero secret, which a small-order X25519 key gives whatever the other key is; RFC
  ///   9180 §7.1.4 has both sides check, and swift-crypto does not.
  private func extractAndExpand(
    _ secret: Secret, kemOutput: [UInt8], receiver: [UInt8]
  ) throws(CryptoError) -> Secret {
    guard self != .x25519 || secret != .zeros(32) else { throw .invalidKey }
    let labelled = LabelledKDF(hash: hash, suiteID: suiteID)
    let prk = labelled.extract(salt: Secret([]), label: "eae_prk", ikm: secret)
    return labelled.expand(prk, label: "shared_secret", info: kemOutput + receiver, count: hash.byteCount)
  }
}
