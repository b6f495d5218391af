import CryptoSuite
import WireFormat

extension Group {
  /// Validates a commit and computes the state that follows it (RFC 9420 §12.4.2): first everything that the proposals and
  /// the path must satisfy, then the new tree and secrets, then the confirmation. Nothing is adopted here.
  func process(
    _ commit: Commit, _ verified: VerifiedContent, psks: any PSKProvider, validator: any CredentialValidator
  ) throws(MLSError) -> ReceivedCommit {
    guard let confirmationTag = verified.authenticated.auth.confirmationTag else { throw .invalidFraming }
    // The number of a last epoch can come from a hostile GroupInfo.
    guard epoch < UInt64.max else { throw .groupEnded }
    let committer = verified.content.sender
    let proposals = try resolve(commit.proposals, committer: committer)
    let list = try ProposalList(proposals, committer: committer, in: state)
    guard commit.path != nil || !list.requiresPath else { throw .invalidProposals(.pathMissing) }
    var next = try ProvisionalState(applying: list, to: state, validator: validator)
    next.noteProposers(proposals)
    let from = try next.takeCommitter(committer, commit.path?.leafNode, validator: validator)

    // The path's secrets are not encrypted to whom the commit removes, so there is nothing more to check.
    if list.removedLeaves.contains(ownLeafIndex) {
      return ReceivedCommit(
        sender: committer, changes: next.changes, epoch: epoch + 1,
        authenticatedData: verified.content.authenticatedData, group: nil)
    }

    var keys = try keysAfterUpdates(list)
    var commitSecret: Secret?
    if let path = commit.path {
      try next.tree.mergePath(path, from: from)
      let context = try next.provisionalContext().encoded
      let opened = try next.tree.decryptPath(
        path, from: from, as: ownLeafIndex, privateKeys: keys, context: context, excluding: Set(next.addedLeaves))
      keys = opened.privateKeys
      commitSecret = opened.commitSecret
    }
    var initSecret = secrets.initSecret
    if let kemOutput = list.externalInit { initSecret = try secrets.externalInitSecret(kemOutput, suite) }
    let pskSecret = try preSharedKeySecret(list.preSharedKeys, psks)
    let (newState, schedule) = try next.advance(
      commit: verified.authenticated, initSecret: initSecret, commitSecret: commitSecret, pskSecret: pskSecret)
    guard constantTimeEquals(newState.confirmationTag, confirmationTag) else { throw .mismatch(.confirmationTag) }

    let group = advanced(
      to: newState, schedule: schedule, privateKeys: keys.pruned(for: newState.tree),
      replacedLeaves: next.replacedLeaves, reInit: list.reInit)
    return ReceivedCommit(
      sender: committer, changes: next.changes, epoch: newState.context.epoch,
      authenticatedData: verified.content.authenticatedData, group: group)
  }
}

extension GroupMember {
  /// One's own private keys, with the new leaf key if the commit covers one's own Update.
  func keysAfterUpdates(_ list: ProposalList) throws(MLSError) -> TreePrivateKeys {
    var keys = privateKeys
    guard let update = list.updates.first(where: { $0.leaf == ownLeafIndex }) else { return keys }
    let leafKey = pending.first { $0.leafKey?.publicKey == update.leafNode.encryptionKey }?.leafKey
    guard let leafKey else { throw .unknownProposal }
    keys.replaceLeafKey(leafKey)
    return keys
  }
}

extension ProvisionalState {
  /// Finds and checks the committer's place and its new leaf, and then what all leaves must satisfy together.
  ///
  /// - Returns: the leaf that the path starts from.
  mutating func takeCommitter(
    _ committer: Sender, _ leafNode: LeafNode?, validator: any CredentialValidator
  ) throws(MLSError) -> LeafIndex {
    let leaf: LeafIndex
    switch committer {
    case .member(let member):
      leaf = member
      if let leafNode { try replaceCommitter(leaf, with: leafNode, validator: validator) }
    case .newMemberCommit:
      guard let leafNode else { throw .invalidProposals(.pathMissing) }
      leaf = try tree.reserveLeaf()
      try addExternalJoiner(leaf, leafNode, validator: validator)
    case .external, .newMemberProposal: throw .invalidSender
    }
    try checkMembers()
    return leaf
  }
}
