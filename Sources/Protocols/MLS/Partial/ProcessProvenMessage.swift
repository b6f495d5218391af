import CryptoSuite
import WireFormat

extension PartialGroup {
  /// Decrypts and verifies a message whose sender is proven beside it: application data, of late epochs too, or a
  /// proposal (draft-ietf-mls-partial, "Sender-Authenticated Messages"). This value stays as it is.
  ///
  /// - Parameter message: an encoded ``SenderAuthenticatedMessage`` of an ``MLSMessage``.
  /// - Throws: as ``Group/process(_:psks:validator:)``, and `.invalidProof`; `.unexpectedMessage` for a commit, which
  ///   needs its annotations.
  public func process(
    senderAuthenticated message: [UInt8], validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    try process(try SenderAuthenticatedMessage<MLSMessage>.decodeBounded(message), validator: validator)
  }

  /// As ``process(senderAuthenticated:validator:)``, from the decoded structure.
  ///
  /// - Throws: as that.
  public func process(
    _ message: SenderAuthenticatedMessage<MLSMessage>, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    switch message.message {
    case .publicMessage(let content):
      try receive(content, proof: message.senderMembershipProof, validator: validator)
    case .privateMessage(let content):
      try receive(content, proof: message.senderMembershipProof, validator: validator)
    case .welcome, .groupInfo, .keyPackage: throw .unexpectedMessage
    }
  }

  /// As ``process(senderAuthenticated:validator:)``, from the structure that the draft names.
  ///
  /// - Throws: as that.
  public func process(
    _ message: SenderAuthenticatedMessage<PrivateMessage>, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    try receive(message.message, proof: message.senderMembershipProof, validator: validator)
  }

  /// As ``process(senderAuthenticated:validator:)``, from the structure that the draft names.
  ///
  /// - Throws: as that.
  public func process(
    _ message: SenderAuthenticatedMessage<PublicMessage>, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    try receive(message.message, proof: message.senderMembershipProof, validator: validator)
  }

  /// Verifies a proposal from outside the group, whose sender has no leaf to be proven (RFC 9420 §12.1.8).
  ///
  /// - Parameter message: an ``MLSMessage``.
  /// - Throws: `.invalidProof(.missing)` for a member's proposal.
  public func process(
    externalProposal message: [UInt8], validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    guard case .publicMessage(let content) = try MLSMessage.decode(message) else { throw .unexpectedMessage }
    return try receive(content, proof: nil, validator: validator)
  }

  private func receive(
    _ message: PublicMessage, proof: MembershipProof?, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    defer { eraseStack() }
    var next = self
    let (verified, sender) = try next.open(message, proof: proof, validator: validator)
    return try next.apply(verified, from: sender, validator: validator)
  }

  private func receive(
    _ message: PrivateMessage, proof: MembershipProof?, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    defer { eraseStack() }
    try checkAddress(groupID: message.groupID, epoch: message.epoch)
    guard message.epoch == epoch else { return try receiveLate(message, proof: proof, validator: validator) }
    var next = self
    let (verified, sender) = try next.open(message, proof: proof, validator: validator)
    return try next.apply(verified, from: sender, validator: validator)
  }

  private func apply(
    _ verified: VerifiedContent, from sender: TreeSlice?, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    try state.context.check(authenticatedData: verified.content.authenticatedData)
    switch verified.content.body {
    case .application:
      guard let sender else { throw .invalidSender }
      return .application(try ApplicationMessage(verified, from: sender.leafIndex, sender.leafNode), self)
    case .proposal(let proposal):
      guard reInit == nil else { throw .groupEnded }
      let (received, group) = try keep(proposal, verified, validator: validator)
      return .proposal(received, group)
    case .commit: throw .unexpectedMessage
    }
  }

  /// Application data of an epoch that has ended, proven in that epoch's tree.
  private func receiveLate(
    _ message: PrivateMessage, proof: MembershipProof?, validator: any CredentialValidator
  ) throws(MLSError) -> PartialReceived {
    guard message.contentType == .application,
      let position = pastEpochs.firstIndex(where: { $0.epoch == message.epoch })
    else { throw .pastEpoch(message.epoch) }
    var next = self
    let past = pastEpochs[position]
    let context: GroupContext
    do { context = try GroupContext(decoding: past.groupContext) } catch { throw .malformed(error) }
    let senderData = try message.senderData(past.senderDataSecret, suite)
    guard senderData.leafIndex != ownLeafIndex else { throw .ownMessage }
    let slice = try senderSlice(proof, at: senderData.leafIndex, treeHash: context.treeHash)
    if proven[slice.leafIndex] != slice.leafNode {
      let requirements = try LeafRequirements(suite: suite, groupID: groupID, extensions: context.extensions)
      try requirements.check(slice.leafNode, at: slice.leafIndex, in: .tree, validator: validator)
    }
    let key = try next.pastEpochs[position].secretTree.take(
      senderData.leafIndex, .application, senderData.generation, suite)
    let verified = try message.unprotected(senderData, key: key, suite: suite)
      .verified(publicKey: slice.leafNode.signatureKey, groupContext: past.groupContext, suite: suite)
    try context.check(authenticatedData: verified.content.authenticatedData)
    return .application(try ApplicationMessage(verified, from: senderData.leafIndex, slice.leafNode), next)
  }
}

// MARK: - Content of the current epoch

extension PartialGroup {
  /// A proof of a certain sender's leaf.
  func senderSlice(
    _ proof: MembershipProof?, at sender: LeafIndex, treeHash: [UInt8]
  ) throws(MLSError) -> TreeSlice {
    guard let proof else { throw .invalidProof(.missing) }
    guard proof.leafIndex == sender else { throw .invalidProof(.senderIndex) }
    return try TreeSlice(proof, of: treeHash, suite: suite)
  }

  /// Verifies a public message of this epoch.
  ///
  /// - Parameter proof: of a member who sends it; nobody else has one.
  /// - Returns: the slice of a member.
  mutating func open(
    _ message: PublicMessage, proof: MembershipProof?, validator: any CredentialValidator
  ) throws(MLSError) -> (content: VerifiedContent, sender: TreeSlice?) {
    let content = message.content
    try checkAddress(groupID: content.groupID, epoch: content.epoch)
    guard content.epoch == epoch else { throw .pastEpoch(content.epoch) }
    let authenticated = try message.unprotected(
      membershipKey: secrets.membershipKey, groupContext: contextBytes, suite: suite)
    // One's own needs no proof but the signature, by a key that is known here.
    if content.sender == .member(ownLeafIndex) {
      _ = try authenticated.verified(publicKey: ownSignatureKey, groupContext: contextBytes, suite: suite)
      throw .ownMessage
    }
    if case .member(let leaf) = content.sender {
      let slice = try senderSlice(proof, at: leaf, treeHash: treeHash)
      try take(slice, validator: validator)
      let verified = try authenticated.verified(
        publicKey: slice.leafNode.signatureKey, groupContext: contextBytes, suite: suite)
      return (verified, slice)
    }
    guard proof == nil else { throw .invalidProof(.unexpected) }
    let key = try content.outsiderKey(extensions)
    return (try authenticated.verified(publicKey: key, groupContext: contextBytes, suite: suite), nil)
  }

  /// Decrypts and verifies a private message of this epoch; its key is gone afterwards.
  mutating func open(
    _ message: PrivateMessage, proof: MembershipProof?, validator: any CredentialValidator
  ) throws(MLSError) -> (content: VerifiedContent, sender: TreeSlice) {
    let senderData = try message.senderData(secrets.senderDataSecret, suite)
    guard senderData.leafIndex != ownLeafIndex else { throw .ownMessage }
    let slice = try senderSlice(proof, at: senderData.leafIndex, treeHash: treeHash)
    try take(slice, validator: validator)
    let key = try secretTree.take(senderData.leafIndex, message.contentType, senderData.generation, suite)
    let verified = try message.unprotected(senderData, key: key, suite: suite)
      .verified(publicKey: slice.leafNode.signatureKey, groupContext: contextBytes, suite: suite)
    return (verified, slice)
  }
}
