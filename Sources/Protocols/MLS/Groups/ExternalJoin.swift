public import CryptoSuite
import WireFormat

extension Group {
  /// Joins without an invitation, by an external commit (RFC 9420 §12.4.3.2).
  ///
  /// - Parameters:
  ///   - groupInfo: an ``MLSMessage`` with the `external_pub` extension, of the group's current epoch.
  ///   - cipherSuite: needed for a suite without a fixed number.
  ///   - ratchetTree: needed when the group info does not carry the tree.
  ///   - ownOldLeaf: one's own former leaf, which the commit removes (a resync).
  ///   - selfRemoves: ``MLSMessage``s with SelfRemove proposals of this epoch, which the commit covers by reference
  ///     (draft-ietf-mls-extensions, "SelfRemove Proposal"). Whoever hands out the group info knows them.
  ///   - pskIDs: keys to mix in, each with a fresh nonce.
  ///   - workers: share the work of verifying every member's signature.
  /// - Returns: the commit, a PublicMessage, and the state to adopt when it has won its epoch.
  /// - Throws: for the group info and its tree `.unexpectedMessage`, `.malformed`, `.unsupportedVersion`,
  ///   `.unsupportedCipherSuite`, `.missingRatchetTree`, `.missingExternalPub`, `.mismatch(.treeHash)`, `.invalidSignature`,
  ///   `.invalidTree`, `.invalidLeafNode`, `.invalidExtensions` and `.invalidExternalSender`; for a wish to leave
  ///   `.unexpectedMessage`, `.wrongGroup`, `.pastEpoch`, `.futureEpoch`, `.invalidSender` and `.invalidSignature`; for the
  ///   commit itself `.invalidProposals`, `.invalidLeafNode` where one's own leaf breaks a rule, `.missingPreSharedKey`,
  ///   `.invalidFraming` for authenticated data in another form than the group's, `.groupEnded` in the last epoch that a
  ///   number names, and `.crypto`.
  public static func joinExternally(
    groupInfo: [UInt8], cipherSuite: CipherSuite? = nil, ratchetTree: [UInt8]? = nil, leaf: LeafParameters,
    signer: SigningKey, removing ownOldLeaf: LeafIndex? = nil, selfRemoves: [[UInt8]] = [],
    pskIDs: [PreSharedKeyID] = [], authenticatedData: [UInt8] = [], psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator, workers: any Workers = CallingThread()
  ) throws(MLSError) -> OutgoingCommit {
    defer { eraseStack() }
    guard case .groupInfo(let info) = try MLSMessage.decode(groupInfo) else { throw .unexpectedMessage }
    guard let suite = cipherSuite ?? CipherSuite(rawValue: info.groupContext.cipherSuite) else {
      throw .unsupportedCipherSuite(info.groupContext.cipherSuite)
    }
    let state = try info.verified(ratchetTree: ratchetTree, suite: suite, validator: validator, workers: workers)
    try state.context.check(authenticatedData: authenticatedData)
    try leaf.checkCapabilities(for: suite)
    let (kemOutput, initSecret) = try info.externalInit(suite)

    let leaving = try state.selfRemoves(selfRemoves)
    var proposals: [Proposal] = [.externalInit(kemOutput: kemOutput)]
    // Beside the leaf's own SelfRemove, a Remove of it would be invalid.
    if let ownOldLeaf, !leaving.contains(where: { $0.sender == .member(ownOldLeaf) }) {
      proposals.append(.remove(ownOldLeaf))
    }
    proposals += pskIDs.map { .preSharedKey($0) }
    let committed =
      leaving + proposals.map { CommittedProposal(proposal: $0, sender: .newMemberCommit, reference: nil) }
    let list = try ProposalList(committed, committer: .newMemberCommit, in: state)
    var next = try ProvisionalState(applying: list, to: state, validator: validator)
    next.noteProposers(committed)
    let ownLeaf = try next.tree.reserveLeaf()
    let path = try next.makePath(
      from: ownLeaf, parameters: leaf, signer: signer, isExternal: true, validator: validator)
    try next.checkMembers()
    let pskSecret = try preSharedKeySecret(list.preSharedKeys, psks, suite: suite)

    let content = FramedContent(
      groupID: state.context.groupID, epoch: state.context.epoch, sender: .newMemberCommit,
      authenticatedData: authenticatedData,
      body: .commit(Commit(proposals: committed.map(\.named), path: path.sent)))
    var authenticated = try content.sign(
      format: .publicMessage, groupContext: state.contextBytes, signer: signer, suite: suite)
    let (newState, schedule) = try next.advance(
      commit: authenticated, initSecret: initSecret, commitSecret: path.made.commitSecret, pskSecret: pskSecret)
    authenticated.auth.confirmationTag = newState.confirmationTag

    // Nobody outside the group has its membership key, and this message needs none.
    let message = PublicMessage(content: authenticated.content, auth: authenticated.auth, membershipTag: nil)
    let group = Group(
      state: newState, ownLeafIndex: ownLeaf, privateKeys: path.made.privateKeys, schedule: schedule)
    return OutgoingCommit(
      message: MLSMessage.publicMessage(message).encoded, welcome: nil, group: group, groupIfLost: nil,
      changes: next.changes)
  }
}

extension PublicState {
  /// The SelfRemove proposals that an outsider was given, one for each member who asked. The outsider checks all but the
  /// membership tag, for which it has no key (draft-ietf-mls-extensions, "SelfRemove Proposal").
  func selfRemoves(_ messages: [[UInt8]]) throws(MLSError) -> [CommittedProposal] {
    var leaving: [CommittedProposal] = []
    for bytes in messages {
      guard case .publicMessage(let message) = try MLSMessage.decode(bytes), case .member(let leaf) = message.content.sender,
        message.content.body == .proposal(.selfRemove)
      else { throw .unexpectedMessage }
      guard message.content.groupID == context.groupID else { throw .wrongGroup }
      guard message.content.epoch <= context.epoch else { throw .futureEpoch(message.content.epoch) }
      guard message.content.epoch == context.epoch else { throw .pastEpoch(message.content.epoch) }
      try context.check(authenticatedData: message.content.authenticatedData)
      guard let stored = tree.storedLeaf(at: leaf) else { throw .invalidSender }
      let authenticated = AuthenticatedContent(format: .publicMessage, content: message.content, auth: message.auth)
      let verified = try authenticated.verified(
        publicKey: stored.signatureKey, groupContext: contextBytes, suite: suite)
      guard !leaving.contains(where: { $0.sender == .member(leaf) }) else { continue }
      leaving.append(
        CommittedProposal(
          proposal: .selfRemove, sender: .member(leaf), reference: verified.authenticated.proposalRef(suite)))
    }
    return leaving
  }
}

extension GroupInfo {
  /// The joiner's side of the external init secret (RFC 9420 §8.3).
  func externalInit(_ suite: CipherSuite) throws(MLSError) -> (kemOutput: [UInt8], initSecret: Secret) {
    guard let data = extensions.data(of: .externalPub) else { throw .missingExternalPub }
    let externalPub: ExternalPub
    do { externalPub = try ExternalPub(decoding: data) } catch { throw .malformed(error) }
    do {
      let (kemOutput, secret) = try suite.hpke.setupSenderExport(
        to: externalPub.publicKey, info: [], exporterContext: KeySchedule.externalInitLabel,
        count: suite.hash.byteCount)
      return (kemOutput, secret)
    } catch {
      throw .crypto(error)
    }
  }
}

extension EpochSecrets {
  /// The group's side of the external init secret (RFC 9420 §8.3).
  func externalInitSecret(_ kemOutput: [UInt8], _ suite: CipherSuite) throws(MLSError) -> Secret {
    let keyPair = try externalKeyPair(suite)
    do {
      return try suite.hpke.setupReceiverExport(
        kemOutput: kemOutput, with: keyPair, info: [], exporterContext: KeySchedule.externalInitLabel,
        count: suite.hash.byteCount)
    } catch {
      throw .crypto(error)
    }
  }
}
