import Crypto
import FoundationEssentials

/// A combination of algorithms for hybrid public key encryption (RFC 9180).
public struct HPKESuite: Sendable, Hashable {
  /// The key encapsulation mechanism.
  public let kem: KEM
  /// The hash of the key schedule's HKDF. The Diffie-Hellman mechanisms have a fixed hash of their own beside it.
  public let hash: HashAlgorithm
  /// The cipher.
  public let aead: AEADAlgorithm

  public init(kem: KEM, hash: HashAlgorithm, aead: AEADAlgorithm) {
    self.kem = kem
    self.hash = hash
    self.aead = aead
  }

  public static let x25519_sha256_aes128gcm = HPKESuite(kem: .x25519, hash: .sha256, aead: .aes128GCM)
  public static let x25519_sha256_chaCha20Poly1305 = HPKESuite(kem: .x25519, hash: .sha256, aead: .chaCha20Poly1305)
  public static let p256_sha256_aes128gcm = HPKESuite(kem: .p256, hash: .sha256, aead: .aes128GCM)
  public static let p384_sha384_aes256gcm = HPKESuite(kem: .p384, hash: .sha384, aead: .aes256GCM)
  public static let p521_sha512_aes256gcm = HPKESuite(kem: .p521, hash: .sha512, aead: .aes256GCM)
  public static let xWing_sha384_aes256gcm = HPKESuite(kem: .xWing, hash: .sha384, aead: .aes256GCM)

  /// Encrypts to a public key in base mode.
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func seal(
    _ plaintext: [UInt8], to publicKey: [UInt8], info: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> HPKECiphertext {
    var sender = try sender(to: publicKey, info: info, psk: nil)
    do {
      let ciphertext = try sender.seal(plaintext, authenticating: aad)
      return HPKECiphertext(kemOutput: [UInt8](sender.encapsulatedKey), ciphertext: [UInt8](ciphertext))
    } catch {
      throw .underlying
    }
  }

  /// Decrypts what ``seal(_:to:info:aad:)`` made for this key pair.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used.
  public func open(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    var recipient = try recipient(of: ciphertext.kemOutput, with: keyPair, info: info, psk: nil)
    do {
      return [UInt8](try recipient.open(ciphertext.ciphertext, authenticating: aad))
    } catch {
      throw .notAuthentic
    }
  }

  /// Encrypts to a public key in PSK mode: only someone who knows `psk` can have made the result.
  ///
  /// - Parameters:
  ///   - psk: at least 32 bytes of full entropy (RFC 9180 §9.5).
  ///   - pskID: names the secret; not empty.
  /// - Throws: `.invalidLength` for a short `psk` or an empty `pskID`, `.invalidKey` for a malformed public key.
  public func sealWithPSK(
    _ plaintext: [UInt8], to publicKey: [UInt8], info: [UInt8], aad: [UInt8], psk: Secret, pskID: [UInt8]
  ) throws(CryptoError) -> HPKECiphertext {
    try check(psk: psk, pskID: pskID)
    if kem == .xWing {
      let (shared, kemOutput) = try encapsulateXWing(to: publicKey)
      let schedule = HPKEKeySchedule(suite: self, sharedSecret: shared, info: info, psk: psk, pskID: pskID)
      let ciphertext = try aead.seal(plaintext, key: schedule.key, nonce: schedule.baseNonce, aad: aad)
      return HPKECiphertext(kemOutput: kemOutput, ciphertext: ciphertext)
    }
    var sender = try sender(to: publicKey, info: info, psk: (psk, pskID))
    do {
      let ciphertext = try sender.seal(plaintext, authenticating: aad)
      return HPKECiphertext(kemOutput: [UInt8](sender.encapsulatedKey), ciphertext: [UInt8](ciphertext))
    } catch {
      throw .underlying
    }
  }

  /// Decrypts what ``sealWithPSK(_:to:info:aad:psk:pskID:)`` made for this key pair.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used, the PSK included.
  public func openWithPSK(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: [UInt8], aad: [UInt8], psk: Secret, pskID: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try check(psk: psk, pskID: pskID)
    if kem == .xWing {
      let shared = try decapsulateXWing(ciphertext.kemOutput, with: keyPair)
      let schedule = HPKEKeySchedule(suite: self, sharedSecret: shared, info: info, psk: psk, pskID: pskID)
      return try aead.open(ciphertext.ciphertext, key: schedule.key, nonce: schedule.baseNonce, aad: aad)
    }
    var recipient = try recipient(of: ciphertext.kemOutput, with: keyPair, info: info, psk: (psk, pskID))
    do {
      return [UInt8](try recipient.open(ciphertext.ciphertext, authenticating: aad))
    } catch {
      throw .notAuthentic
    }
  }

  /// Sets up a sending context only to export a secret from it (RFC 9180 §5.3), as an external commit does.
  ///
  /// - Parameter count: the length of the secret, 1...8,160 bytes.
  public func setupSenderExport(
    to publicKey: [UInt8], info: [UInt8], exporterContext: [UInt8], count: Int
  ) throws(CryptoError) -> (kemOutput: [UInt8], secret: Secret) {
    precondition((1...8160).contains(count), "an export is at most 255 blocks of SHA-256")
    let sender = try sender(to: publicKey, info: info, psk: nil)
    do {
      let key = try sender.exportSecret(context: exporterContext, outputByteCount: count)
      return ([UInt8](sender.encapsulatedKey), Secret(key))
    } catch {
      throw .underlying
    }
  }

  /// The receiving end of ``setupSenderExport(to:info:exporterContext:count:)``.
  public func setupReceiverExport(
    kemOutput: [UInt8], with keyPair: HPKEKeyPair, info: [UInt8], exporterContext: [UInt8], count: Int
  ) throws(CryptoError) -> Secret {
    precondition((1...8160).contains(count), "an export is at most 255 blocks of SHA-256")
    let recipient = try recipient(of: kemOutput, with: keyPair, info: info, psk: nil)
    do {
      return Secret(try recipient.exportSecret(context: exporterContext, outputByteCount: count))
    } catch {
      throw .underlying
    }
  }

  /// RFC 9180 §9.5: a PSK has at least 32 bytes of entropy.
  private func check(psk: Secret, pskID: [UInt8]) throws(CryptoError) {
    guard psk.byteCount >= 32 else { throw .invalidLength(expected: 32, actual: psk.byteCount) }
    guard !pskID.isEmpty else { throw .invalidLength(expected: 1, actual: 0) }
  }
}

// MARK: - Contexts of swift-crypto

extension HPKESuite {
  private typealias PSK = (secret: Secret, id: [UInt8])

  private var ciphersuite: HPKE.Ciphersuite {
    let kdf: HPKE.KDF =
      switch hash {
      case .sha256: .HKDF_SHA256
      case .sha384: .HKDF_SHA384
      case .sha512: .HKDF_SHA512
      }
    let cipher: HPKE.AEAD =
      switch aead {
      case .aes128GCM: .AES_GCM_128
      case .aes256GCM: .AES_GCM_256
      case .chaCha20Poly1305: .chaChaPoly
      }
    return HPKE.Ciphersuite(kem: kem.native, kdf: kdf, aead: cipher)
  }

  private func sender(to publicKey: [UInt8], info: [UInt8], psk: PSK?) throws(CryptoError) -> HPKE.Sender {
    do {
      switch kem {
      case .x25519:
        return try sender(Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey), info, psk)
      case .p256: return try sender(P256.KeyAgreement.PublicKey(x963Representation: publicKey), info, psk)
      case .p384: return try sender(P384.KeyAgreement.PublicKey(x963Representation: publicKey), info, psk)
      case .p521: return try sender(P521.KeyAgreement.PublicKey(x963Representation: publicKey), info, psk)
      case .xWing:
        precondition(psk == nil, "swift-crypto has no PSK mode for X-Wing")
        return try HPKE.Sender(
          recipientKey: XWingMLKEM768X25519.PublicKey(rawRepresentation: publicKey), ciphersuite: ciphersuite,
          info: Data(info))
      }
    } catch {
      throw .invalidKey
    }
  }

  private func sender(_ key: some HPKEDiffieHellmanPublicKey, _ info: [UInt8], _ psk: PSK?) throws -> HPKE.Sender {
    guard let psk else { return try HPKE.Sender(recipientKey: key, ciphersuite: ciphersuite, info: Data(info)) }
    return try HPKE.Sender(
      recipientKey: key, ciphersuite: ciphersuite, info: Data(info), presharedKey: psk.secret.key,
      presharedKeyIdentifier: Data(psk.id))
  }

  private func recipient(
    of kemOutput: [UInt8], with keyPair: HPKEKeyPair, info: [UInt8], psk: PSK?
  ) throws(CryptoError) -> HPKE.Recipient {
    try kem.check(kemOutput: kemOutput)
    let key = try kem.privateKey(keyPair.privateKey)
    do {
      switch key {
      case .x25519(let key): return try recipient(key, kemOutput, info, psk)
      case .p256(let key): return try recipient(key, kemOutput, info, psk)
      case .p384(let key): return try recipient(key, kemOutput, info, psk)
      case .p521(let key): return try recipient(key, kemOutput, info, psk)
      case .xWing(let key):
        precondition(psk == nil, "swift-crypto has no PSK mode for X-Wing")
        return try HPKE.Recipient(
          privateKey: key, ciphersuite: ciphersuite, info: Data(info), encapsulatedKey: Data(kemOutput))
      }
    } catch {
      // The encapsulated key is no key: the sender's fault, as a wrong tag would be.
      throw .notAuthentic
    }
  }

  private func recipient(
    _ key: some HPKEDiffieHellmanPrivateKey, _ kemOutput: [UInt8], _ info: [UInt8], _ psk: PSK?
  ) throws -> HPKE.Recipient {
    guard let psk else {
      return try HPKE.Recipient(
        privateKey: key, ciphersuite: ciphersuite, info: Data(info), encapsulatedKey: Data(kemOutput))
    }
    return try HPKE.Recipient(
      privateKey: key, ciphersuite: ciphersuite, info: Data(info), encapsulatedKey: Data(kemOutput),
      presharedKey: psk.secret.key, presharedKeyIdentifier: Data(psk.id))
  }

  private func encapsulateXWing(to publicKey: [UInt8]) throws(CryptoError) -> (shared: Secret, kemOutput: [UInt8]) {
    do {
      let result = try XWingMLKEM768X25519.PublicKey(rawRepresentation: publicKey).encapsulate()
      return (Secret(result.sharedSecret), [UInt8](result.encapsulated))
    } catch {
      throw .invalidKey
    }
  }

  func decapsulateXWing(_ kemOutput: [UInt8], with keyPair: HPKEKeyPair) throws(CryptoError) -> Secret {
    try kem.check(kemOutput: kemOutput)
    guard case .xWing(let key) = try kem.privateKey(keyPair.privateKey) else { throw .unsupported }
    do {
      return Secret(try key.decapsulate(Data(kemOutput)))
    } catch {
      throw .notAuthentic
    }
  }
}
