public import CryptoSuite
import WireFormat

extension KeyPackage {
  /// The hash by which a Welcome names this package (RFC 9420 §5.2).
  public func reference(_ suite: CipherSuite) -> KeyPackageRef {
    KeyPackageRef(suite.refHash(label: "MLS 1.0 KeyPackage Reference", encoded))
  }

  /// Checks a downloaded package by itself (RFC 9420 §10.1): suite, keys, signatures, credential and, if the time is
  /// given, lifetime. A group checks it once more against its own requirements.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: `.invalidKeyPackage` and `.invalidLeafNode` with the rule that is broken, `.invalidSignature`,
  ///   `.invalidExtensions` when a type comes twice, `.malformed` for application data that cannot be read.
  public func validate(
    cipherSuite: CipherSuite, now: UInt64? = nil, validator: any CredentialValidator
  ) throws(MLSError) {
    let requirements = try LeafRequirements(suite: cipherSuite, groupID: [], extensions: [])
    try validate(requirements, now: now, validator: validator)
  }

  func validate(
    _ requirements: LeafRequirements, now: UInt64?, validator: any CredentialValidator
  ) throws(MLSError) {
    let suite = requirements.suite
    guard version == .mls10 else { throw .invalidKeyPackage(.version) }
    guard cipherSuite == suite.rawValue else { throw .invalidKeyPackage(.cipherSuite) }
    guard suite.hpke.isValidPublicKey(initKey) else { throw .invalidKeyPackage(.initKey) }
    guard initKey != leafNode.encryptionKey else { throw .invalidKeyPackage(.initKeyEqualsEncryptionKey) }
    guard extensions.hasDistinctTypes else { throw .invalidExtensions }
    _ = try extensions.appData()
    // That a package's own extensions stand in the capabilities is its maker's duty (RFC 9420 §10). It is not checked:
    // unknown ones must be ignored, and others send GREASE values there that they list nowhere (§13.5).
    if let now, case .keyPackage(let lifetime) = leafNode.source, !lifetime.contains(now) {
      throw .invalidLeafNode(.lifetime)
    }
    // The position does not enter the signature of a key package's leaf.
    try requirements.check(leafNode, at: LeafIndex(0), in: .keyPackage, validator: validator)
    let isValid = suite.verifyWithLabel(
      publicKey: leafNode.signatureKey, label: "KeyPackageTBS", content: toBeSigned, signature: signature)
    guard isValid else { throw .invalidSignature(.keyPackage) }
  }
}
