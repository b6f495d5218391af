public import CryptoSuite
import WireFormat

extension PartialGroup {
  /// Encrypts application data to the group (RFC 9420 §15). To partial members it is sent with a proof of this member's
  /// leaf, which a full member or the server adds.
  ///
  /// - Parameters:
  ///   - padding: zero bytes added before encryption.
  ///   - signer: the key of one's own leaf.
  /// - Throws: as ``Group/protect(_:authenticatedData:padding:signer:)``, `.pendingProposals` and `.groupEnded` among them.
  public func protect(
    _ plaintext: [UInt8], authenticatedData: [UInt8] = [], padding: Int = 0, signer: SigningKey
  ) throws(MLSError) -> ProtectedMessage<PartialGroup> {
    let sent = try protectApplication(
      plaintext, authenticatedData: authenticatedData, padding: padding, signer: signer)
    return ProtectedMessage(message: sent.message, group: sent.group)
  }

  /// Sends a proposal to the group, for a full member to commit (RFC 9420 §12.1).
  ///
  /// - Throws: `.invalidPlan` for an Update, which
  ///   ``proposeUpdate(leaf:newSigner:signer:encrypt:authenticatedData:padding:)`` makes, for a SelfRemove, which
  ///   ``proposeSelfRemove(signer:authenticatedData:)`` makes, and for an ExternalInit; and as
  ///   ``Group/propose(_:signer:encrypt:authenticatedData:padding:)``.
  public func propose(
    _ proposal: Proposal, signer: SigningKey, encrypt: Bool = true, authenticatedData: [UInt8] = [],
    padding: Int = 0
  ) throws(MLSError) -> ProtectedMessage<PartialGroup> {
    try proposeOrdinary(
      proposal, signer: signer, encrypt: encrypt, authenticatedData: authenticatedData, padding: padding)
  }

  /// Proposes a new leaf of one's own, with a fresh key (RFC 9420 §12.1.2). The only way for a partial member to renew
  /// its keys.
  ///
  /// - Parameters:
  ///   - leaf: its new content; nil keeps it.
  ///   - newSigner: a new signature key, in force once committed.
  /// - Throws: as ``Group/proposeUpdate(leaf:newSigner:signer:encrypt:authenticatedData:padding:)``.
  public func proposeUpdate(
    leaf: LeafParameters? = nil, newSigner: SigningKey? = nil, signer: SigningKey, encrypt: Bool = true,
    authenticatedData: [UInt8] = [], padding: Int = 0
  ) throws(MLSError) -> ProtectedMessage<PartialGroup> {
    try proposeLeaf(
      leaf, newSigner: newSigner ?? signer, signer: signer, encrypt: encrypt,
      authenticatedData: authenticatedData, padding: padding)
  }

  /// Asks to be removed by whoever commits next (draft-ietf-mls-extensions, "SelfRemove Proposal").
  ///
  /// Whether every member supports the proposal cannot be seen here; where one does not, nobody will commit it.
  ///
  /// - Throws: `.invalidProposals(.unsupportedType)` unless one's own capabilities list the proposal; `.invalidPlan`
  ///   when this member asked before in this epoch; and as ``Group/propose(_:signer:encrypt:authenticatedData:padding:)``.
  public func proposeSelfRemove(
    signer: SigningKey, authenticatedData: [UInt8] = []
  ) throws(MLSError) -> ProtectedMessage<PartialGroup> {
    guard ownLeafNode.capabilities.supports(.selfRemove) else { throw .invalidProposals(.unsupportedType) }
    return try proposeLeaving(signer: signer, authenticatedData: authenticatedData)
  }
}
