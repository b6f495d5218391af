public import CryptoSuite
import WireFormat

/// A group that one was welcomed into as a partial member (draft-ietf-mls-partial, "Joining via Annotated Welcome").
public struct JoinedPartialGroup: Sendable {
  /// One's own state. Store it, and delete the key package, in one transaction.
  public let group: PartialGroup
  /// Of the group info, among them whatever the application sent along.
  public let groupInfoExtensions: [Extension]
  /// Who signed the group info; usually the committer who added us.
  public let signer: Member
  /// Keys that were mixed in.
  public let preSharedKeys: [PreSharedKeyID]
}

extension PartialGroup {
  /// Joins by an annotated Welcome, without the ratchet tree (draft-ietf-mls-partial, "Joining via Annotated Welcome").
  ///
  /// A Welcome into a group that replaces or branches from another is refused: whether that group has the members that
  /// it should have cannot be seen without the tree.
  ///
  /// - Parameters:
  ///   - welcome: an encoded ``AnnotatedWelcome``.
  ///   - keyPackage: the package that it answers; delete it afterwards unless it is a last resort.
  /// - Throws: `.notForThisKeyPackage` when the Welcome names other packages only, `.invalidProof`, and every refusal
  ///   of RFC 9420 that does not depend on the tree.
  public static func join(
    welcome: [UInt8], keyPackage: KeyPackageBundle, psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator
  ) throws(MLSError) -> JoinedPartialGroup {
    try join(try AnnotatedWelcome.decodeBounded(welcome), keyPackage: keyPackage, psks: psks, validator: validator)
  }

  /// As ``join(welcome:keyPackage:psks:validator:)``, from the decoded structure.
  ///
  /// - Throws: as that.
  public static func join(
    _ annotated: AnnotatedWelcome, keyPackage: KeyPackageBundle, psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator
  ) throws(MLSError) -> JoinedPartialGroup {
    defer { eraseStack() }
    let suite = keyPackage.cipherSuite
    let welcome = annotated.welcome.message
    guard welcome.cipherSuite == suite.rawValue else { throw .unsupportedCipherSuite(welcome.cipherSuite) }
    let secrets = try welcome.groupSecrets(for: keyPackage)
    try Predecessor.check(nil, claimedBy: secrets.preSharedKeys)
    let pskSecret = try Group.preSharedKeySecret(secrets.preSharedKeys, psks, suite: suite)
    let info = try welcome.groupInfo(joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, suite: suite)

    let context = info.groupContext
    let signer = try info.verified(by: annotated.welcome.senderMembershipProof, suite: suite)
    let joiner = try TreeSlice(annotated.joinerMembershipProof, of: context.treeHash, suite: suite)
    guard joiner.depth == signer.depth else { throw .invalidProof(.differentTrees) }
    guard joiner.leafNode == keyPackage.keyPackage.leafNode else { throw .invalidProof(.receiverLeaf) }
    try context.extensions.checkExternalSenders(validator)

    var keys = TreePrivateKeys(leaf: joiner.leafIndex, leafKey: keyPackage.leafKey)
    if let pathSecret = secrets.pathSecret {
      let level = NodeIndex.commonAncestor(signer.leafIndex, joiner.leafIndex).level
      keys = try joiner.derivingKeys(from: pathSecret, level: level, keys: keys, suite: suite).privateKeys
    }
    let state = PartialState(
      suite: suite, context: context, leafCount: joiner.leafCount, ownLeaf: joiner.leafNode,
      confirmationTag: info.confirmationTag)
    let schedule = KeySchedule(
      joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, groupContext: state.contextBytes, suite: suite)
    let tag = schedule.secrets.confirmationTag(context.confirmedTranscriptHash, suite)
    guard constantTimeEquals(tag, info.confirmationTag) else { throw .mismatch(.confirmationTag) }

    var group = PartialGroup(state: state, ownLeafIndex: joiner.leafIndex, privateKeys: keys, schedule: schedule)
    try group.take(signer, validator: validator)
    try group.take(joiner, validator: validator)
    return JoinedPartialGroup(
      group: group, groupInfoExtensions: info.extensions,
      signer: Member(leafIndex: signer.leafIndex, leafNode: signer.leafNode), preSharedKeys: secrets.preSharedKeys)
  }
}

extension GroupInfo {
  /// Checks this structure by a proof of its signer's leaf in the tree that it names (draft-ietf-mls-partial,
  /// "Sender-Authenticated Messages").
  func verified(by proof: MembershipProof, suite: CipherSuite) throws(MLSError) -> TreeSlice {
    try checkForm(suite)
    let slice = try TreeSlice(proof, of: groupContext.treeHash, suite: suite)
    guard slice.leafIndex == signer else { throw .invalidProof(.senderIndex) }
    try checkSignature(by: slice.leafNode.signatureKey, suite)
    return slice
  }
}

extension SenderAuthenticatedMessage where Message == GroupInfo {
  /// Checks a group info by the proof of its signer's leaf, and that leaf (draft-ietf-mls-partial, "Sender-Authenticated
  /// Messages").
  ///
  /// The proof is relative to the tree hash in the group info itself: it shows that the signer belongs to *that* tree,
  /// not that the tree is the group's.
  ///
  /// - Returns: who signed.
  /// - Throws: `.invalidProof`, `.invalidSignature`, `.invalidLeafNode`, `.unsupportedVersion`, `.unsupportedCipherSuite`
  ///   for a group of another suite, `.invalidExtensions` and `.malformed`.
  public func verifiedSigner(
    cipherSuite: CipherSuite, validator: any CredentialValidator
  ) throws(MLSError) -> Member {
    let slice = try message.verified(by: senderMembershipProof, suite: cipherSuite)
    let context = message.groupContext
    let requirements = try LeafRequirements(
      suite: cipherSuite, groupID: context.groupID, extensions: context.extensions)
    try requirements.check(slice.leafNode, at: slice.leafIndex, in: .tree, validator: validator)
    return Member(leafIndex: slice.leafIndex, leafNode: slice.leafNode)
  }
}
