/// What a commit does to a group, for the caller to judge before it adopts the new state.
public struct CommitChanges: Sendable, Hashable {
  /// A member whose leaf was replaced, by an Update or by the path of its own commit.
  public struct Update: Sendable, Hashable {
    public var leafIndex: LeafIndex
    public var old: LeafNode
    public var new: LeafNode
  }

  /// A proposal that only the application understands.
  public struct Custom: Sendable, Hashable {
    public var type: ProposalType
    public var content: [UInt8]
    public var sender: Sender
  }

  /// Those added by Add proposals, in their order, and last whoever joined by this external commit.
  public var added: [Member] = []
  public var removed: [Member] = []
  public var updated: [Update] = []
  /// The whole new list of the group context, if a proposal replaced it.
  public var newExtensions: [Extension]?
  public var preSharedKeys: [PreSharedKeyID] = []
  /// The leaf of whoever joined by this external commit.
  public var externalJoiner: LeafIndex?
  /// The group ends with this commit and is to be replaced (RFC 9420 §11.2).
  public var reInit: ReInit?
  public var custom: [Custom] = []
  /// Who made each proposal that is not the committer's own, by its type and order in the commit.
  public var proposers: [Proposer] = []

  /// One proposal of the commit and who made it.
  public struct Proposer: Sendable, Hashable {
    public var proposal: Proposal
    public var sender: Sender
  }

  public var isExternal: Bool { externalJoiner != nil }

  init() {}
}
