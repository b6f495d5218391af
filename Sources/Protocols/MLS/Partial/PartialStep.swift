import CryptoSuite

/// A commit on its way to the next epoch, with everything checked that a partial member can check before the secrets:
/// the proposals as a list, the committer's new leaf and path, and the proofs of the tree after it.
struct PartialStep: Sendable {
  let commit: Commit
  let proposals: [CommittedProposal]
  let list: ProposalList
  /// After the commit.
  let committer: TreeSlice
  /// One's own, after the commit; nil when the commit removes us.
  let receiver: TreeSlice?
  /// The next epoch's context while the commit is not yet part of the transcript (RFC 9420 §12.4.1).
  let provisionalContext: GroupContext
}

extension PartialGroup {
  /// - Parameter before: the committer's slice of the tree before; nil for an external commit.
  func step(
    _ annotated: AnnotatedCommit, _ verified: VerifiedContent, before: TreeSlice?, validator: any CredentialValidator
  ) throws(MLSError) -> PartialStep {
    let sender = verified.content.sender
    guard case .commit(let commit) = verified.content.body else { throw .unexpectedMessage }
    let proposals = try resolve(commit.proposals, committer: sender)
    let list = try ProposalList(proposals, committer: sender, in: state)
    guard commit.path != nil || !list.requiresPath else { throw .invalidProposals(.pathMissing) }
    // Whom the commit removes need not know what is in it.
    let isRemoved = list.removedLeaves.contains(ownLeafIndex)
    guard isRemoved || list.optionalTypes.allSatisfy({ state.ownLeaf.capabilities.supports($0) }) else {
      throw .invalidProposals(.unsupportedType)
    }
    guard (commit.path == nil) == (annotated.resolutionIndex == nil) else { throw .invalidProof(.resolutionIndex) }

    let committer = try TreeSlice(annotated.senderMembershipProofAfter, of: annotated.treeHashAfter, suite: suite)
    var context = state.context
    context.epoch += 1
    context.treeHash = annotated.treeHashAfter
    context.extensions = list.extensions ?? context.extensions
    let requirements = try LeafRequirements(suite: suite, groupID: groupID, extensions: context.extensions)
    if list.extensions != nil { try context.extensions.checkExternalSenders(validator) }
    try check(committer, before: before, commit, list, requirements, validator)

    var receiver: TreeSlice?
    if !isRemoved {
      let slice = try TreeSlice(annotated.receiverMembershipProofAfter, of: annotated.treeHashAfter, suite: suite)
      guard slice.depth == committer.depth else { throw .invalidProof(.differentTrees) }
      let ownUpdate = list.updates.first { $0.leaf == ownLeafIndex }
      guard slice.leafIndex == ownLeafIndex, slice.leafNode == ownUpdate?.leafNode ?? state.ownLeaf else {
        throw .invalidProof(.receiverLeaf)
      }
      if ownUpdate != nil || list.extensions != nil {
        try requirements.check(
          slice.leafNode, at: ownLeafIndex, in: .tree, checksSignature: ownUpdate != nil, validator: validator)
      }
      receiver = slice
    }
    return PartialStep(
      commit: commit, proposals: proposals, list: list, committer: committer, receiver: receiver,
      provisionalContext: context)
  }

  /// Checks where the committer stands after its commit, and with which leaf.
  private func check(
    _ committer: TreeSlice, before: TreeSlice?, _ commit: Commit, _ list: ProposalList,
    _ requirements: LeafRequirements, _ validator: any CredentialValidator
  ) throws(MLSError) {
    if let before {
      guard committer.leafIndex == before.leafIndex else { throw .invalidProof(.senderIndex) }
    } else {
      let isOwnOldPlace = list.removedLeaves.contains(ownLeafIndex)
      guard committer.leafIndex != ownLeafIndex || isOwnOldPlace else { throw .invalidProof(.senderIndex) }
    }
    guard let path = commit.path else {
      guard committer.leafNode == before?.leafNode else { throw .invalidProof(.senderLeaf) }
      return
    }
    try committer.check(path, suite: suite)
    try requirements.check(committer.leafNode, at: committer.leafIndex, in: .commit, validator: validator)
    // A new leaf is as good as an Update of the old one: of the committer's, or of the one that an external joiner
    // removes.
    let replaced = before?.leafNode ?? list.removes.first.flatMap { leaf($0) }
    if let replaced {
      guard committer.leafNode.encryptionKey != replaced.encryptionKey else {
        throw .invalidLeafNode(.sameEncryptionKey)
      }
      guard validator.sameIdentity(old: replaced.credential, new: committer.leafNode.credential) else {
        throw .invalidLeafNode(.identityChanged)
      }
    }
  }

  /// A leaf of this epoch, if it is known here.
  private func leaf(_ index: LeafIndex) -> LeafNode? { index == ownLeafIndex ? state.ownLeaf : proven[index] }
}
