import CryptoSuite
import WireFormat

/// A proposal as a commit covers it.
struct CommittedProposal: Sendable {
  var proposal: Proposal
  /// Who made it: the committer, for one that the commit holds by value.
  var sender: Sender
  /// How the commit names it; nil when the commit holds it by value.
  var reference: ProposalRef?
}

/// The proposals of one commit, found to be a valid list (RFC 9420 §12.2) and sorted by what they do (§12.3).
///
/// What depends on the tree after the changes is checked by ``ProvisionalState``, which applies the list.
struct ProposalList: Sendable {
  private(set) var updates: [(leaf: LeafIndex, leafNode: LeafNode)] = []
  /// The leaves of members who ask to leave; taken off before those of ``removes``.
  private(set) var selfRemoves: [LeafIndex] = []
  private(set) var removes: [LeafIndex] = []
  private(set) var adds: [KeyPackage] = []
  private(set) var preSharedKeys: [PreSharedKeyID] = []
  private(set) var extensions: [Extension]?
  private(set) var reInit: ReInit?
  private(set) var externalInit: [UInt8]?
  private(set) var custom: [(type: ProposalType, content: [UInt8], sender: Sender)] = []
  /// All leaves that the commit blanks, in the order in which it does.
  var removedLeaves: [LeafIndex] { selfRemoves + removes }
  /// The types of proposals that not everybody need support.
  var optionalTypes: [ProposalType] { custom.map(\.type) + (selfRemoves.isEmpty ? [] : [.selfRemove]) }
  /// Whether the commit needs a path (RFC 9420 §12.4).
  private(set) var requiresPath: Bool

  /// Checks the list of a commit by `committer`.
  ///
  /// - Parameter successorUsage: the kind of resumption key that only the first commit of such a group may hold
  ///   (RFC 9420 §11.2, §11.3).
  /// - Throws: `.invalidProposals` naming the rule that is broken.
  init(
    _ proposals: [CommittedProposal], committer: Sender, in state: some ProposalSetting,
    successorUsage: ResumptionPSKUsage? = nil
  ) throws(MLSError) {
    requiresPath = proposals.isEmpty || proposals.contains { $0.proposal.type.requiresPath }
    for item in proposals {
      try ProposalList.checkSender(of: item.proposal.type, item.sender, committer: committer)
      try take(item, in: state)
    }
    if committer == .newMemberCommit {
      try checkExternalCommit(proposals)
    } else {
      try checkMemberCommit(proposals, committer: committer)
    }
    try checkLeaves(in: state)
    try checkPreSharedKeys(in: state, successorUsage)
  }

  /// Who may send what (RFC 9420 §6.1, §12.1.8).
  static func checkSender(of type: ProposalType, _ sender: Sender, committer: Sender?) throws(MLSError) {
    let isAllowed: Bool
    switch sender {
    case .member: isAllowed = type != .externalInit
    case .external: isAllowed = type.isForExternalSenders
    case .newMemberProposal: isAllowed = type == .add
    case .newMemberCommit:
      isAllowed = committer == .newMemberCommit && [.externalInit, .remove, .preSharedKey].contains(type)
    }
    guard isAllowed else { throw .invalidProposals(.senderNotAllowed) }
  }

  private mutating func take(_ item: CommittedProposal, in state: some ProposalSetting) throws(MLSError) {
    switch item.proposal {
    case .add(let keyPackage): adds.append(keyPackage)
    case .update(let leafNode):
      guard case .member(let leaf) = item.sender else { throw .invalidProposals(.updateBySenderOnly) }
      updates.append((leaf, leafNode))
    case .remove(let leaf): removes.append(leaf)
    case .preSharedKey(let id): preSharedKeys.append(id)
    case .reInit(let reInit):
      guard reInit.version >= state.context.version else { throw .invalidProposals(.reInitVersion) }
      guard reInit.extensions.hasDistinctTypes else { throw .invalidExtensions }
      self.reInit = reInit
    case .externalInit(let kemOutput):
      guard externalInit == nil else { throw .invalidProposals(.externalCommit) }
      externalInit = kemOutput
    case .groupContextExtensions(let extensions):
      guard self.extensions == nil else { throw .invalidProposals(.multipleGroupContextExtensions) }
      self.extensions = extensions
    case .selfRemove:
      guard item.reference != nil, case .member(let leaf) = item.sender else {
        throw .invalidProposals(.selfRemoveByValue)
      }
      selfRemoves.append(leaf)
    case .custom(let type, let content): custom.append((type, content, item.sender))
    }
  }

  private func checkMemberCommit(_ proposals: [CommittedProposal], committer: Sender) throws(MLSError) {
    guard case .member(let committer) = committer else { throw .invalidSender }
    guard !updates.contains(where: { $0.leaf == committer }) else { throw .invalidProposals(.updateByCommitter) }
    guard !removedLeaves.contains(committer) else { throw .invalidProposals(.removeOfCommitter) }
    guard reInit == nil || proposals.count == 1 else { throw .invalidProposals(.reInitNotAlone) }
  }

  /// RFC 9420 §12.2, second list; nothing by reference (§12.4.3.2) but the wishes of members to leave.
  private func checkExternalCommit(_ proposals: [CommittedProposal]) throws(MLSError) {
    guard externalInit != nil, removes.count <= 1,
      proposals.allSatisfy({ $0.reference == nil || $0.proposal == .selfRemove })
    else { throw .invalidProposals(.externalCommit) }
  }

  private func checkLeaves(in state: some ProposalSetting) throws(MLSError) {
    var changed: Set<LeafIndex> = []
    for leaf in updates.map(\.leaf) + removedLeaves {
      guard state.mayBeMember(leaf) else { throw .invalidProposals(.removeOfBlankLeaf) }
      guard changed.insert(leaf).inserted else { throw .invalidProposals(.conflictingChanges) }
    }
  }

  private func checkPreSharedKeys(
    in state: some ProposalSetting, _ successorUsage: ResumptionPSKUsage?
  ) throws(MLSError) {
    guard preSharedKeys.count <= Limits.maxPreSharedKeys else {
      throw .malformed(.lengthOverLimit(length: preSharedKeys.count, limit: Limits.maxPreSharedKeys))
    }
    guard Set(preSharedKeys).count == preSharedKeys.count else { throw .invalidProposals(.duplicatePreSharedKey) }
    for id in preSharedKeys {
      guard id.nonce.count == state.suite.hash.byteCount else { throw .invalidProposals(.preSharedKeyNonce) }
      if case .resumption(let usage, _, _) = id.key, usage != .application, usage != successorUsage {
        throw .invalidProposals(.resumptionUsage)
      }
    }
  }
}

/// What the rules on a list of proposals ask of an epoch.
protocol ProposalSetting {
  var suite: CipherSuite { get }
  var context: GroupContext { get }
  /// Whether there is a member at a leaf, as far as this is known.
  func mayBeMember(_ leaf: LeafIndex) -> Bool
}

extension PublicState: ProposalSetting {
  func mayBeMember(_ leaf: LeafIndex) -> Bool { tree.storedLeaf(at: leaf) != nil }
}
