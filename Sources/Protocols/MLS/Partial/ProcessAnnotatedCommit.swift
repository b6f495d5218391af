import CryptoSuite
import WireFormat

extension PartialGroup {
  /// Follows a commit without the ratchet tree (draft-ietf-mls-partial, "Annotated Commit"). This value stays as it is.
  ///
  /// - Parameters:
  ///   - commit: an encoded ``AnnotatedCommit``, made for this member.
  ///   - allowsExternal: whether a commit from outside the group is followed. Whoever makes one chooses the secrets of the
  ///     new epoch, so its confirmation says nothing about the tree after it: a stranger who has a group info and a
  ///     credential that the validator takes can lead a partial member, and no full one, into a tree of its own. Say yes
  ///     only where holders of a group info are trusted with the whole conversation.
  /// - Throws: `.externalCommitNotAllowed`; `.ownMessage` for a commit of one's own leaf, which only a former state of oneself
  ///   can have made; `.futureEpoch` is said of what has not been authenticated, too: fetch the log. After `.unknownProposal`
  ///   and `.missingPreSharedKey` fetch what is missing, after `.invalidProof`, `.invalidPath`, `.mismatch` and `.crypto`
  ///   other annotations, and try again. If none helps and others accept the commit, one's own state is the wrong one: come
  ///   back by an external join. Every other refusal means that the message is to be dropped.
  public func process(
    annotatedCommit commit: [UInt8], allowsExternal: Bool = false, psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator
  ) throws(MLSError) -> ReceivedAnnotatedCommit {
    try process(
      try AnnotatedCommit.decodeBounded(commit), allowsExternal: allowsExternal, psks: psks, validator: validator)
  }

  /// As ``process(annotatedCommit:allowsExternal:psks:validator:)``, from the decoded structure.
  ///
  /// - Throws: as that.
  public func process(
    _ annotated: AnnotatedCommit, allowsExternal: Bool = false, psks: any PSKProvider = NoPreSharedKeys(),
    validator: any CredentialValidator
  ) throws(MLSError) -> ReceivedAnnotatedCommit {
    defer { eraseStack() }
    var current = self
    let (verified, before) = try current.open(annotated, validator: validator)
    guard allowsExternal || before != nil else { throw .externalCommitNotAllowed }
    guard reInit == nil, epoch < UInt64.max else { throw .groupEnded }
    try state.context.check(authenticatedData: verified.content.authenticatedData)
    let step = try current.step(annotated, verified, before: before, validator: validator)
    guard let receiver = step.receiver else {
      return ReceivedAnnotatedCommit(step, verified, epoch: epoch + 1, group: nil)
    }

    var keys = try current.keysAfterUpdates(step.list)
    var commitSecret: Secret?
    if let path = step.commit.path, let resolutionIndex = annotated.resolutionIndex {
      let context = step.provisionalContext.encoded
      let (secret, level) = try receiver.openPath(
        path, from: step.committer, resolutionIndex: resolutionIndex, keys: keys, context: context, suite: suite)
      let derived = try receiver.derivingKeys(from: secret, level: level, keys: keys, suite: suite)
      keys = derived.privateKeys
      commitSecret = derived.commitSecret
    }
    let pskSecret = try current.preSharedKeySecret(step.list.preSharedKeys, psks)
    let (state, schedule) = try current.advance(
      step, receiver, verified, commitSecret: commitSecret, pskSecret: pskSecret)

    var group = current.advanced(
      to: state, schedule: schedule, privateKeys: keys.pruned { receiver.encryptionKey(at: $0) },
      proven: [receiver.leafIndex: receiver.leafNode, step.committer.leafIndex: step.committer.leafNode],
      reInit: step.list.reInit)
    group.upgradeLog = upgradeLog?.appending(TreeChange(step, by: verified.content.sender, endingEpoch: epoch))
    return ReceivedAnnotatedCommit(step, verified, epoch: state.context.epoch, group: group)
  }

  /// Verifies the message that carries the commit.
  ///
  /// - Returns: the committer's slice of the tree before the commit; nil for an external commit.
  mutating func open(
    _ annotated: AnnotatedCommit, validator: any CredentialValidator
  ) throws(MLSError) -> (content: VerifiedContent, sender: TreeSlice?) {
    switch annotated.commit {
    case .publicMessage(let message):
      return try open(message, proof: annotated.senderMembershipProof, validator: validator)
    case .privateMessage(let message):
      try checkAddress(groupID: message.groupID, epoch: message.epoch)
      guard message.epoch == epoch else { throw .pastEpoch(message.epoch) }
      return try open(message, proof: annotated.senderMembershipProof, validator: validator)
    case .welcome, .groupInfo, .keyPackage: throw .unexpectedMessage
    }
  }

  /// The new epoch, confirmed by the commit's tag.
  func advance(
    _ step: PartialStep, _ receiver: TreeSlice, _ verified: VerifiedContent, commitSecret: Secret?, pskSecret: Secret
  ) throws(MLSError) -> (state: PartialState, schedule: KeySchedule) {
    guard let confirmationTag = verified.authenticated.auth.confirmationTag else { throw .invalidFraming }
    var initSecret = secrets.initSecret
    if let kemOutput = step.list.externalInit { initSecret = try secrets.externalInitSecret(kemOutput, suite) }
    var context = step.provisionalContext
    context.confirmedTranscriptHash = TranscriptHash.confirmed(
      interimBefore: state.interimTranscriptHash, commit: verified.authenticated, suite: suite)
    let schedule = KeySchedule(
      initSecret: initSecret, commitSecret: commitSecret, pskSecret: pskSecret, groupContext: context.encoded,
      suite: suite)
    let tag = schedule.secrets.confirmationTag(context.confirmedTranscriptHash, suite)
    guard constantTimeEquals(tag, confirmationTag) else { throw .mismatch(.confirmationTag) }
    let state = PartialState(
      suite: suite, context: context, leafCount: receiver.leafCount, ownLeaf: receiver.leafNode, confirmationTag: tag)
    return (state, schedule)
  }
}

extension ReceivedAnnotatedCommit {
  fileprivate init(_ step: PartialStep, _ verified: VerifiedContent, epoch: UInt64, group: PartialGroup?) {
    sender = verified.content.sender
    committer = Member(leafIndex: step.committer.leafIndex, leafNode: step.committer.leafNode)
    changes = AnnotatedChanges(step.proposals, step.list, isExternal: verified.content.sender == .newMemberCommit)
    self.epoch = epoch
    authenticatedData = verified.content.authenticatedData
    self.group = group
  }
}
