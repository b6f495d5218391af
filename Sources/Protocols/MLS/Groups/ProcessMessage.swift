import CryptoSuite
import WireFormat

extension Group {
  /// Decrypts, verifies and applies one message (RFC 9420 §6, §12). This value stays as it is.
  ///
  /// - Parameter message: an ``MLSMessage`` of this group.
  /// - Throws: `.ownMessage` for what names one's own leaf, whose effect is known from sending it. Of a private message that
  ///   is not proven: to adopt a commit of one's own, compare its bytes (``MLSError/ownMessage``). `.futureEpoch` is said
  ///   of what has not been authenticated, either: it is a reason to fetch the log, not to leave the group.
  ///   `.unknownProposal` and `.missingPreSharedKey` are reasons to wait: fetch the proposal or the key, then process the
  ///   message again. `.tooManyProposals` says that there is no room for a proposal in this epoch. After
  ///   `.mismatch(.confirmationTag)`, `.invalidPath` and `.crypto` look whether others accept the commit: if so, one's own
  ///   state is the wrong one, and one comes back by an external join. Every other refusal means that the message is to be
  ///   dropped.
  public func process(
    _ message: [UInt8], psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator
  ) throws(MLSError) -> Received {
    defer { eraseStack() }
    switch try MLSMessage.decode(message) {
    case .publicMessage(let message):
      let verified = try receive(message)
      return try apply(verified, psks: psks, validator: validator)
    case .privateMessage(let message):
      try checkAddress(groupID: message.groupID, epoch: message.epoch)
      if message.epoch == epoch {
        var next = self
        let verified = try next.receive(message)
        return try next.apply(verified, psks: psks, validator: validator)
      }
      return try receiveLate(message)
    case .welcome, .groupInfo, .keyPackage: throw .unexpectedMessage
    }
  }

  private func receive(_ message: PublicMessage) throws(MLSError) -> VerifiedContent {
    try checkAddress(groupID: message.content.groupID, epoch: message.content.epoch)
    guard message.content.epoch == epoch else { throw .pastEpoch(message.content.epoch) }
    let authenticated = try message.unprotected(
      membershipKey: secrets.membershipKey, groupContext: state.contextBytes, suite: suite)
    let key = try signatureKey(of: message.content)
    let verified = try authenticated.verified(publicKey: key, groupContext: state.contextBytes, suite: suite)
    // Only now: every member can name any leaf, and one's own, too.
    guard message.content.sender != .member(ownLeafIndex) else { throw .ownMessage }
    return verified
  }

  /// The key that must have signed content of this epoch (RFC 9420 §6.1).
  private func signatureKey(of content: FramedContent) throws(MLSError) -> [UInt8] {
    guard case .member(let leaf) = content.sender else { return try content.outsiderKey(extensions) }
    guard let stored = state.tree.storedLeaf(at: leaf) else { throw .invalidSender }
    return stored.signatureKey
  }

  private mutating func receive(_ message: PrivateMessage) throws(MLSError) -> VerifiedContent {
    let senderData = try message.senderData(secrets.senderDataSecret, suite)
    guard let stored = state.tree.storedLeaf(at: senderData.leafIndex) else { throw .invalidSender }
    guard senderData.leafIndex != ownLeafIndex else { throw .ownMessage }
    let key = try secretTree.take(senderData.leafIndex, message.contentType, senderData.generation, suite)
    return try message.unprotected(senderData, key: key, suite: suite)
      .verified(publicKey: stored.signatureKey, groupContext: state.contextBytes, suite: suite)
  }

  /// Application data of an epoch that has ended. Proposals and commits of it mean nothing any more.
  private func receiveLate(_ message: PrivateMessage) throws(MLSError) -> Received {
    guard message.contentType == .application,
      let position = pastEpochs.firstIndex(where: { $0.epoch == message.epoch })
    else { throw .pastEpoch(message.epoch) }
    var next = self
    let past = pastEpochs[position]
    let senderData = try message.senderData(past.senderDataSecret, suite)
    guard let leafNode = leaf(senderData.leafIndex, atPastEpoch: position) else { throw .invalidSender }
    guard senderData.leafIndex != ownLeafIndex else { throw .ownMessage }
    let key = try next.pastEpochs[position].secretTree.take(
      senderData.leafIndex, .application, senderData.generation, suite)
    let verified = try message.unprotected(senderData, key: key, suite: suite)
      .verified(publicKey: leafNode.signatureKey, groupContext: past.groupContext, suite: suite)
    do {
      try GroupContext(decoding: past.groupContext).check(authenticatedData: verified.content.authenticatedData)
    } catch {
      throw .invalidFraming
    }
    return .application(try ApplicationMessage(verified, from: senderData.leafIndex, leafNode), next)
  }

  /// A leaf as it was before the commits that ended this past epoch and those after it.
  private func leaf(_ index: LeafIndex, atPastEpoch position: Int) -> LeafNode? {
    for past in pastEpochs[...position].reversed() {
      if let replaced = past.replacedLeaves[index] { return replaced }
    }
    return state.tree.leaf(at: index)
  }

  private func apply(
    _ verified: VerifiedContent, psks: any PSKProvider, validator: any CredentialValidator
  ) throws(MLSError) -> Received {
    try state.context.check(authenticatedData: verified.content.authenticatedData)
    switch verified.content.body {
    case .application:
      guard case .member(let leaf) = verified.content.sender, let leafNode = state.tree.leaf(at: leaf) else {
        throw .invalidSender
      }
      return .application(try ApplicationMessage(verified, from: leaf, leafNode), self)
    case .proposal(let proposal):
      guard reInit == nil else { throw .groupEnded }
      let (received, group) = try keep(proposal, verified, validator: validator)
      return .proposal(received, group)
    case .commit(let commit):
      guard reInit == nil else { throw .groupEnded }
      return .commit(try process(commit, verified, psks: psks, validator: validator))
    }
  }
}

extension GroupMember {
  /// Keeps a verified proposal until a commit covers it.
  func keep(
    _ proposal: Proposal, _ verified: VerifiedContent, validator: any CredentialValidator
  ) throws(MLSError) -> (ReceivedProposal, Self) {
    let sender = verified.content.sender
    try ProposalList.checkSender(of: proposal.type, sender, committer: nil)
    // Whoever joins from outside must be able to read it (draft-ietf-mls-extensions, "SelfRemove Proposal").
    guard proposal != .selfRemove || verified.authenticated.format == .publicMessage else {
      throw .invalidProposals(.selfRemoveEncrypted)
    }
    let reference = verified.authenticated.proposalRef(suite)
    let received = ReceivedProposal(sender: sender, proposal: proposal, reference: reference)
    // A public message can come twice; it is the same proposal.
    guard !pending.contains(where: { $0.reference == reference }) else { return (received, self) }
    // What waits keeps everybody from sending (RFC 9420 §12.4). So what outsiders send is not kept when no commit could
    // cover it.
    if case .add(let keyPackage) = proposal, !sender.isMember {
      let anyGroup = try LeafRequirements(suite: suite, groupID: groupID, extensions: [])
      try keyPackage.validate(anyGroup, now: nil, validator: validator)
    }
    var next = self
    try next.append(
      PendingProposal(reference: reference, proposal: proposal, sender: sender, leafKey: nil))
    return (received, next)
  }

  /// Adds a proposal to those that wait.
  ///
  /// - Throws: `.tooManyProposals`.
  mutating func append(_ proposal: PendingProposal) throws(MLSError) {
    guard pending.count < Limits.maxPendingProposals,
      pending.reduce(proposal.byteCount, { $0 + $1.byteCount }) <= Limits.maxPendingByteCount
    else { throw .tooManyProposals }
    pending.append(proposal)
  }
}

extension ApplicationMessage {
  init(_ verified: VerifiedContent, from sender: LeafIndex, _ leafNode: LeafNode) throws(MLSError) {
    guard case .application(let plaintext) = verified.content.body else { throw .invalidFraming }
    self.init(
      sender: sender, epoch: verified.content.epoch, plaintext: plaintext,
      authenticatedData: verified.content.authenticatedData, senderLeafNode: leafNode)
  }
}

extension FramedContent {
  /// The key that must have signed content of somebody without a leaf (RFC 9420 §6.1).
  ///
  /// - Parameter extensions: of the group context.
  func outsiderKey(_ extensions: [Extension]) throws(MLSError) -> [UInt8] {
    switch (sender, body) {
    case (.external(let index), .proposal(let proposal)):
      try ProposalList.checkSender(of: proposal.type, sender, committer: nil)
      let senders = try extensions.externalSenders()
      guard index < UInt32(clamping: senders.count) else { throw .invalidSender }
      return senders[Int(index)].signatureKey
    case (.newMemberProposal, .proposal(.add(let keyPackage))): return keyPackage.leafNode.signatureKey
    case (.newMemberCommit, .commit(let commit)):
      guard let path = commit.path else { throw .invalidProposals(.pathMissing) }
      return path.leafNode.signatureKey
    default: throw .invalidSender
    }
  }
}
