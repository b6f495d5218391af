extension Group {
  /// The proposals that a planned commit covers: those received that it names, or the usable ones of members, then the
  /// plan's own.
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
    // A removal that the plan names stands in the commit itself: a wish to leave that only some have seen must not
    // take its place, or the others could not follow.
    let removed = Set(own.compactMap(\.proposal.removedLeaf))
    let leaving = leavingMembers(validator).filter { !removed.contains($0.key) }
    let usable = usablePending(beside: own, leaving: leaving, now: plan.now, psks: psks, validator: validator)
    return validTogether(usable, beside: own, now: plan.now, validator: validator) + own
  }

  /// Those of the pending proposals that can be committed together. Each is valid by itself, but some can exclude each
  /// other: new extensions and the Add of somebody who lacks them, or two newcomers who do not know each other's
  /// credentials. Then removals come first, so that nobody keeps himself or others in; next Updates and Adds, then the
  /// rest. Who proposed what is left out can do so again, and nobody can keep the group from committing.
  private func validTogether(
    _ usable: [CommittedProposal], beside own: [CommittedProposal], now: UInt64?, validator: any CredentialValidator
  ) -> [CommittedProposal] {
    guard !usable.isEmpty, usable.count + own.count > 1 else { return usable }
    var chosen = Set<Int>()
    var attempts = 0
    /// Takes these as well, if all are valid together.
    func take(_ items: ArraySlice<Int>) -> Bool {
      attempts += 1
      let candidates = chosen.union(items)
      guard isValid(candidates.sorted().map { usable[$0] } + own, now: now, validator: validator) else { return false }
      chosen = candidates
      return true
    }
    guard !take(Array(usable.indices)[...]) else { return usable }
    // What waits may be what the plan needs: an Update, say, for required capabilities. Mostly nothing helps a plan that is invalid by
    // itself, so it has the attempts of one rank in all.
    let isOwnValid = own.isEmpty || isValid(own, now: now, validator: validator)
    for rank in 0...2 {
      // Each for itself, so that bad ones of one rank leave time for the next.
      if isOwnValid { attempts = 0 }
      let items = usable.indices.filter { usable[$0].proposal.rank == rank }
      // Large parts first: what somebody's bad ones hold up is then a small part of what is good.
      var parts = items.isEmpty ? [] : [items[...]]
      while !parts.isEmpty, attempts < Limits.maxCommitAttempts {
        let part = parts.removeFirst()
        if take(part) || part.count == 1 { continue }
        let middle = part.startIndex + part.count / 2
        parts += [part[..<middle], part[middle...]]
      }
    }
    return chosen.sorted().map { usable[$0] }
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

  /// The pending proposals of members that make a valid list with `own` (RFC 9420 §12.2): each valid by itself, removals
  /// preferred, of several updates the last. A ReInit ends the group, so it is committed only where the plan names it.
  private func usablePending(
    beside own: [CommittedProposal], leaving: [LeafIndex: Int], now: UInt64?, psks: any PSKProvider,
    validator: any CredentialValidator
  ) -> [CommittedProposal] {
    var removed = Set(own.compactMap(\.proposal.removedLeaf)).union(leaving.keys)
    var updated: Set<LeafIndex> = []
    // Signature keys and encryption keys alike: none may come twice.
    var newKeys = Set(own.flatMap(\.proposal.newKeys))
    var preSharedKeys = Set(own.compactMap(\.proposal.preSharedKey))
    var hasExtensions = own.contains { $0.proposal.type == .groupContextExtensions }
    var usable: [Int: CommittedProposal] = [:]

    func use(_ index: Int) {
      let item = pending[index]
      usable[index] = CommittedProposal(proposal: item.proposal, sender: item.sender, reference: item.reference)
    }

    for index in leaving.values { use(index) }
    for (index, item) in pending.enumerated()
    where item.sender.isMember && isValidAlone(item, now: now, psks: psks, validator: validator) {
      switch item.proposal {
      case .remove(let leaf):
        if removed.insert(leaf).inserted { use(index) }
      case .add:
        if newKeys.isDisjoint(with: item.proposal.newKeys) { use(index) }
        newKeys.formUnion(item.proposal.newKeys)
      case .preSharedKey(let id):
        if preSharedKeys.count < Limits.maxPreSharedKeys, preSharedKeys.insert(id).inserted { use(index) }
      case .groupContextExtensions:
        if !hasExtensions { use(index) }
        hasExtensions = true
      case .custom: use(index)
      case .update, .reInit, .externalInit, .selfRemove: break
      }
    }
    for (index, item) in pending.enumerated().reversed() {
      guard case .update = item.proposal, case .member(let leaf) = item.sender, !removed.contains(leaf),
        !updated.contains(leaf), newKeys.isDisjoint(with: item.proposal.newKeys),
        isValidAlone(item, psks: psks, validator: validator)
      else { continue }
      updated.insert(leaf)
      newKeys.formUnion(item.proposal.newKeys)
      use(index)
    }
    return usable.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Whether a commit of this proposal alone would be valid, so that a bad one cannot stop every commit.
  private func isValidAlone(
    _ item: PendingProposal, now: UInt64? = nil, psks: any PSKProvider, validator: any CredentialValidator
  ) -> Bool {
    let single = CommittedProposal(proposal: item.proposal, sender: item.sender, reference: item.reference)
    guard isValid([single], now: now, validator: validator) else { return false }
    guard case .preSharedKey(let id) = item.proposal else { return true }
    return (try? preSharedKeySecret([id], psks)) != nil
  }

  private func isValid(_ proposals: [CommittedProposal], now: UInt64?, validator: any CredentialValidator) -> Bool {
    do {
      let list = try ProposalList(proposals, committer: .member(ownLeafIndex), in: state)
      try ProvisionalState(applying: list, to: state, now: now, validator: validator).checkMembers()
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
  /// Which of them give way to which where not all can be committed together: the higher ones to the lower.
  fileprivate var rank: Int {
    switch self {
    case .remove, .selfRemove: 0
    case .update, .add: 1
    default: 2
    }
  }
  fileprivate var removedLeaf: LeafIndex? { if case .remove(let leaf) = self { leaf } else { nil } }
  fileprivate var preSharedKey: PreSharedKeyID? { if case .preSharedKey(let id) = self { id } else { nil } }
  /// The keys that it brings into the tree.
  fileprivate var newKeys: [[UInt8]] {
    switch self {
    case .add(let keyPackage): [keyPackage.leafNode.signatureKey, keyPackage.leafNode.encryptionKey]
    case .update(let leafNode): [leafNode.signatureKey, leafNode.encryptionKey]
    default: []
    }
  }
}
