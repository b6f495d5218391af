/// What a commit does to a group (RFC 9420 §12.3, §12.4.2), for the caller to judge before it adopts the new state.
public struct CommitChanges: Sendable, Hashable {
  /// A member whose leaf was replaced, by an Update (RFC 9420 §12.1.2) or by the path of its own commit (§7.5).
  public struct Update: Sendable, Hashable {
    /// The member's place.
    public var leafIndex: LeafIndex
    /// Its leaf before the commit.
    public var old: LeafNode
    /// Its leaf after it.
    public var new: LeafNode
  }

  /// A proposal that only the application understands (RFC 9420 §13.2).
  public struct Custom: Sendable, Hashable {
    /// The proposal's type.
    public var type: ProposalType
    /// Its content, as the application wrote it.
    public var content: [UInt8]
    /// Who made it.
    public var sender: Sender
  }

  /// Those added by Add proposals, in their order, and last whoever joined by this external commit.
  public var added: [Member] = []
  /// The leaves of those added by a key package of last resort, whose keys may have been used before
  /// (draft-ietf-mls-extensions, "Last-Resort KeyPackages"). An application may have a rule for them.
  public var addedByLastResort: [LeafIndex] = []
  /// Those removed, with the leaves that they had.
  public var removed: [Member] = []
  /// Those whose leaf was replaced, the committer with a path among them.
  public var updated: [Update] = []
  /// The whole new list of the group context, if a proposal replaced it.
  public var newExtensions: [Extension]?
  /// Keys that were mixed in.
  public var preSharedKeys: [PreSharedKeyID] = []
  /// The leaf of whoever joined by this external commit.
  public var externalJoiner: LeafIndex?
  /// The group ends with this commit and is to be replaced (RFC 9420 §11.2).
  public var reInit: ReInit?
  /// Proposals that only the application understands; what they do is up to the caller.
  public var custom: [Custom] = []
  /// Who made each proposal that is not the committer's own, by its type and order in the commit.
  public var proposers: [Proposer] = []

  /// One proposal of the commit and who made it (RFC 9420 §12.4).
  public struct Proposer: Sendable, Hashable {
    /// What was proposed.
    public var proposal: Proposal
    /// Who made it: a member, or somebody outside.
    public var sender: Sender
  }

  /// Whether somebody joined by this commit from outside.
  public var isExternal: Bool { externalJoiner != nil }

  init() {}
}
