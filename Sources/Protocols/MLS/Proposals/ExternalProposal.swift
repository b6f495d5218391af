public import CryptoSuite
import WireFormat

/// Proposals from outside a group (RFC 9420 §12.1.8), sent as a PublicMessage; members decide whether to commit them.
public enum ExternalProposal {
  /// A proposal by somebody whom the group context's `external_senders` extension names (RFC 9420 §12.1.8.1).
  ///
  /// - Parameters:
  ///   - proposal: an Add, Remove, PreSharedKey, ReInit or GroupContextExtensions, or one of the application's own types
  ///     that all members support.
  ///   - senderIndex: the signer's position in the extension.
  ///   - authenticatedData: sent beside the proposal.
  /// - Returns: an ``MLSMessage``.
  /// - Throws: `.invalidProposals(.senderNotAllowed)` for a proposal of another kind, `.crypto(.unsupported)` for a signer of
  ///   another scheme than the suite's.
  public static func make(
    _ proposal: Proposal, groupID: [UInt8], epoch: UInt64, senderIndex: UInt32, signer: SigningKey,
    cipherSuite: CipherSuite, authenticatedData: [UInt8] = []
  ) throws(MLSError) -> [UInt8] {
    try sign(
      proposal, from: .external(senderIndex), groupID: groupID, epoch: epoch, signer: signer, cipherSuite: cipherSuite,
      authenticatedData: authenticatedData)
  }

  /// The request of a newcomer to be added (RFC 9420 §12.1.8).
  ///
  /// - Parameter signer: the key of the key package's leaf.
  /// - Returns: an ``MLSMessage``.
  /// - Throws: `.wrongSigner` for another key, `.crypto(.unsupported)` for a key of another scheme than the suite's.
  public static func requestToJoin(
    with keyPackage: KeyPackage, groupID: [UInt8], epoch: UInt64, signer: SigningKey, cipherSuite: CipherSuite,
    authenticatedData: [UInt8] = []
  ) throws(MLSError) -> [UInt8] {
    guard keyPackage.leafNode.signatureKey == signer.publicKey else { throw .wrongSigner }
    return try sign(
      .add(keyPackage), from: .newMemberProposal, groupID: groupID, epoch: epoch, signer: signer,
      cipherSuite: cipherSuite, authenticatedData: authenticatedData)
  }

  private static func sign(
    _ proposal: Proposal, from sender: Sender, groupID: [UInt8], epoch: UInt64, signer: SigningKey,
    cipherSuite: CipherSuite, authenticatedData: [UInt8]
  ) throws(MLSError) -> [UInt8] {
    try ProposalList.checkSender(of: proposal.type, sender, committer: nil)
    let content = FramedContent(
      groupID: groupID, epoch: epoch, sender: sender, authenticatedData: authenticatedData, body: .proposal(proposal))
    let signed = try content.sign(format: .publicMessage, groupContext: [], signer: signer, suite: cipherSuite)
    return MLSMessage.publicMessage(PublicMessage(content: content, auth: signed.auth, membershipTag: nil)).encoded
  }
}
