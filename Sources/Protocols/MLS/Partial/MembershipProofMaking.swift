public import CryptoSuite

/// A ratchet tree (RFC 9420 §4.1, §7) without a group around it, for whoever makes proofs from it: a server that follows
/// the tree, say.
public struct PublicTree: Sendable {
  let tree: RatchetTree
  /// The hash of the tree (RFC 9420 §7.8).
  public let treeHash: [UInt8]

  init(_ tree: RatchetTree) {
    var tree = tree
    treeHash = tree.treeHash()
    self.tree = tree
  }

  /// Reads a tree; only its form is checked. Whoever gets a proof of it checks the hash.
  ///
  /// - Parameter ratchetTree: as the `ratchet_tree` extension carries it.
  /// - Throws: `.malformed`, and `.invalidTree` for nodes that are no tree, or too many.
  public init(ratchetTree: [UInt8], cipherSuite: CipherSuite) throws(MLSError) {
    self.init(try RatchetTree(decoding: ratchetTree, suite: cipherSuite))
  }

  /// Leaves, blank ones included.
  public var leafCount: Int { tree.leafCount }

  /// All members, in the order of their leaves: no more verified than the tree is, unlike ``Group/members``. Of a tree that was
  /// read from bytes, nothing is.
  public var members: [Member] { tree.leaves.map { Member(leafIndex: $0.index, leafNode: $0.node) } }

  /// The leaf of whoever signs with this key.
  public func leafIndex(ofSignatureKey key: [UInt8]) -> LeafIndex? { tree.leafIndex(ofSignatureKey: key) }

  /// The proof that a member is in this tree (draft-ietf-mls-partial, "Membership Proofs and Partial Trees").
  ///
  /// - Throws: `.invalidTree(.blankLeaf)` where there is no member.
  public func membershipProof(of leaf: LeafIndex) throws(MLSError) -> MembershipProof {
    guard let leafNode = tree.leaf(at: leaf) else { throw .invalidTree(.blankLeaf) }
    let parents = tree.parents(above: leaf).map { $0.map(Node.parent) }
    var copathHashes: [CopathHash] = []
    for level in 0..<tree.depth {
      let beside = LeafIndex(leaf.rawValue ^ (1 << UInt32(level)))
      copathHashes.append(CopathHash(tree.treeHash(at: NodeIndex(above: beside, level: level))))
    }
    return MembershipProof(
      leafIndex: leaf, leafCount: UInt32(clamping: tree.leafCount), directPathNodes: [.leaf(leafNode)] + parents,
      copathHashes: copathHashes)
  }

  /// Adds proofs to a Welcome, for one of the newcomers (draft-ietf-mls-partial, "Joining via Annotated Welcome").
  ///
  /// - Parameters:
  ///   - welcome: an ``MLSMessage``, best without the tree; what it holds for other newcomers is left out.
  ///   - keyPackage: the newcomer's.
  ///   - signer: the leaf that signed the group info: the committer's.
  /// - Throws: as ``WelcomeAnnotator``, which serves many newcomers at the cost of reading the Welcome once.
  public func annotatedWelcome(
    _ welcome: [UInt8], for keyPackage: KeyPackage, signer: LeafIndex
  ) throws(MLSError) -> AnnotatedWelcome {
    try WelcomeAnnotator(welcome, signer: signer, tree: self).annotated(for: keyPackage)
  }
}

extension Group {
  /// This epoch's tree.
  public var publicTree: PublicTree { PublicTree(state.tree) }

  /// The proof that a member is in this epoch's tree.
  ///
  /// - Throws: `.invalidTree(.blankLeaf)` where there is no member.
  public func membershipProof(of leaf: LeafIndex) throws(MLSError) -> MembershipProof {
    try publicTree.membershipProof(of: leaf)
  }

  /// Adds the sender's proof to a message of this epoch, one's own or another member's, for partial members to read
  /// (draft-ietf-mls-partial, "Sender-Authenticated Messages"). Nothing of the message is decrypted but its sender.
  ///
  /// - Parameter message: an ``MLSMessage``: public, private, or a group info.
  /// - Throws: `.pastEpoch` and `.futureEpoch` for other epochs; `.invalidSender` for a message from outside the group,
  ///   which needs no proof.
  public func senderAuthenticated(
    _ message: [UInt8]
  ) throws(MLSError) -> SenderAuthenticatedMessage<MLSMessage> {
    defer { eraseStack() }
    let decoded = try MLSMessage.decode(message)
    return SenderAuthenticatedMessage(
      message: decoded, senderMembershipProof: try membershipProof(of: try sender(of: decoded)))
  }

  /// The member who sent a message of this epoch.
  func sender(of message: MLSMessage) throws(MLSError) -> LeafIndex {
    switch message {
    case .publicMessage(let message):
      try checkEpoch(message.content.groupID, message.content.epoch)
      guard case .member(let leaf) = message.content.sender else { throw .invalidSender }
      return leaf
    case .privateMessage(let message):
      try checkEpoch(message.groupID, message.epoch)
      return try message.senderData(secrets.senderDataSecret, suite).leafIndex
    case .groupInfo(let info):
      try checkEpoch(info.groupContext.groupID, info.groupContext.epoch)
      return info.signer
    case .welcome, .keyPackage: throw .unexpectedMessage
    }
  }

  private func checkEpoch(_ groupID: [UInt8], _ epoch: UInt64) throws(MLSError) {
    try checkAddress(groupID: groupID, epoch: epoch)
    guard epoch == self.epoch else { throw .pastEpoch(epoch) }
  }

  /// Adds proofs to a Welcome of one's own into this epoch, for one of the newcomers.
  ///
  /// - Parameters:
  ///   - welcome: an ``MLSMessage``, best without the tree (``CommitPlan/ratchetTreeInWelcome``); what it holds for
  ///     other newcomers is left out.
  ///   - keyPackage: the newcomer's.
  ///   - signer: who made the Welcome, if not oneself.
  /// - Throws: as ``PublicTree/annotatedWelcome(_:for:signer:)``.
  public func annotatedWelcome(
    _ welcome: [UInt8], for keyPackage: KeyPackage, signer: LeafIndex? = nil
  ) throws(MLSError) -> AnnotatedWelcome {
    try annotator(forWelcome: welcome, signer: signer).annotated(for: keyPackage)
  }

  /// Annotates a Welcome of one's own into this epoch, for all of its newcomers.
  ///
  /// - Parameters:
  ///   - welcome: an ``MLSMessage``, best without the tree (``CommitPlan/ratchetTreeInWelcome``).
  ///   - signer: who made the Welcome, if not oneself.
  /// - Throws: as ``WelcomeAnnotator/init(_:signer:tree:)``.
  public func annotator(forWelcome welcome: [UInt8], signer: LeafIndex? = nil) throws(MLSError) -> WelcomeAnnotator {
    try WelcomeAnnotator(welcome, signer: signer ?? ownLeafIndex, tree: publicTree)
  }
}
