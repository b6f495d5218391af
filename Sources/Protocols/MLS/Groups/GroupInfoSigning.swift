import CryptoSuite
import WireFormat

extension GroupInfo {
  /// Describes and signs a state (RFC 9420 §12.4.3).
  init(
    of state: PublicState, secrets: EpochSecrets, signer: SigningKey, at leaf: LeafIndex, includeRatchetTree: Bool,
    includeExternalPub: Bool, extensions: [Extension]
  ) throws(MLSError) {
    var all: [Extension] = []
    if includeRatchetTree { all.append(Extension(type: .ratchetTree, data: state.tree.encodedNodes)) }
    if includeExternalPub {
      let publicKey = try secrets.externalKeyPair(state.suite).publicKey
      all.append(Extension(type: .externalPub, data: ExternalPub(publicKey).encoded))
    }
    all += extensions
    guard all.hasDistinctTypes else { throw .invalidExtensions }
    self.init(
      groupContext: state.context, extensions: all, confirmationTag: state.confirmationTag, signer: leaf, signature: [])
    do {
      signature = try state.suite.signWithLabel(signer, label: "GroupInfoTBS", content: toBeSigned)
    } catch {
      throw .crypto(error)
    }
  }

  /// Checks what a newcomer can check of a group: the tree, every leaf in it, and the signature over this structure
  /// (RFC 9420 §12.4.3.1).
  ///
  /// - Parameter ratchetTree: used when the tree did not come in the extension.
  func verified(
    ratchetTree: [UInt8]?, suite: CipherSuite, validator: any CredentialValidator
  ) throws(MLSError) -> PublicState {
    guard groupContext.version == .mls10 else { throw .unsupportedVersion(groupContext.version.rawValue) }
    guard groupContext.cipherSuite == suite.rawValue else { throw .unsupportedCipherSuite(groupContext.cipherSuite) }
    guard extensions.hasDistinctTypes else { throw .invalidExtensions }
    _ = try extensions.appData()
    guard let encodedTree = extensions.data(of: .ratchetTree) ?? ratchetTree else { throw .missingRatchetTree }
    var tree = try RatchetTree(decoding: encodedTree, suite: suite)

    guard let signerLeaf = tree.leaf(at: signer) else { throw .invalidTree(.blankLeaf) }
    let isValid = suite.verifyWithLabel(
      publicKey: signerLeaf.signatureKey, label: "GroupInfoTBS", content: toBeSigned, signature: signature)
    guard isValid else { throw .invalidSignature(.groupInfo) }
    guard constantTimeEquals(tree.treeHash(), groupContext.treeHash) else { throw .mismatch(.treeHash) }
    try tree.validate(groupID: groupContext.groupID)

    let requirements = try LeafRequirements(
      suite: suite, groupID: groupContext.groupID, extensions: groupContext.extensions)
    _ = try groupContext.extensions.externalSenders()
    var tally = MemberTally()
    let leaves = tree.leaves
    for leaf in leaves { tally.add(leaf.node) }
    for leaf in leaves {
      try requirements.check(leaf.node, at: leaf.index, in: .tree, checksSignature: false, validator: validator)
      try requirements.check(leaf.node, against: tally)
    }
    return PublicState(
      suite: suite, context: groupContext, tree: tree, tally: tally, confirmationTag: confirmationTag)
  }
}
