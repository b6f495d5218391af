extension Group {
  /// The proposals that a planned commit covers: those received that it names, or the usable ones, then the plan's own.
  ///
  /// - Throws: `.unknownProposal` when the plan names one that was never received.
  func proposals(
    for plan: CommitPlan, psks: any PSKProvider, validator: any CredentialValidator
  ) throws(MLSError) -> [CommittedProposal] {
    let own = plan.proposals.map {
      CommittedProposal(proposal: $0, sender: .member(ownLeafIndex), reference: nil)
    }
    if let references = plan.references {
      return try resolve(references.map { .reference($0) }, committer: .member(ownLeafIndex)) + own
    }
    guard plan.includePending, plan.reInit == nil else { return own }
    let leaving = leavingMembers(validator)
    let others = own.filter { item in item.proposal.removedLeaf.map { leaving[$0] == nil } ?? true }
    return usablePending(beside: others, leaving: leaving, now: plan.now, psks: psks, validator: validator) + others
  }

  /// The members whose SelfRemove waits, each with its place in the list. Beside it, a Remove of the same leaf is invalid
  /// (draft-ietf-mls-extensions, "SelfRemove Proposal").
  private func leavingMembers(_ validator: any CredentialValidator) -> [LeafIndex: Int] {
    var leaving: [LeafIndex: Int] = [:]
    for (index, item) in pending.enumerated() where item.proposal == .selfRemove {
      guard case .member(let leaf) = item.sender, leaving[leaf] == nil,
        isValidAlone(item, psks: NoPreSharedKeys(), validator: validator)
      else { continue }
      leaving[leaf] = index
    }
    return leaving
  }

  /// The pending proposals that make a valid list with `own` (RFC 9420 §12.2): each valid by itself, removals preferred,
  /// of several updates the last.
  private func usablePending(
    beside own: [CommittedProposal], leaving: [LeafIndex: Int], now: UInt64?, psks: any PSKProvider,
    validator: any CredentialValidator
  ) -> [CommittedProposal] {
    var removed = Set(own.compactMap(\.proposal.removedLeaf)).union(leaving.keys)
    var updated: Set<LeafIndex> = []
    var addedKeys = Set(own.compactMap(\.proposal.addedSignatureKey))
    var preSharedKeys = Set(own.compactMap(\.proposal.preSharedKey))
    var hasExtensions = own.contains { $0.proposal.type == .groupContextExtensions }
    var usable: [Int: CommittedProposal] = [:]

    func use(_ index: Int) {
      let item = pending[index]
      usable[index] = CommittedProposal(proposal: item.proposal, sender: item.sender, reference: item.reference)
    }

    for index in leaving.values { use(index) }
    for (index, item) in pending.enumerated() where isValidAlone(item, now: now, psks: psks, validator: validator) {
      switch item.proposal {
      case .remove(let leaf):
        if removed.insert(leaf).inserted { use(index) }
      case .add(let keyPackage):
        if addedKeys.insert(keyPackage.leafNode.signatureKey).inserted { use(index) }
      case .preSharedKey(let id):
        if preSharedKeys.insert(id).inserted { use(index) }
      case .groupContextExtensions:
        if !hasExtensions { use(index) }
        hasExtensions = true
      case .custom: use(index)
      case .update, .reInit, .externalInit, .selfRemove: break
      }
    }
    for (index, item) in pending.enumerated().reversed() {
      guard case .update = item.proposal, case .member(let leaf) = item.sender, !removed.contains(leaf),
        !updated.contains(leaf), isValidAlone(item, psks: psks, validator: validator)
      else { continue }
      updated.insert(leaf)
      use(index)
    }
    if usable.isEmpty, own.isEmpty, let index = pending.firstIndex(where: { $0.proposal.type == .reInit }) {
      use(index)
    }
    return usable.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Whether a commit of this proposal alone would be valid, so that a bad one cannot stop every commit.
  private func isValidAlone(
    _ item: PendingProposal, now: UInt64? = nil, psks: any PSKProvider, validator: any CredentialValidator
  ) -> Bool {
    do {
      let single = CommittedProposal(proposal: item.proposal, sender: item.sender, reference: item.reference)
      let list = try ProposalList([single], committer: .member(ownLeafIndex), in: state)
      _ = try ProvisionalState(applying: list, to: state, now: now, validator: validator)
      _ = try preSharedKeySecret(list.preSharedKeys, psks)
      return true
    } catch {
      return false
    }
  }
}

extension GroupMember {
  /// The proposals that a received commit covers.
  ///
  /// - Throws: `.unknownProposal` for one that was never received.
  func resolve(_ proposals: [ProposalOrRef], committer: Sender) throws(MLSError) -> [CommittedProposal] {
    var known: [ProposalRef: PendingProposal] = [:]
    for item in pending { known[item.reference] = item }
    var resolved: [CommittedProposal] = []
    resolved.reserveCapacity(proposals.count)
    for item in proposals {
      switch item {
      case .proposal(let proposal):
        // An Update can only be the committer's own, and that is refused (RFC 9420 §12.2).
        if case .update = proposal { throw .invalidProposals(.updateByCommitter) }
        resolved.append(CommittedProposal(proposal: proposal, sender: committer, reference: nil))
      case .reference(let reference):
        guard let item = known[reference] else { throw .unknownProposal }
        resolved.append(CommittedProposal(proposal: item.proposal, sender: item.sender, reference: item.reference))
      }
    }
    return resolved
  }
}

extension CommittedProposal {
  /// The proposal as the commit carries it.
  var named: ProposalOrRef {
    if let reference { .reference(reference) } else { .proposal(proposal) }
  }
}

extension CommitPlan {
  /// The plan's own proposals, by value.
  var proposals: [Proposal] {
    var list = removes.map { Proposal.remove($0) }
    list += adds.map { .add($0) }
    list += psks.map { .preSharedKey($0) }
    if let extensions { list.append(.groupContextExtensions(extensions)) }
    list += custom.map { .custom(type: $0.type, content: $0.content) }
    if let reInit { list.append(.reInit(reInit)) }
    return list
  }
}

extension Proposal {
  fileprivate var removedLeaf: LeafIndex? { if case .remove(let leaf) = self { leaf } else { nil } }
  fileprivate var preSharedKey: PreSharedKeyID? { if case .preSharedKey(let id) = self { id } else { nil } }
  fileprivate var addedSignatureKey: [UInt8]? {
    if case .add(let keyPackage) = self { keyPackage.leafNode.signatureKey } else { nil }
  }
}
