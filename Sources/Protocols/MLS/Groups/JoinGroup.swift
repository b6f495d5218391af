import CryptoSuite
import WireFormat

/// A group that one was welcomed into (RFC 9420 §12.4.3.1).
public struct JoinedGroup: Sendable {
  /// One's own state. Store it, and delete the key package, in one transaction.
  public let group: Group
  /// Of the group info, among them whatever the application sent along.
  public let groupInfoExtensions: [Extension]
  /// Who signed the group info; usually the committer who added us.
  public let signerLeaf: LeafIndex
  /// Keys that were mixed in.
  public let preSharedKeys: [PreSharedKeyID]
}

extension Group {
  /// Joins by a Welcome (RFC 9420 §12.4.3.1).
  ///
  /// The caller checks beforehand or afterwards that it is not in a group of this id already.
  ///
  /// - Parameters:
  ///   - welcome: an ``MLSMessage``.
  ///   - keyPackage: the package that it answers; delete it afterwards unless it is a last resort.
  ///   - ratchetTree: needed when the group info does not carry the tree.
  ///   - predecessor: the group that this one must replace or branch from. Who waits for a successor passes it, and takes
  ///     no other group for it; who does not know what a Welcome is for looks at
  ///     ``preSharedKeys(in:keyPackage:)`` first. Without it, a Welcome that says to follow from a group is refused.
  ///   - workers: share the work of verifying every member's signature.
  /// - Throws: `.notForThisKeyPackage` when the Welcome names other packages only, `.invalidSuccessor` when it does not
  ///   follow from `predecessor` as it should, `.missingPreSharedKey` and `.missingRatchetTree` for what the caller can
  ///   mend; every other refusal of RFC 9420 means that the Welcome is to be dropped: `.unexpectedMessage`, `.malformed`,
  ///   `.unsupportedVersion`, `.unsupportedCipherSuite`, `.crypto`, `.mismatch`, `.invalidSignature`, `.invalidTree`,
  ///   `.invalidPath`, `.invalidLeafNode`, `.invalidProposals`, `.invalidExtensions`, `.invalidExternalSender`.
  public static func join(
    welcome: [UInt8], keyPackage: KeyPackageBundle, ratchetTree: [UInt8]? = nil,
    predecessor: Predecessor? = nil, psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator,
    workers: any Workers = CallingThread()
  ) throws(MLSError) -> JoinedGroup {
    defer { eraseStack() }
    guard case .welcome(let welcome) = try MLSMessage.decode(welcome) else { throw .unexpectedMessage }
    return try join(
      welcome, keyPackage: keyPackage, ratchetTree: ratchetTree, predecessor: predecessor, psks: psks,
      validator: validator, workers: workers)
  }

  /// The keys that a Welcome asks for, before one joins by it: what to hand to `join` as `psks`, and, by a resumption key
  /// of the usage `reinit` or `branch`, the group that the new one says to follow from. All of it is the sender's word.
  ///
  /// - Parameters:
  ///   - welcome: an ``MLSMessage``.
  ///   - keyPackage: the package that it answers.
  /// - Throws: `.notForThisKeyPackage` when the Welcome names other packages only, `.unexpectedMessage` for what is no Welcome,
  ///   `.unsupportedCipherSuite` for one of another suite than the package's; `.crypto` and `.malformed`.
  public static func preSharedKeys(
    in welcome: [UInt8], keyPackage: KeyPackageBundle
  ) throws(MLSError) -> [PreSharedKeyID] {
    defer { eraseStack() }
    guard case .welcome(let welcome) = try MLSMessage.decode(welcome) else { throw .unexpectedMessage }
    guard welcome.cipherSuite == keyPackage.cipherSuite.rawValue else {
      throw .unsupportedCipherSuite(welcome.cipherSuite)
    }
    return try welcome.groupSecrets(for: keyPackage).preSharedKeys
  }

  static func join(
    _ welcome: Welcome, keyPackage: KeyPackageBundle, ratchetTree: [UInt8]?, predecessor: Predecessor?,
    psks: any PSKProvider, validator: any CredentialValidator, workers: any Workers = CallingThread()
  ) throws(MLSError) -> JoinedGroup {
    let suite = keyPackage.cipherSuite
    guard welcome.cipherSuite == suite.rawValue else { throw .unsupportedCipherSuite(welcome.cipherSuite) }
    let secrets = try welcome.groupSecrets(for: keyPackage)
    try Predecessor.check(predecessor, claimedBy: secrets.preSharedKeys)
    let keys = predecessor.map { PredecessorKeys(group: $0.group, others: psks) } ?? psks
    let pskSecret = try preSharedKeySecret(secrets.preSharedKeys, keys, suite: suite)
    let info = try welcome.groupInfo(joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, suite: suite)

    let state = try info.verified(ratchetTree: ratchetTree, suite: suite, validator: validator, workers: workers)
    try predecessor?.check(state, validator)
    let leafNode = keyPackage.keyPackage.leafNode
    guard let ownLeaf = state.tree.leafIndex(ofSignatureKey: leafNode.signatureKey),
      state.tree.leaf(at: ownLeaf) == leafNode
    else { throw .invalidTree(.ownLeafMissing) }
    let privateKeys = try state.tree.privateKeys(
      joiningAs: ownLeaf, leafKey: keyPackage.leafKey, pathSecret: secrets.pathSecret, sharedWith: info.signer)

    let schedule = KeySchedule(
      joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, groupContext: state.contextBytes, suite: suite)
    let tag = schedule.secrets.confirmationTag(state.context.confirmedTranscriptHash, suite)
    guard constantTimeEquals(tag, info.confirmationTag) else { throw .mismatch(.confirmationTag) }
    let group = Group(state: state, ownLeafIndex: ownLeaf, privateKeys: privateKeys, schedule: schedule)
    return JoinedGroup(
      group: group, groupInfoExtensions: info.extensions, signerLeaf: info.signer,
      preSharedKeys: secrets.preSharedKeys)
  }

  /// As the method of a member, for somebody who has no epoch of this group yet.
  static func preSharedKeySecret(
    _ ids: [PreSharedKeyID], _ provider: any PSKProvider, suite: CipherSuite
  ) throws(MLSError) -> Secret {
    var keys: [(id: PreSharedKeyID, secret: Secret)] = []
    for id in ids {
      guard id.nonce.count == suite.hash.byteCount else { throw .invalidProposals(.preSharedKeyNonce) }
      guard let secret = provider.secret(for: id) else { throw .missingPreSharedKey }
      keys.append((id, secret))
    }
    return try PreSharedKeySecret.chain(keys, suite: suite)
  }
}

extension Welcome {
  /// Opens the secrets that this Welcome holds for a key package.
  func groupSecrets(for keyPackage: KeyPackageBundle) throws(MLSError) -> GroupSecrets {
    let reference = keyPackage.reference
    guard let entry = secrets.first(where: { $0.newMember == reference }) else { throw .notForThisKeyPackage }
    let plaintext: Secret
    do {
      plaintext = try keyPackage.cipherSuite.decryptSecretWithLabel(
        keyPair: keyPackage.initKey, label: "Welcome", context: encryptedGroupInfo,
        ciphertext: entry.encryptedGroupSecrets)
    } catch {
      throw .crypto(error)
    }
    do {
      return try plaintext.withSpan { (bytes) throws(WireError) in try GroupSecrets(decoding: bytes) }
    } catch {
      throw .malformed(error)
    }
  }

  /// Opens the group info; its signature is still to be checked.
  func groupInfo(joinerSecret: Secret, pskSecret: Secret, suite: CipherSuite) throws(MLSError) -> GroupInfo {
    let key = WelcomeKey(joinerSecret: joinerSecret, pskSecret: pskSecret, suite: suite)
    let plaintext: [UInt8]
    do {
      plaintext = try suite.aead.open(encryptedGroupInfo, key: key.key, nonce: key.nonce, aad: [])
    } catch {
      throw .crypto(error)
    }
    do { return try GroupInfo(decoding: plaintext) } catch { throw .malformed(error) }
  }

  /// Encrypts a new epoch to the members that a commit adds (RFC 9420 §12.4.3.1).
  ///
  /// - Parameter newMembers: each key package with the path secret its owner is to learn, if the commit has a path.
  init(
    _ info: GroupInfo, newMembers: [(keyPackage: KeyPackage, pathSecret: Secret?)], schedule: KeySchedule,
    preSharedKeys: [PreSharedKeyID], suite: CipherSuite
  ) throws(MLSError) {
    let key = WelcomeKey(welcomeSecret: schedule.welcomeSecret, suite: suite)
    do {
      let sealed = try suite.aead.seal(info.encoded, key: key.key, nonce: key.nonce, aad: [])
      // The context is the whole group info, tree included, and the same for all: hashed once, not once for each member.
      let prepared = suite.prepareEncryption(label: "Welcome", context: sealed)
      var secrets: [EncryptedGroupSecrets] = []
      secrets.reserveCapacity(newMembers.count)
      for (keyPackage, pathSecret) in newMembers {
        let plaintext = GroupSecrets(
          joinerSecret: schedule.joinerSecret, pathSecret: pathSecret, preSharedKeys: preSharedKeys)
        let ciphertext = try plaintext.withSecretEncoding(capacity: 256 + 128 * preSharedKeys.count) {
          (bytes) throws(CryptoError) in try suite.encrypt(bytes, to: keyPackage.initKey, prepared: prepared)
        }
        secrets.append(
          EncryptedGroupSecrets(newMember: keyPackage.reference(suite), encryptedGroupSecrets: ciphertext))
      }
      self.init(cipherSuite: suite.rawValue, secrets: secrets, encryptedGroupInfo: sealed)
    } catch {
      throw .crypto(error)
    }
  }
}
