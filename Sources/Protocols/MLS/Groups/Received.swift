/// What a message turned out to be (RFC 9420 §6). Each new group value is to be persisted before it is adopted.
public enum Received: Sendable {
  /// Application data, and the state that can no longer open it.
  case application(ApplicationMessage, Group)
  /// A proposal, and the state in which it waits for a commit.
  case proposal(ReceivedProposal, Group)
  /// A commit, with the state of the epoch that it starts.
  case commit(ReceivedCommit)
}

/// Decrypted and verified application data (RFC 9420 §15).
public struct ApplicationMessage: Sendable {
  /// Who wrote it: the leaf in the epoch that it was sent in.
  public let sender: LeafIndex
  /// The epoch it was sent in, which may be a past one.
  public let epoch: UInt64
  /// What was protected, without padding.
  public let plaintext: [UInt8]
  /// What was sent beside it, authenticated but readable to all.
  public let authenticatedData: [UInt8]
  /// The sender's leaf as it was in that epoch.
  public let senderLeafNode: LeafNode
}

/// A verified proposal, which takes effect only when a commit covers it (RFC 9420 §12.1).
public struct ReceivedProposal: Sendable, Hashable {
  /// Who made it: a member, or somebody outside.
  public let sender: Sender
  /// What is asked for.
  public let proposal: Proposal
  /// Its name in a commit; see ``CommitPlan/references``.
  public let reference: ProposalRef
}

/// A valid commit (RFC 9420 §12.4.2). Judge its changes, then adopt its group, or skip the commit.
public struct ReceivedCommit: Sendable {
  /// Who made it: a member, or whoever joins by it.
  public let sender: Sender
  /// What it does.
  public let changes: CommitChanges
  /// The epoch that it starts.
  public let epoch: UInt64
  /// What was sent beside it, authenticated but readable to all.
  public let authenticatedData: [UInt8]
  /// The state in the new epoch; nil when the commit removes us.
  public let group: Group?

  /// Whether the commit removes us.
  public var removedSelf: Bool { group == nil }
}
