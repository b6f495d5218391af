import WireFormat

/// The derivations and labelled operations of RFC 9420 §5 and §8. Labels are given without the prefix "MLS 1.0 ", which
/// is added here, except where noted.
extension CipherSuite {
  /// ExpandWithLabel (RFC 9420 §8).
  public func expandWithLabel(_ secret: Secret, label: String, context: [UInt8], count: Int) -> Secret {
    precondition(count >= 0 && count <= UInt16.max, "the label holds the length in 16 bits")
    let labelByteCount = Self.prefix.utf8.count + label.utf8.count
    // Room for the count and two lengths of vectors. The pointers are valid in their closures and not kept.
    return unsafe withScratch(2 + 4 + labelByteCount + 4) { scratch in
      var info = unsafe LabelWriter(scratch)
      unsafe info.write(UInt16(truncatingIfNeeded: count))
      unsafe info.writeLength(labelByteCount)
      unsafe info.write(Self.prefix)
      unsafe info.write(label)
      unsafe info.writeLength(context.count)
      return unsafe context.withUnsafeBytes { unsafe kdf.expand(secret, info: info.bytes, $0, count: count) }
    }
  }

  /// DeriveSecret (RFC 9420 §8): a secret as long as the hash.
  public func deriveSecret(_ secret: Secret, label: String) -> Secret {
    expandWithLabel(secret, label: label, context: [], count: hash.byteCount)
  }

  /// DeriveTreeSecret (RFC 9420 §9): bound to a generation.
  public func deriveTreeSecret(_ secret: Secret, label: String, generation: UInt32, count: Int) -> Secret {
    expandWithLabel(secret, label: label, context: generation.encoded, count: count)
  }

  /// RefHash (RFC 9420 §5.2). Here the label is given in full.
  public func refHash(label: String, _ value: [UInt8]) -> [UInt8] {
    var input = ByteWriter(capacity: 8 + label.utf8.count + value.count)
    input.writeVector(Array(label.utf8))
    input.writeVector(value)
    return hash.hash(input.bytes)
  }

  /// SignWithLabel (RFC 9420 §5.1.2).
  ///
  /// - Throws: `.unsupported` when the key is of another scheme than this suite's.
  public func signWithLabel(_ key: SigningKey, label: String, content: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard key.algorithm == signature else { throw .unsupported }
    return try key.sign(labelled(label, content))
  }

  /// VerifyWithLabel (RFC 9420 §5.1.2).
  public func verifyWithLabel(
    publicKey: [UInt8], label: String, content: [UInt8], signature: [UInt8]
  ) -> Bool {
    self.signature.verify(signature, of: labelled(label, content), publicKey: publicKey)
  }

  /// EncryptWithLabel (RFC 9420 §5.1.3).
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func encryptWithLabel(
    publicKey: [UInt8], label: String, context: [UInt8], plaintext: [UInt8]
  ) throws(CryptoError) -> HPKECiphertext {
    try hpke.seal(plaintext, to: publicKey, info: labelled(label, context), aad: [])
  }

  /// What ``encryptWithLabel(publicKey:label:context:plaintext:)`` computes from the label and context alone; worth doing
  /// once where many receivers share a long context.
  public func prepareEncryption(label: String, context: [UInt8]) -> HPKEInfo {
    hpke.prepare(info: labelled(label, context))
  }

  /// EncryptWithLabel under a prepared label and context.
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func encrypt(
    _ plaintext: [UInt8], to publicKey: [UInt8], prepared: HPKEInfo
  ) throws(CryptoError) -> HPKECiphertext {
    try hpke.seal(plaintext, to: publicKey, info: prepared, aad: [])
  }

  /// EncryptWithLabel of a secret under a prepared label and context.
  ///
  /// - Throws: `.invalidKey` for a malformed public key.
  public func encrypt(
    _ secret: Secret, to publicKey: [UInt8], prepared: HPKEInfo
  ) throws(CryptoError) -> HPKECiphertext {
    try hpke.seal(secret, to: publicKey, info: prepared, aad: [])
  }

  /// DecryptWithLabel (RFC 9420 §5.1.3).
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used; `.invalidLength` for an encapsulated key of a
  ///   wrong length; `.invalidKey` for a private key that is none.
  public func decryptWithLabel(
    keyPair: HPKEKeyPair, label: String, context: [UInt8], ciphertext: HPKECiphertext
  ) throws(CryptoError) -> [UInt8] {
    try hpke.open(ciphertext, with: keyPair, info: labelled(label, context), aad: [])
  }

  /// DecryptWithLabel (RFC 9420 §5.1.3) of something secret, of which no other copy is made.
  ///
  /// - Throws: `.notAuthentic` when anything differs from what the sender used; `.invalidLength` for an encapsulated key of a
  ///   wrong length; `.invalidKey` for a private key that is none.
  public func decryptSecretWithLabel(
    keyPair: HPKEKeyPair, label: String, context: [UInt8], ciphertext: HPKECiphertext
  ) throws(CryptoError) -> Secret {
    try hpke.openSecret(ciphertext, with: keyPair, info: labelled(label, context), aad: [])
  }

  private static let prefix = "MLS 1.0 "

  private func prefixed(_ label: String) -> [UInt8] { Array(Self.prefix.utf8) + Array(label.utf8) }

  /// SignContent and EncryptContext: the label and the content as vectors.
  private func labelled(_ label: String, _ content: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(capacity: 24 + label.utf8.count + content.count)
    writer.writeVector(prefixed(label))
    writer.writeVector(content)
    return writer.bytes
  }
}
