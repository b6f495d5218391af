/// Makes the annotations of one Welcome, which differ from newcomer to newcomer (draft-ietf-mls-partial, "Joining via Annotated
/// Welcome"). What they share is read and computed once.
public struct WelcomeAnnotator: Sendable {
  /// Without secrets.
  private let welcome: Welcome
  private let secrets: [KeyPackageRef: [EncryptedGroupSecrets]]
  private let signerProof: MembershipProof
  private let tree: PublicTree

  /// - Parameters:
  ///   - welcome: an ``MLSMessage``, best without the tree.
  ///   - signer: the leaf that signed the group info: the committer's.
  ///   - tree: of the epoch that the Welcome is into.
  /// - Throws: `.malformed` and `.unexpectedMessage` for what is no Welcome, `.invalidTree(.blankLeaf)` where the signer's leaf
  ///   has no member.
  public init(_ welcome: [UInt8], signer: LeafIndex, tree: PublicTree) throws(MLSError) {
    guard case .welcome(var message) = try MLSMessage.decode(welcome) else { throw .unexpectedMessage }
    secrets = Dictionary(grouping: message.secrets, by: \.newMember)
    message.secrets = []
    self.welcome = message
    self.tree = tree
    signerProof = try tree.membershipProof(of: signer)
  }

  /// - Parameter keyPackage: the newcomer's; what the Welcome holds for others is left out.
  /// - Throws: `.notForThisKeyPackage` when the newcomer is not in the Welcome or not in the tree.
  public func annotated(for keyPackage: KeyPackage) throws(MLSError) -> AnnotatedWelcome {
    guard let own = secrets[keyPackage.reference(tree.tree.suite)],
      let joiner = tree.leafIndex(ofSignatureKey: keyPackage.leafNode.signatureKey)
    else { throw .notForThisKeyPackage }
    var message = welcome
    message.secrets = own
    return AnnotatedWelcome(
      welcome: SenderAuthenticatedMessage(message: message, senderMembershipProof: signerProof),
      joinerMembershipProof: try tree.membershipProof(of: joiner))
  }
}
