import CryptoSuite

/// The secrets of one epoch (RFC 9420 §8, table 4), without the encryption secret, which the ``SecretTree`` consumes,
/// and the application export secret, which the ``ExporterTree`` does.
struct EpochSecrets: Sendable {
  var senderDataSecret: Secret
  var exporterSecret: Secret
  var externalSecret: Secret
  var confirmationKey: Secret
  var membershipKey: Secret
  var resumptionPSK: Secret
  var epochAuthenticator: Secret
  var initSecret: Secret

  /// The group's own key pair, by which outsiders join (RFC 9420 §8). Derived when asked for: few epochs need it.
  func externalKeyPair(_ suite: CipherSuite) throws(MLSError) -> HPKEKeyPair {
    do { return try suite.hpke.deriveKeyPair(ikm: externalSecret) } catch { throw .crypto(error) }
  }

  /// The tag by which members confirm that they arrived in the same state (RFC 9420 §6.1).
  func confirmationTag(_ confirmedTranscriptHash: [UInt8], _ suite: CipherSuite) -> [UInt8] {
    suite.hash.hmac(key: confirmationKey, confirmedTranscriptHash)
  }

  /// MLS-Exporter (RFC 9420 §8.5).
  func export(label: String, context: [UInt8], count: Int, _ suite: CipherSuite) throws(MLSError) -> Secret {
    // What HKDF and the two-byte length of its label can express.
    let limit = min(255 * suite.hash.byteCount, Int(UInt16.max))
    guard (0...limit).contains(count) else { throw .crypto(.invalidLength(expected: limit, actual: count)) }
    let derived = suite.deriveSecret(exporterSecret, label: label)
    return suite.expandWithLabel(derived, label: "exported", context: suite.hash.hash(context), count: count)
  }
}

/// The derivation of an epoch's secrets from those of the epoch before (RFC 9420 §8, figure 22).
struct KeySchedule: Sendable {
  /// Goes into the Welcome; everything of the epoch follows from it and the pre-shared keys.
  let joinerSecret: Secret
  /// Encrypts the group info in the Welcome.
  let welcomeSecret: Secret
  /// The root of the secret tree.
  let encryptionSecret: Secret
  /// The root of the exporter tree (draft-ietf-mls-extensions, "Exported Secrets").
  let applicationExportSecret: Secret
  let secrets: EpochSecrets

  /// The step of a commit.
  ///
  /// - Parameters:
  ///   - commitSecret: nil without a path, which stands for zeros.
  ///   - pskSecret: from ``PreSharedKeySecret``.
  ///   - groupContext: the encoding of the new epoch's context.
  init(
    initSecret: Secret, commitSecret: Secret?, pskSecret: Secret, groupContext: [UInt8], suite: CipherSuite
  ) {
    let joiner = KeySchedule.joinerSecret(
      initSecret: initSecret, commitSecret: commitSecret, groupContext: groupContext, suite: suite)
    self.init(joinerSecret: joiner, pskSecret: pskSecret, groupContext: groupContext, suite: suite)
  }

  /// The step of a newcomer, who gets the joiner secret in the Welcome.
  init(joinerSecret: Secret, pskSecret: Secret, groupContext: [UInt8], suite: CipherSuite) {
    let member = suite.kdf.extract(salt: joinerSecret, ikm: pskSecret)
    let epochSecret = suite.expandWithLabel(
      member, label: "epoch", context: groupContext, count: suite.hash.byteCount)
    self.init(
      joinerSecret: joinerSecret, welcomeSecret: suite.deriveSecret(member, label: "welcome"),
      epochSecret: epochSecret, suite: suite)
  }

  /// Epoch 0, whose secret its creator draws (RFC 9420 §11). Nobody is welcomed into it.
  init(epochSecret: Secret, suite: CipherSuite) {
    let zeros = Secret.zeros(suite.hash.byteCount)
    self.init(joinerSecret: zeros, welcomeSecret: zeros, epochSecret: epochSecret, suite: suite)
  }

  private init(joinerSecret: Secret, welcomeSecret: Secret, epochSecret: Secret, suite: CipherSuite) {
    self.joinerSecret = joinerSecret
    self.welcomeSecret = welcomeSecret
    encryptionSecret = suite.deriveSecret(epochSecret, label: "encryption")
    applicationExportSecret = suite.deriveSecret(epochSecret, label: "application_export")
    secrets = EpochSecrets(
      senderDataSecret: suite.deriveSecret(epochSecret, label: "sender data"),
      exporterSecret: suite.deriveSecret(epochSecret, label: "exporter"),
      externalSecret: suite.deriveSecret(epochSecret, label: "external"),
      confirmationKey: suite.deriveSecret(epochSecret, label: "confirm"),
      membershipKey: suite.deriveSecret(epochSecret, label: "membership"),
      resumptionPSK: suite.deriveSecret(epochSecret, label: "resumption"),
      epochAuthenticator: suite.deriveSecret(epochSecret, label: "authentication"),
      initSecret: suite.deriveSecret(epochSecret, label: "init"))
  }

  private static func joinerSecret(
    initSecret: Secret, commitSecret: Secret?, groupContext: [UInt8], suite: CipherSuite
  ) -> Secret {
    let count = suite.hash.byteCount
    let extracted = suite.kdf.extract(salt: initSecret, ikm: commitSecret ?? .zeros(count))
    return suite.expandWithLabel(extracted, label: "joiner", context: groupContext, count: count)
  }

  /// The label of the export that hands an external joiner's init secret to the group (RFC 9420 §8.3).
  static let externalInitLabel = Array("MLS 1.0 external init secret".utf8)
}

/// What encrypts the group info of a Welcome (RFC 9420 §12.4.3.1).
struct WelcomeKey {
  let key: Secret
  let nonce: Secret

  init(joinerSecret: Secret, pskSecret: Secret, suite: CipherSuite) {
    let member = suite.kdf.extract(salt: joinerSecret, ikm: pskSecret)
    self.init(welcomeSecret: suite.deriveSecret(member, label: "welcome"), suite: suite)
  }

  init(welcomeSecret: Secret, suite: CipherSuite) {
    key = suite.expandWithLabel(welcomeSecret, label: "key", context: [], count: suite.aead.keyByteCount)
    nonce = suite.expandWithLabel(welcomeSecret, label: "nonce", context: [], count: suite.aead.nonceByteCount)
  }
}
