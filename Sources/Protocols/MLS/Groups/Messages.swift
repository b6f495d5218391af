public import CryptoSuite
import WireFormat

/// A message of one's own that is ready to be sent, and the state that sending it leaves behind: a ``Group``, or a
/// ``PartialGroup`` (RFC 9420 §6; for application data, §15).
///
/// The message used up a key: a state from before would encrypt the next message under the same one. So the only way to
/// the message is ``message(storing:)``.
public struct ProtectedMessage<State: Sendable>: Sendable {
  let message: [UInt8]
  /// The state without the key that the message used; adopt it in every case.
  public let group: State

  /// Stores the new state and hands out the message, in this order: a crash between the two loses a message, and never
  /// uses a key twice.
  ///
  ///     let message = try group.protect(text, signer: key).message { group = $0 }
  ///
  /// - Parameter store: takes ``group`` for the current state. Where states outlive the process it also makes it durable,
  ///   in one transaction with whatever else belongs to it. In a larger transaction, call this inside and send the message
  ///   when that has ended.
  /// - Returns: an ``MLSMessage``.
  /// - Throws: what `store` throws; the message is then lost, and the old state is still good.
  public func message<Failure: Error>(storing store: (State) throws(Failure) -> Void) throws(Failure) -> [UInt8] {
    try store(group)
    return message
  }
}

extension Group {
  /// Encrypts application data to the group (RFC 9420 §15).
  ///
  /// - Parameters:
  ///   - padding: zero bytes added before encryption.
  ///   - signer: the key of one's own leaf.
  /// - Throws: `.pendingProposals` while a commit is due (RFC 9420 §12.4), `.groupEnded` after a ReInit, `.wrongSigner`,
  ///   `.malformed` for more bytes than half of ``Limits/maxMessageByteCount``, or more padding or authenticated data than an
  ///   eighth, `.invalidFraming` for authenticated data in another form than the group's, `.generationsExhausted`, `.crypto`
  ///   when the library below fails.
  public func protect(
    _ plaintext: [UInt8], authenticatedData: [UInt8] = [], padding: Int = 0, signer: SigningKey
  ) throws(MLSError) -> ProtectedMessage<Group> {
    let sent = try protectApplication(
      plaintext, authenticatedData: authenticatedData, padding: padding, signer: signer)
    return ProtectedMessage(message: sent.message, group: sent.group)
  }

  /// Sends a proposal to the group for a later commit (RFC 9420 §12.1). Whether it is valid is judged when it is committed: an
  /// Add here is not checked. Call ``KeyPackage/validate(cipherSuite:now:validator:)`` before, with the time (§7.3).
  ///
  /// - Throws: `.invalidPlan` for an Update, which ``proposeUpdate(leaf:newSigner:signer:encrypt:authenticatedData:padding:)``
  ///   makes, for a SelfRemove, which ``proposeSelfRemove(signer:authenticatedData:)`` makes, and for an ExternalInit;
  ///   `.groupEnded` after a ReInit, `.wrongSigner`, `.tooManyProposals`, `.malformed` for more padding or authenticated data
  ///   than an eighth of ``Limits/maxMessageByteCount``, `.invalidFraming` for authenticated data in another form than the
  ///   group's, `.generationsExhausted`, `.crypto` when the library below fails.
  public func propose(
    _ proposal: Proposal, signer: SigningKey, encrypt: Bool = true, authenticatedData: [UInt8] = [],
    padding: Int = 0
  ) throws(MLSError) -> ProtectedMessage<Group> {
    try proposeOrdinary(
      proposal, signer: signer, encrypt: encrypt, authenticatedData: authenticatedData, padding: padding)
  }

  /// Proposes a new leaf of one's own, with a fresh key (RFC 9420 §12.1.2). Somebody else must commit it.
  ///
  /// - Parameters:
  ///   - leaf: its new content; nil keeps it.
  ///   - newSigner: a new signature key, in force once committed.
  /// - Throws: `.groupEnded` after a ReInit, `.wrongSigner` unless `signer` is the key of the present leaf,
  ///   `.tooManyProposals`, `.malformed` and `.invalidExtensions` for application data of the leaf that is not in order,
  ///   `.malformed` also for too much padding or authenticated data, `.invalidLeafNode(.versionOrSuiteNotInCapabilities)`,
  ///   `.invalidFraming` for authenticated data in another form than the group's, `.generationsExhausted`, and
  ///   `.crypto(.unsupported)` for a new key of another scheme. Whether the leaf is valid, whoever commits it says.
  public func proposeUpdate(
    leaf: LeafParameters? = nil, newSigner: SigningKey? = nil, signer: SigningKey, encrypt: Bool = true,
    authenticatedData: [UInt8] = [], padding: Int = 0
  ) throws(MLSError) -> ProtectedMessage<Group> {
    try proposeLeaf(
      leaf, newSigner: newSigner ?? signer, signer: signer, encrypt: encrypt,
      authenticatedData: authenticatedData, padding: padding)
  }

  /// Asks to be removed by whoever commits next, be it somebody who joins from outside (draft-ietf-mls-extensions,
  /// "SelfRemove Proposal"). Sent as a PublicMessage, so that a joiner can name it in an external commit.
  ///
  /// - Throws: `.invalidProposals(.unsupportedType)` unless every member's capabilities list the proposal;
  ///   `.invalidPlan` when this member asked before in this epoch; and as
  ///   ``propose(_:signer:encrypt:authenticatedData:padding:)``.
  public func proposeSelfRemove(
    signer: SigningKey, authenticatedData: [UInt8] = []
  ) throws(MLSError) -> ProtectedMessage<Group> {
    guard state.tally.allSupport(.selfRemove) else { throw .invalidProposals(.unsupportedType) }
    return try proposeLeaving(signer: signer, authenticatedData: authenticatedData)
  }
}

extension GroupMember {
  /// Encrypts application data.
  func protectApplication(
    _ plaintext: [UInt8], authenticatedData: [UInt8], padding: Int, signer: SigningKey
  ) throws(MLSError) -> (message: [UInt8], group: Self, authenticated: AuthenticatedContent) {
    defer { eraseStack() }
    guard pending.isEmpty else { throw .pendingProposals }
    try checkLength(plaintext.count, limit: Limits.maxMessageByteCount / 2)
    return try send(
      .application(plaintext), authenticatedData: authenticatedData, encrypt: true, padding: padding, signer: signer)
  }

  /// Proposes whatever needs neither a new key nor rules of its own.
  func proposeOrdinary(
    _ proposal: Proposal, signer: SigningKey, encrypt: Bool, authenticatedData: [UInt8], padding: Int
  ) throws(MLSError) -> ProtectedMessage<Self> {
    switch proposal {
    case .update, .selfRemove, .externalInit: throw .invalidPlan
    default: break
    }
    return try propose(
      proposal, leafKey: nil, signer: signer, encrypt: encrypt, authenticatedData: authenticatedData, padding: padding)
  }

  /// Proposes a signed new leaf of one's own, and keeps its private key.
  func proposeLeaf(
    _ leaf: LeafParameters?, newSigner: SigningKey, signer: SigningKey, encrypt: Bool, authenticatedData: [UInt8],
    padding: Int
  ) throws(MLSError) -> ProtectedMessage<Self> {
    defer { eraseStack() }
    try leaf?.checkCapabilities(for: suite)
    let leafKey = suite.hpke.generateKeyPair()
    let leafNode = try LeafNode(
      encryptionKey: leafKey.publicKey, parameters: leaf ?? LeafParameters(ownLeafNode), source: .update, groupID: groupID,
      leafIndex: ownLeafIndex,
      signer: newSigner, suite: suite)
    return try propose(
      .update(leafNode), leafKey: leafKey, signer: signer, encrypt: encrypt, authenticatedData: authenticatedData,
      padding: padding)
  }

  /// Proposes one's own removal, once in an epoch.
  func proposeLeaving(
    signer: SigningKey, authenticatedData: [UInt8]
  ) throws(MLSError) -> ProtectedMessage<Self> {
    let hasAsked = pending.contains { $0.proposal == .selfRemove && $0.sender == .member(ownLeafIndex) }
    guard !hasAsked else { throw .invalidPlan }
    return try propose(
      .selfRemove, leafKey: nil, signer: signer, encrypt: false, authenticatedData: authenticatedData, padding: 0)
  }

  /// Signs and frames a proposal, and keeps it for the commit.
  func propose(
    _ proposal: Proposal, leafKey: HPKEKeyPair?, signer: SigningKey, encrypt: Bool, authenticatedData: [UInt8],
    padding: Int
  ) throws(MLSError) -> ProtectedMessage<Self> {
    defer { eraseStack() }
    let sent = try send(
      .proposal(proposal), authenticatedData: authenticatedData, encrypt: encrypt, padding: padding, signer: signer)
    var group = sent.group
    try group.append(
      PendingProposal(
        reference: sent.authenticated.proposalRef(suite), proposal: proposal, sender: .member(ownLeafIndex),
        leafKey: leafKey))
    return ProtectedMessage(message: sent.message, group: group)
  }

  /// Whether what comes along with content of one's own leaves room for the content.
  ///
  /// - Throws: `.malformed` with the length that does not.
  func checkSizes(authenticatedData: [UInt8], padding: Int) throws(MLSError) {
    try checkLength(authenticatedData.count, limit: Limits.maxMessageByteCount / 8)
    try checkLength(padding, limit: Limits.maxMessageByteCount / 8)
  }

  private func checkLength(_ length: Int, limit: Int) throws(MLSError) {
    guard length <= limit else { throw .malformed(.lengthOverLimit(length: length, limit: limit)) }
  }

  /// Signs and frames content of one's own.
  func send(
    _ body: FramedContent.Body, authenticatedData: [UInt8], encrypt: Bool, padding: Int, signer: SigningKey
  ) throws(MLSError) -> (message: [UInt8], group: Self, authenticated: AuthenticatedContent) {
    guard reInit == nil else { throw .groupEnded }
    guard signer.publicKey == ownSignatureKey else { throw .wrongSigner }
    try checkSizes(authenticatedData: authenticatedData, padding: padding)
    try groupContext.check(authenticatedData: authenticatedData)
    let content = FramedContent(
      groupID: groupID, epoch: epoch, sender: .member(ownLeafIndex), authenticatedData: authenticatedData, body: body)
    let authenticated = try content.sign(
      format: encrypt ? .privateMessage : .publicMessage, groupContext: contextBytes, signer: signer,
      suite: suite)
    var next = self
    let message = try next.protect(authenticated, encrypt: encrypt, padding: padding)
    return (message, next, authenticated)
  }
}
