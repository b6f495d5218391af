import CryptoSuite
import WireFormat

/// The public state on its way from one epoch to the next: the proposals applied first, then the path, then the
/// transcript. The same steps serve whoever creates a commit and whoever processes it (RFC 9420 §12.3, §12.4.1, §12.4.2).
struct ProvisionalState: Sendable {
  let old: PublicState
  var tree: RatchetTree
  private(set) var tally: MemberTally
  private(set) var changes = CommitChanges()
  let extensions: [Extension]
  let requirements: LeafRequirements
  /// Whom a Remove proposal takes out first; in an external commit, the joiner's own former leaf.
  private var replacedByJoiner: LeafNode?
  /// Leaves of the Add proposals, which get no path secret from the path (RFC 9420 §7.6).
  private(set) var addedLeaves: [LeafIndex] = []
  /// What stood in each changed leaf before this commit.
  private(set) var replacedLeaves: [LeafIndex: LeafNode?] = [:]

  /// Applies a valid list of proposals, checking each new leaf by itself; ``checkMembers()`` comes after the path.
  ///
  /// - Parameter now: seconds since 1970; if given, added leaves are held to their lifetime (for one's own commits).
  /// - Throws: `.invalidLeafNode`, `.invalidKeyPackage` and `.invalidProposals`.
  init(
    applying list: ProposalList, to state: PublicState, now: UInt64? = nil, validator: any CredentialValidator
  ) throws(MLSError) {
    old = state
    tree = state.tree
    tally = state.tally
    extensions = list.extensions ?? state.context.extensions
    requirements = try LeafRequirements(
      suite: state.suite, groupID: state.context.groupID, extensions: extensions)
    if list.extensions != nil { try extensions.checkExternalSenders(validator) }
    changes.newExtensions = list.extensions
    changes.preSharedKeys = list.preSharedKeys
    changes.reInit = list.reInit
    changes.custom = list.custom.map { CommitChanges.Custom(type: $0.type, content: $0.content, sender: $0.sender) }

    // Removals first, so that those who leave need not support what the commit proposes. The resulting tree does not
    // depend on the order, for the leaves are distinct.
    replacedByJoiner = list.removes.first.flatMap { state.tree.leaf(at: $0) }
    for leaf in list.removedLeaves { try remove(leaf) }
    for type in list.optionalTypes where !tally.allSupport(type) {
      throw .invalidProposals(.unsupportedType)
    }
    for update in list.updates { try apply(update.leafNode, at: update.leaf, validator: validator) }
    let removed = Set(list.removedLeaves)
    for keyPackage in list.adds { try add(keyPackage, besides: removed, now: now, validator: validator) }
  }

  private mutating func remove(_ leaf: LeafIndex) throws(MLSError) {
    guard let leafNode = tree.leaf(at: leaf) else { throw .invalidProposals(.removeOfBlankLeaf) }
    try tree.removeLeaf(at: leaf)
    tally.remove(leafNode)
    note(leaf, replaced: leafNode)
    changes.removed.append(Member(leafIndex: leaf, leafNode: leafNode))
  }

  private mutating func apply(
    _ leafNode: LeafNode, at leaf: LeafIndex, validator: any CredentialValidator
  ) throws(MLSError) {
    guard let replaced = tree.leaf(at: leaf) else { throw .invalidProposals(.removeOfBlankLeaf) }
    try checkReplacement(leafNode, of: replaced, at: leaf, in: .update, validator: validator)
    // Updates apply in any order (RFC 9420 §12.3), and each must be valid by itself among the members whom its maker saw
    // (§7.3, §12.1.2): it takes no key that is another's, though the same commit may replace or remove that one.
    if let holder = old.tree.leafIndex(ofSignatureKey: leafNode.signatureKey), holder != leaf {
      throw .invalidLeafNode(.duplicateSignatureKey)
    }
    guard !old.tree.containsEncryptionKey(leafNode.encryptionKey), !tree.containsEncryptionKey(leafNode.encryptionKey)
    else { throw .invalidLeafNode(.duplicateEncryptionKey) }
    try tree.updateLeaf(leafNode, at: leaf)
    tally.add(leafNode)
    note(leaf, replaced: replaced)
    changes.updated.append(CommitChanges.Update(leafIndex: leaf, old: replaced, new: leafNode))
  }

  /// - Parameter removed: the leaves whose keys are free, for the commit removes them. An Update frees none (RFC 9420 §12.2).
  private mutating func add(
    _ keyPackage: KeyPackage, besides removed: Set<LeafIndex>, now: UInt64?, validator: any CredentialValidator
  ) throws(MLSError) {
    let leafNode = keyPackage.leafNode
    try keyPackage.validate(requirements, now: now, validator: validator)
    if let member = old.tree.leafIndex(ofSignatureKey: leafNode.signatureKey), !removed.contains(member) {
      throw .invalidProposals(.alreadyMember)
    }
    guard tree.leafIndex(ofSignatureKey: leafNode.signatureKey) == nil else { throw .invalidProposals(.duplicateAdd) }
    if let member = old.tree.node(ofEncryptionKey: leafNode.encryptionKey)?.leaf, !removed.contains(member) {
      throw .invalidLeafNode(.duplicateEncryptionKey)
    }
    guard !tree.containsEncryptionKey(leafNode.encryptionKey) else { throw .invalidLeafNode(.duplicateEncryptionKey) }
    let leaf = try tree.addLeaf(leafNode)
    tally.add(leafNode)
    note(leaf, replaced: nil)
    addedLeaves.append(leaf)
    changes.added.append(Member(leafIndex: leaf, leafNode: leafNode))
    if keyPackage.isLastResort { changes.addedByLastResort.append(leaf) }
  }

  /// The checks that an Update's leaf and a path's leaf share; takes the replaced leaf out of the tally.
  private mutating func checkReplacement(
    _ leafNode: LeafNode, of replaced: LeafNode, at leaf: LeafIndex, in place: LeafNodePlace,
    validator: any CredentialValidator
  ) throws(MLSError) {
    try requirements.check(leafNode, at: leaf, in: place, validator: validator)
    guard leafNode.encryptionKey != replaced.encryptionKey else { throw .invalidLeafNode(.sameEncryptionKey) }
    guard validator.sameIdentity(old: replaced.credential, new: leafNode.credential) else {
      throw .invalidLeafNode(.identityChanged)
    }
    if let holder = tree.leafIndex(ofSignatureKey: leafNode.signatureKey), holder != leaf {
      throw .invalidLeafNode(.duplicateSignatureKey)
    }
    tally.remove(replaced)
  }

  /// Checks what all members must support: the new extensions of the group context (RFC 9420 §12.1.7, §13.4) and each
  /// other's credentials (§7.3, §13.3). Once all leaves have changed, the committer's with its path, too: the tree is
  /// judged as it is after the commit (§12.2), and a leaf that changes may be the first to support what another one has.
  func checkMembers() throws(MLSError) {
    if changes.newExtensions != nil { try requirements.check(tally) }
    guard tally.allUnderstandEachOther else { throw .invalidLeafNode(.credentialTypeNotSupported) }
  }

  /// Only the state before the commit counts: a leaf that is removed and filled again is noted once.
  private mutating func note(_ leaf: LeafIndex, replaced: LeafNode?) {
    if replacedLeaves.index(forKey: leaf) == nil { replacedLeaves.updateValue(replaced, forKey: leaf) }
  }

  mutating func noteProposers(_ proposals: [CommittedProposal]) {
    changes.proposers = proposals.filter { $0.reference != nil }.map {
      CommitChanges.Proposer(proposal: $0.proposal, sender: $0.sender)
    }
  }
}

// MARK: - The path's leaf

extension ProvisionalState {
  /// Checks and counts the leaf of a member's path; the tree itself takes it with the path.
  mutating func replaceCommitter(
    _ leaf: LeafIndex, with leafNode: LeafNode, validator: any CredentialValidator
  ) throws(MLSError) {
    guard let replaced = tree.leaf(at: leaf) else { throw .invalidSender }
    try checkReplacement(leafNode, of: replaced, at: leaf, in: .commit, validator: validator)
    tally.add(leafNode)
    note(leaf, replaced: replaced)
    changes.updated.append(CommitChanges.Update(leafIndex: leaf, old: replaced, new: leafNode))
  }

  /// Checks and counts the leaf of somebody who joins by an external commit (RFC 9420 §12.4.3.2).
  mutating func addExternalJoiner(
    _ leaf: LeafIndex, _ leafNode: LeafNode, validator: any CredentialValidator
  ) throws(MLSError) {
    try requirements.check(leafNode, at: leaf, in: .commit, validator: validator)
    if let replaced = replacedByJoiner {
      // A resync: the new leaf must be as good as an Update of the old one (RFC 9420 §12.2).
      guard leafNode.encryptionKey != replaced.encryptionKey else { throw .invalidLeafNode(.sameEncryptionKey) }
      guard validator.sameIdentity(old: replaced.credential, new: leafNode.credential) else {
        throw .invalidLeafNode(.identityChanged)
      }
    }
    guard tree.leafIndex(ofSignatureKey: leafNode.signatureKey) == nil else {
      throw .invalidLeafNode(.duplicateSignatureKey)
    }
    tally.add(leafNode)
    note(leaf, replaced: nil)
    changes.added.append(Member(leafIndex: leaf, leafNode: leafNode))
    changes.externalJoiner = leaf
  }
}

// MARK: - The step into the new epoch

extension ProvisionalState {
  /// The next epoch's context while the commit is not yet part of the transcript (RFC 9420 §12.4.1); path secrets are
  /// encrypted under it.
  mutating func provisionalContext() throws(MLSError) -> GroupContext {
    guard old.context.epoch < UInt64.max else { throw .groupEnded }
    guard tree.root.byteCount <= Limits.maxTreeByteCount else { throw .invalidTree(.tooLarge) }
    return GroupContext(
      version: old.context.version, cipherSuite: old.context.cipherSuite, groupID: old.context.groupID,
      epoch: old.context.epoch + 1, treeHash: tree.treeHash(),
      confirmedTranscriptHash: old.context.confirmedTranscriptHash, extensions: extensions)
  }

  /// Adds the signed commit to the transcript and derives the new epoch.
  mutating func advance(
    commit: AuthenticatedContent, initSecret: Secret, commitSecret: Secret?, pskSecret: Secret
  ) throws(MLSError) -> (state: PublicState, schedule: KeySchedule) {
    var context = try provisionalContext()
    context.confirmedTranscriptHash = TranscriptHash.confirmed(
      interimBefore: old.interimTranscriptHash, commit: commit, suite: old.suite)
    let schedule = KeySchedule(
      initSecret: initSecret, commitSecret: commitSecret, pskSecret: pskSecret, groupContext: context.encoded,
      suite: old.suite)
    let tag = schedule.secrets.confirmationTag(context.confirmedTranscriptHash, old.suite)
    let state = PublicState(
      suite: old.suite, context: context, tree: tree, tally: tally, confirmationTag: tag)
    return (state, schedule)
  }
}
