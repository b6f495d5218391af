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
    ratchetTree: [UInt8]?, suite: CipherSuite, validator: any CredentialValidator,
    workers: any Workers = CallingThread()
  ) throws(MLSError) -> PublicState {
    try checkForm(suite)
    guard let encodedTree = extensions.data(of: .ratchetTree) ?? ratchetTree else { throw .missingRatchetTree }
    let decoded = try DecodedTree(encodedTree, suite: suite)
    guard let signerLeaf = decoded.tree.leaf(at: signer) else { throw .invalidTree(.blankLeaf) }
    try checkSignature(by: signerLeaf.signatureKey, suite)
    return try PublicState(
      verifying: decoded, context: groupContext, confirmationTag: confirmationTag, suite: suite, validator: validator,
      workers: workers)
  }

  /// Checks version, suite and the list of extensions.
  func checkForm(_ suite: CipherSuite) throws(MLSError) {
    guard groupContext.version == .mls10 else { throw .unsupportedVersion(groupContext.version.rawValue) }
    guard groupContext.cipherSuite == suite.rawValue else { throw .unsupportedCipherSuite(groupContext.cipherSuite) }
    guard extensions.hasDistinctTypes else { throw .invalidExtensions }
    _ = try extensions.appData()
  }

  /// Checks the signature of the member who made this structure.
  func checkSignature(by publicKey: [UInt8], _ suite: CipherSuite) throws(MLSError) {
    let isValid = suite.verifyWithLabel(
      publicKey: publicKey, label: "GroupInfoTBS", content: toBeSigned, signature: signature)
    guard isValid else { throw .invalidSignature(.groupInfo) }
  }
}

extension PublicState {
  /// Checks a tree from outside against the context that it is to belong to: its hash, its structure, and every leaf in
  /// it (RFC 9420 §12.4.3.1). Most of what joining a large group costs.
  init(
    verifying decoded: DecodedTree, context: GroupContext, confirmationTag: [UInt8], suite: CipherSuite,
    validator: any CredentialValidator, workers: any Workers
  ) throws(MLSError) {
    var tree = decoded.tree
    guard constantTimeEquals(tree.treeHash(), context.treeHash) else { throw .mismatch(.treeHash) }
    try tree.validate(decoded.leaves, groupID: context.groupID, workers: workers)

    let requirements = try LeafRequirements(suite: suite, groupID: context.groupID, extensions: context.extensions)
    try context.extensions.checkExternalSenders(validator)
    var tally = MemberTally()
    for leaf in decoded.leaves {
      tally.add(leaf.node)
      try requirements.check(leaf.node, at: leaf.index, in: .tree, checksSignature: false, validator: validator)
    }
    guard tally.allUnderstandEachOther else { throw .invalidLeafNode(.credentialTypeNotSupported) }
    self.init(suite: suite, context: context, tree: tree, tally: tally, confirmationTag: confirmationTag)
  }
}
