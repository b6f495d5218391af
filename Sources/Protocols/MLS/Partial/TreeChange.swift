import WireFormat

/// What one commit did to the tree, as a partial member recorded it: enough to do the same to a verified tree later. It
/// holds no secret and no ciphertext.
struct TreeChange: Sendable {
  /// The epoch that the commit ended.
  let epoch: UInt64
  let committer: Sender
  var proposals: [CommittedProposal]
  /// Without its ciphertexts.
  var path: UpdatePath?
  /// Of the tree after it, confirmed by the commit's tag.
  var treeHash: [UInt8]

  init(_ step: PartialStep, by committer: Sender, endingEpoch epoch: UInt64) {
    self.epoch = epoch
    self.committer = committer
    proposals = step.proposals
    path = step.commit.path.map { path in
      UpdatePath(
        leafNode: path.leafNode,
        nodes: path.nodes.map { UpdatePathNode(encryptionKey: $0.encryptionKey, encryptedPathSecrets: []) })
    }
    treeHash = step.provisionalContext.treeHash
  }

  /// About the length of its encoding, or more than `limit`. Part by part and no further than the limit: a commit can name one
  /// long proposal as often as it likes.
  func byteCount(upTo limit: Int) -> Int {
    var count = treeHash.count + (path?.encoded.count ?? 0)
    for item in proposals where count <= limit { count += item.encoded.count }
    return count
  }
}

/// The commits since an upgrade was begun, oldest first and without a gap.
struct UpgradeLog: Sendable {
  private(set) var changes: [TreeChange] = []
  /// Of their encodings.
  private var byteCount = 0

  /// - Returns: nil when there are too many, or too long ones, and so none: whoever wants to upgrade begins again.
  func appending(_ change: TreeChange) -> UpgradeLog? {
    let byteCount = byteCount + change.byteCount(upTo: Limits.maxUpgradeByteCount)
    guard changes.count < Limits.maxUpgradeCommits, byteCount <= Limits.maxUpgradeByteCount else { return nil }
    var next = self
    next.changes.append(change)
    next.byteCount = byteCount
    return next
  }

  /// The changes from one epoch to another.
  ///
  /// - Throws: `.pastEpoch` when the log does not reach back so far.
  func changes(from start: UInt64, to end: UInt64) throws(MLSError) -> ArraySlice<TreeChange> {
    guard let first = changes.firstIndex(where: { $0.epoch == start }), UInt64(changes.count - first) == end - start
    else { throw .pastEpoch(start) }
    return changes[first...]
  }
}

extension PublicState {
  /// The tree after a commit that a partial member has followed: all rules on its proposals, leaves and path are
  /// checked now that there is a tree (RFC 9420 §12.4.2). The secrets and the confirmation were checked when it was
  /// followed.
  func following(
    _ change: TreeChange, validator: any CredentialValidator
  ) throws(MLSError) -> (state: PublicState, replacedLeaves: [LeafIndex: LeafNode?]) {
    let list = try ProposalList(change.proposals, committer: change.committer, in: self)
    guard change.path != nil || !list.requiresPath else { throw .invalidProposals(.pathMissing) }
    var next = try ProvisionalState(applying: list, to: self, validator: validator)
    let from = try next.takeCommitter(change.committer, change.path?.leafNode, validator: validator)
    if let path = change.path { try next.tree.mergePath(path, from: from) }
    let context = try next.provisionalContext()
    guard context.treeHash == change.treeHash else { throw .mismatch(.treeHash) }
    let state = PublicState(
      suite: suite, context: context, tree: next.tree, tally: next.tally, confirmationTag: confirmationTag)
    return (state, next.replacedLeaves)
  }
}

// MARK: - Saved state

extension TreeChange: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.write(epoch)
    committer.encode(into: &writer)
    writer.writeList(proposals)
    writer.writeOptional(path)
    writer.writeVector(treeHash)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    epoch = try reader.readUInt64()
    committer = try Sender(from: &reader)
    proposals = try reader.readList(maxCount: Limits.maxProposalsPerCommit)
    path = try reader.readOptional()
    treeHash = try reader.readVector()
  }
}

extension UpgradeLog: WireCodable {
  func encode(into writer: inout ByteWriter) { writer.writeList(changes) }
  init(from reader: inout ByteReader) throws(WireError) {
    changes = try reader.readList(maxCount: Limits.maxUpgradeCommits)
    byteCount = changes.reduce(0) { $0 + $1.byteCount(upTo: Limits.maxUpgradeByteCount) }
  }
}

extension CommittedProposal: WireCodable {
  func encode(into writer: inout ByteWriter) {
    proposal.encode(into: &writer)
    sender.encode(into: &writer)
    writer.writeOptional(reference)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let proposal = try Proposal(from: &reader)
    let sender = try Sender(from: &reader)
    self.init(proposal: proposal, sender: sender, reference: try reader.readOptional())
  }
}
