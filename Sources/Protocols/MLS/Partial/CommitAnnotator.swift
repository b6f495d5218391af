/// Makes the annotations of one commit, which differ from receiver to receiver (draft-ietf-mls-partial, "Annotated
/// Commit").
///
/// What the receivers share is computed once, so annotating for all members of a group costs little more than the
/// group's size. It needs the trees before and after the commit, but no secret: the committer, any full member, or a
/// server that follows the tree can do it.
public struct CommitAnnotator: Sendable {
  private let commit: MLSMessage
  private let committer: LeafIndex
  private let isExternal: Bool
  private let senderProof: MembershipProof?
  private let senderProofAfter: MembershipProof
  private let before: PublicTree
  private let after: PublicTree
  private let added: Set<LeafIndex>
  /// For each level of the path, where its receivers stand among the ciphertexts; nil without a path.
  private let positions: [[NodeIndex: UInt32]]?

  /// - Parameters:
  ///   - commit: an ``MLSMessage`` with a commit.
  ///   - committer: the committer's leaf in the tree after the commit.
  ///   - added: the leaves that the commit's Add proposals filled.
  ///   - isExternal: whether the committer joined by it.
  /// - Throws: `.invalidTree(.blankLeaf)` when the committer is not where it should be.
  public init(
    _ commit: [UInt8], committer: LeafIndex, added: [LeafIndex], isExternal: Bool, before: PublicTree, after: PublicTree
  ) throws(MLSError) {
    self.commit = try MLSMessage.decode(commit)
    self.isExternal = isExternal
    self.committer = committer
    self.before = before
    self.after = after
    self.added = Set(added)
    senderProof = isExternal ? nil : try before.membershipProof(of: committer)
    senderProofAfter = try after.membershipProof(of: committer)
    // Only a path gives the committer another leaf (RFC 9420 §12.2 forbids its own Update).
    if let senderProof, senderProof.directPathNodes.first == senderProofAfter.directPathNodes.first {
      positions = nil
    } else {
      positions = after.tree.positions(inPathOf: committer, excluding: self.added)
    }
  }

  /// - Parameter receiver: a partial member before the commit; for one whom the commit removes, see
  ///   ``AnnotatedCommit/receiverMembershipProofAfter``.
  /// - Throws: `.ownMessage` for the committer, `.invalidTree(.blankLeaf)` for a leaf without a member.
  public func annotated(for receiver: LeafIndex) throws(MLSError) -> AnnotatedCommit {
    guard before.hasMember(at: receiver) else { throw .invalidTree(.blankLeaf) }
    let isTaken = added.contains(receiver) || isExternal && receiver == committer
    guard !isTaken, after.hasMember(at: receiver) else {
      return make(resolutionIndex: positions == nil ? nil : 0, receiverProof: senderProofAfter)
    }
    guard receiver != committer else { throw .ownMessage }
    var resolutionIndex: UInt32?
    if let positions {
      let level = NodeIndex.commonAncestor(committer, receiver).level
      let recipient = after.tree.recipient(for: receiver, below: level)
      guard let position = positions[level - 1][recipient] else { throw .invalidPath(.noSecretForUs) }
      resolutionIndex = position
    }
    return make(resolutionIndex: resolutionIndex, receiverProof: try after.membershipProof(of: receiver))
  }

  private func make(resolutionIndex: UInt32?, receiverProof: MembershipProof) -> AnnotatedCommit {
    AnnotatedCommit(
      commit: commit, senderMembershipProof: senderProof, treeHashAfter: after.treeHash,
      resolutionIndex: resolutionIndex, senderMembershipProofAfter: senderProofAfter,
      receiverMembershipProofAfter: receiverProof)
  }
}

extension PublicTree {
  fileprivate func hasMember(at leaf: LeafIndex) -> Bool { tree.storedLeaf(at: leaf) != nil }
}

extension RatchetTree {
  /// For each level of a committer's direct path, the place of each receiver among the ciphertexts there.
  fileprivate func positions(inPathOf committer: LeafIndex, excluding added: Set<LeafIndex>) -> [[NodeIndex: UInt32]] {
    var positions = [[NodeIndex: UInt32]](repeating: [:], count: depth)
    for step in filteredDirectPath(of: committer) {
      for (position, node) in recipients(of: step, excluding: added).enumerated() {
        positions[step.node.level - 1][node] = UInt32(clamping: position)
      }
    }
    return positions
  }

  /// The node that stands for a member in the resolution of the node right below `level`.
  fileprivate func recipient(for member: LeafIndex, below level: Int) -> NodeIndex {
    for (index, parent) in parents(above: member)[..<(level - 1)].enumerated().reversed() {
      guard let parent else { continue }
      return parent.unmergedLeaves.containsSorted(member)
        ? NodeIndex(member) : NodeIndex(above: member, level: index + 1)
    }
    return NodeIndex(member)
  }
}

extension Group {
  /// Annotates a commit that one has made; self is the state before it.
  ///
  /// - Parameter message: of the commit, from ``OutgoingCommit/message(storing:)``: its annotated forms hold it too.
  /// - Throws: `.unexpectedMessage` when the message is not the commit's.
  public func annotator(for message: [UInt8], _ commit: OutgoingCommit) throws(MLSError) -> CommitAnnotator {
    guard message == commit.message else { throw .unexpectedMessage }
    return try CommitAnnotator(
      message, committer: commit.group.ownLeafIndex, added: commit.changes.added.map(\.leafIndex),
      isExternal: false, before: publicTree, after: commit.group.publicTree)
  }

  /// Annotates a commit that one has received; self is the state before it.
  ///
  /// - Parameter message: that it was received from.
  /// - Throws: `.invalidSender` when the commit removes oneself, after which there is no tree.
  public func annotator(
    for message: [UInt8], _ commit: ReceivedCommit
  ) throws(MLSError) -> CommitAnnotator {
    guard let after = commit.group else { throw .invalidSender }
    let added = commit.changes.added.map(\.leafIndex)
    if let joiner = commit.changes.externalJoiner {
      return try CommitAnnotator(
        message, committer: joiner, added: added.filter { $0 != joiner }, isExternal: true, before: publicTree,
        after: after.publicTree)
    }
    guard case .member(let committer) = commit.sender else { throw .invalidSender }
    return try CommitAnnotator(
      message, committer: committer, added: added, isExternal: false, before: publicTree,
      after: after.publicTree)
  }
}
