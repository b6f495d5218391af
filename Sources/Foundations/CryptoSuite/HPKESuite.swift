/// A combination of algorithms for hybrid public key encryption (RFC 9180), one message to a context.
///
/// The key schedule is written here, over swift-crypto's key agreement and X-Wing: its own HPKE has no PSK mode for X-Wing,
/// does not refuse the all-zero X25519 secret (RFC 9180 §7.1.4), and hashes `info` anew for each receiver, which makes a
/// Welcome quadratic in the size of the group.
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
    try seal(plaintext, to: publicKey, info: prepare(info: info), aad: aad)
  }

  /// Decrypts what ``seal(_:to:info:aad:)`` made for this key pair.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used; `.invalidLength` for an encapsulated key
  ///   of a wrong length.
  public func open(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try open(ciphertext, with: keyPair, info: prepare(info: info), aad: aad)
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
    try seal(plaintext, to: publicKey, info: prepare(info: info, psk: psk, pskID: pskID), aad: aad)
  }

  /// Decrypts what ``sealWithPSK(_:to:info:aad:psk:pskID:)`` made for this key pair.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used, the PSK included.
  public func openWithPSK(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: [UInt8], aad: [UInt8], psk: Secret, pskID: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try open(ciphertext, with: keyPair, info: prepare(info: info, psk: psk, pskID: pskID), aad: aad)
  }

  /// Sets up a sending context only to export a secret from it (RFC 9180 §5.3), as an external commit does.
  ///
  /// - Parameter count: the length of the secret, 1...8,160 bytes.
  /// - Throws: `.invalidKey` for a malformed public key.
  public func setupSenderExport(
    to publicKey: [UInt8], info: [UInt8], exporterContext: [UInt8], count: Int
  ) throws(CryptoError) -> (kemOutput: [UInt8], secret: Secret) {
    let (sharedSecret, kemOutput) = try kem.encapsulate(to: publicKey)
    let schedule = HPKEKeySchedule(sharedSecret: sharedSecret, info: prepare(info: info))
    return (kemOutput, schedule.export(exporterContext, count: count))
  }

  /// The receiving end of ``setupSenderExport(to:info:exporterContext:count:)``.
  ///
  /// - Throws: `.invalidLength` for an encapsulated key of a wrong length, `.notAuthentic` for one that is no key,
  ///   `.invalidKey` for a private key that is none.
  public func setupReceiverExport(
    kemOutput: [UInt8], with keyPair: HPKEKeyPair, info: [UInt8], exporterContext: [UInt8], count: Int
  ) throws(CryptoError) -> Secret {
    let sharedSecret = try kem.decapsulate(kemOutput, with: keyPair)
    return HPKEKeySchedule(sharedSecret: sharedSecret, info: prepare(info: info)).export(exporterContext, count: count)
  }
}

// MARK: - The same info for many receivers

extension HPKESuite {
  /// Does once what ``seal(_:to:info:aad:)`` would do for each receiver.
  public func prepare(info: [UInt8]) -> HPKEInfo {
    HPKEInfo(suite: self, info: info, psk: Secret([]), pskID: [])
  }

  /// Encrypts to a public key under an `info` prepared by this suite.
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func seal(
    _ plaintext: [UInt8], to publicKey: [UInt8], info: HPKEInfo, aad: [UInt8]
  ) throws(CryptoError) -> HPKECiphertext {
    let (key, kemOutput) = try setupSender(to: publicKey, info)
    let ciphertext = try aead.seal(plaintext, key: key.key, nonce: key.baseNonce, aad: aad)
    return HPKECiphertext(kemOutput: kemOutput, ciphertext: ciphertext)
  }

  /// Encrypts a secret to a public key under an `info` prepared by this suite.
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func seal(
    _ secret: Secret, to publicKey: [UInt8], info: HPKEInfo, aad: [UInt8]
  ) throws(CryptoError) -> HPKECiphertext {
    let (key, kemOutput) = try setupSender(to: publicKey, info)
    let ciphertext = try aead.seal(secret, key: key.key, nonce: key.baseNonce, aad: aad)
    return HPKECiphertext(kemOutput: kemOutput, ciphertext: ciphertext)
  }

  /// Decrypts a secret, of which no other copy is made.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used; `.invalidLength` for an encapsulated key of a
  ///   wrong length; `.invalidKey` for a private key that is none.
  public func openSecret(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> Secret {
    let key = try setupReceiver(ciphertext, keyPair, prepare(info: info))
    return try aead.openSecret(ciphertext.ciphertext, key: key.key, nonce: key.baseNonce, aad: aad)
  }

  private func open(
    _ ciphertext: HPKECiphertext, with keyPair: HPKEKeyPair, info: HPKEInfo, aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    let key = try setupReceiver(ciphertext, keyPair, info)
    return try aead.open(ciphertext.ciphertext, key: key.key, nonce: key.baseNonce, aad: aad)
  }

  private func setupSender(
    to publicKey: [UInt8], _ info: HPKEInfo
  ) throws(CryptoError) -> (key: HPKEKeySchedule, kemOutput: [UInt8]) {
    precondition(info.suite == self, "the info was prepared by this suite")
    let (sharedSecret, kemOutput) = try kem.encapsulate(to: publicKey)
    return (HPKEKeySchedule(sharedSecret: sharedSecret, info: info), kemOutput)
  }

  private func setupReceiver(
    _ ciphertext: HPKECiphertext, _ keyPair: HPKEKeyPair, _ info: HPKEInfo
  ) throws(CryptoError) -> HPKEKeySchedule {
    let sharedSecret = try kem.decapsulate(ciphertext.kemOutput, with: keyPair)
    return HPKEKeySchedule(sharedSecret: sharedSecret, info: info)
  }

  /// RFC 9180 §9.5: a PSK has at least 32 bytes of entropy.
  private func prepare(info: [UInt8], psk: Secret, pskID: [UInt8]) throws(CryptoError) -> HPKEInfo {
    guard psk.byteCount >= 32 else { throw .invalidLength(expected: 32, actual: psk.byteCount) }
    guard !pskID.isEmpty else { throw .invalidLength(expected: 1, actual: 0) }
    return HPKEInfo(suite: self, info: info, psk: psk, pskID: pskID)
  }
}
