public import CryptoSuite
import WireFormat

extension Group {
  /// Creates a commit and the state that follows it (RFC 9420 §12.4.1). This value stays as it is.
  ///
  /// - Parameters:
  ///   - signer: the key of one's own current leaf.
  ///   - psks: knows the external keys that the commit uses.
  /// - Throws: `.groupEnded` after a ReInit, `.wrongSigner`, `.unknownProposal` for a reference to what was not received,
  ///   `.missingPreSharedKey`, `.invalidFraming` for authenticated data in another form than the group's; and the rule that
  ///   the planned commit would break: `.invalidProposals`, `.invalidKeyPackage`, `.invalidLeafNode`, `.invalidSignature`,
  ///   `.invalidExtensions`, `.invalidExternalSender`, `.invalidTree(.tooLarge)`, `.malformed`, `.invalidPlan` for a leaf
  ///   beyond ``Limits``, `.generationsExhausted`, `.crypto`.
  public func commit(
    _ plan: CommitPlan, signer: SigningKey, psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator
  ) throws(MLSError) -> OutgoingCommit {
    defer { eraseStack() }
    return try commit(plan, successorUsage: nil, signer: signer, psks: psks, validator: validator)
  }

  /// - Parameter successorUsage: for the first commit of a group that follows from another (RFC 9420 §11.2, §11.3).
  func commit(
    _ plan: CommitPlan, successorUsage: ResumptionPSKUsage?, signer: SigningKey, psks: any PSKProvider,
    validator: any CredentialValidator
  ) throws(MLSError) -> OutgoingCommit {
    guard reInit == nil else { throw .groupEnded }
    guard signer.publicKey == ownSignatureKey else { throw .wrongSigner }
    try checkSizes(authenticatedData: plan.authenticatedData, padding: plan.padding)
    try state.context.check(authenticatedData: plan.authenticatedData)
    try plan.leaf?.checkCapabilities(for: suite)
    let sender = Sender.member(ownLeafIndex)
    let proposals = try proposals(for: plan, psks: psks, validator: validator)
    let list = try ProposalList(proposals, committer: sender, in: state, successorUsage: successorUsage)
    var next = try ProvisionalState(applying: list, to: state, now: plan.now, validator: validator)
    next.noteProposers(proposals)

    var path: (sent: UpdatePath, made: OutgoingPath)?
    if plan.forcePath && plan.reInit == nil || list.requiresPath || plan.leaf != nil || plan.newSigner != nil {
      path = try next.makePath(
        from: ownLeafIndex, parameters: plan.leaf ?? LeafParameters(ownLeafNode), signer: plan.newSigner ?? signer,
        isExternal: false, validator: validator)
    }
    try next.checkMembers()
    let pskSecret = try preSharedKeySecret(list.preSharedKeys, psks)

    let content = FramedContent(
      groupID: groupID, epoch: epoch, sender: sender, authenticatedData: plan.authenticatedData,
      body: .commit(Commit(proposals: proposals.map(\.named), path: path?.sent)))
    var authenticated = try content.sign(
      format: plan.encrypt ? .privateMessage : .publicMessage, groupContext: state.contextBytes, signer: signer,
      suite: suite)
    let (newState, schedule) = try next.advance(
      commit: authenticated, initSecret: secrets.initSecret, commitSecret: path?.made.commitSecret,
      pskSecret: pskSecret)
    authenticated.auth.confirmationTag = newState.confirmationTag

    let keys = (path?.made.privateKeys ?? privateKeys).pruned(for: newState.tree)

    var current = self
    let message = try current.protect(authenticated, encrypt: plan.encrypt, padding: plan.padding)
    let group = current.advanced(
      to: newState, schedule: schedule, privateKeys: keys,
      replacedLeaves: next.replacedLeaves, reInit: list.reInit)
    let welcome = try group.welcome(
      adding: list.adds, at: next.addedLeaves, path: path?.made, schedule: schedule,
      preSharedKeys: list.preSharedKeys, plan: plan, signer: plan.newSigner ?? signer)
    return OutgoingCommit(
      message: message, welcome: welcome, group: group, groupIfLost: current, changes: next.changes)
  }

  /// The Welcome for the members that a commit added; self is the state after it.
  private func welcome(
    adding keyPackages: [KeyPackage], at leaves: [LeafIndex], path: OutgoingPath?, schedule: KeySchedule,
    preSharedKeys: [PreSharedKeyID], plan: CommitPlan, signer: SigningKey
  ) throws(MLSError) -> [UInt8]? {
    guard !keyPackages.isEmpty else { return nil }
    let info = try GroupInfo(
      of: state, secrets: secrets, signer: signer, at: ownLeafIndex, includeRatchetTree: plan.ratchetTreeInWelcome,
      includeExternalPub: false, extensions: plan.groupInfoExtensions)
    let newMembers = zip(keyPackages, leaves).map { (keyPackage: $0, pathSecret: path?.pathSecret(for: $1)) }
    let welcome = try Welcome(
      info, newMembers: newMembers, schedule: schedule, preSharedKeys: preSharedKeys, suite: suite)
    return MLSMessage.welcome(welcome).encoded
  }
}

extension GroupMember {
  /// Frames signed content of one's own, taking the next handshake or application key when encrypting.
  mutating func protect(
    _ authenticated: AuthenticatedContent, encrypt: Bool, padding: Int
  ) throws(MLSError) -> [UInt8] {
    guard encrypt else {
      let message = PublicMessage(
        protecting: authenticated, membershipKey: secrets.membershipKey, groupContext: contextBytes,
        suite: suite)
      return MLSMessage.publicMessage(message).encoded
    }
    let (generation, key) = try secretTree.advance(ownLeafIndex, authenticated.content.contentType, suite)
    let message = try PrivateMessage(
      protecting: authenticated, sender: ownLeafIndex, generation: generation, key: key,
      senderDataSecret: secrets.senderDataSecret, padding: padding, reuseGuard: SystemRandom().bytes(4), suite: suite)
    return MLSMessage.privateMessage(message).encoded
  }
}

extension ProvisionalState {
  /// Renews the committer's keys: makes the path, checks its leaf as a receiver would, and encrypts the path secrets.
  mutating func makePath(
    from leaf: LeafIndex, parameters: LeafParameters, signer: SigningKey, isExternal: Bool,
    validator: any CredentialValidator
  ) throws(MLSError) -> (sent: UpdatePath, made: OutgoingPath) {
    var newTree = tree
    let suite = old.suite
    let groupID = old.context.groupID
    let made = try newTree.makePath(from: leaf, excluding: Set(addedLeaves)) {
      (encryptionKey, parentHash) throws(MLSError) in
      try LeafNode(
        encryptionKey: encryptionKey, parameters: parameters, source: .commit(parentHash: parentHash),
        groupID: groupID, leafIndex: leaf, signer: signer, suite: suite)
    }
    if isExternal {
      try addExternalJoiner(leaf, made.leafNode, validator: validator)
    } else {
      try replaceCommitter(leaf, with: made.leafNode, validator: validator)
    }
    tree = newTree
    let context = try provisionalContext().encoded
    return (try made.encrypt(context: context), made)
  }
}
