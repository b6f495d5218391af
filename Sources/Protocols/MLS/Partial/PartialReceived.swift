/// What a message to a partial member turned out to be (draft-ietf-mls-partial, "Sender-Authenticated Messages"). The new
/// group value is to be persisted before it is adopted.
public enum PartialReceived: Sendable {
  case application(ApplicationMessage, PartialGroup)
  case proposal(ReceivedProposal, PartialGroup)
}

/// A commit that a partial member has verified as far as it can (draft-ietf-mls-partial, "Annotated Commit"). Judge what it
/// claims, then adopt its group, or skip it.
public struct ReceivedAnnotatedCommit: Sendable {
  /// Who made it: a member, or whoever joins by it.
  public let sender: Sender
  /// With the leaf that it has after the commit. Proven to be in the new tree, unless the commit removes us.
  public let committer: Member
  /// What it does, as far as a partial member sees.
  public let changes: AnnotatedChanges
  /// The epoch that it starts.
  public let epoch: UInt64
  /// What was sent beside it, authenticated but readable to all.
  public let authenticatedData: [UInt8]
  /// The state in the new epoch; nil when the commit removes us.
  public let group: PartialGroup?

  /// Whether the commit removes us.
  public var removedSelf: Bool { group == nil }
}

/// What a commit does (draft-ietf-mls-partial, "Annotated Commit"). Those of its proposals that change the tree are the
/// committer's claim: a partial member cannot judge them, and relies on the full members to have refused what is not valid.
public struct AnnotatedChanges: Sendable, Hashable {
  /// All proposals in the order of the commit, each with who made it.
  public let proposals: [CommitChanges.Proposer]
  /// The whole new list of the group context, if a proposal replaced it.
  public let newExtensions: [Extension]?
  /// Keys that were mixed in.
  public let preSharedKeys: [PreSharedKeyID]
  /// The group ends with this commit and is to be replaced (RFC 9420 §11.2).
  public let reInit: ReInit?
  /// Whether the committer joined by this commit.
  public let isExternal: Bool

  init(_ proposals: [CommittedProposal], _ list: ProposalList, isExternal: Bool) {
    self.proposals = proposals.map { CommitChanges.Proposer(proposal: $0.proposal, sender: $0.sender) }
    newExtensions = list.extensions
    preSharedKeys = list.preSharedKeys
    reInit = list.reInit
    self.isExternal = isExternal
  }
}
