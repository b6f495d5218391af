/// What a message turned out to be. Each new group value is to be persisted before it is adopted.
public enum Received: Sendable {
  case application(ApplicationMessage, Group)
  case proposal(ReceivedProposal, Group)
  case commit(ReceivedCommit)
}

/// Decrypted and verified application data.
public struct ApplicationMessage: Sendable {
  public let sender: LeafIndex
  /// The epoch it was sent in, which may be a past one.
  public let epoch: UInt64
  public let plaintext: [UInt8]
  public let authenticatedData: [UInt8]
  /// The sender's leaf as it was in that epoch.
  public let senderLeafNode: LeafNode
}

/// A verified proposal, which takes effect only when a commit covers it.
public struct ReceivedProposal: Sendable, Hashable {
  public let sender: Sender
  public let proposal: Proposal
  public let reference: ProposalRef
}

/// A valid commit. Judge its changes, then adopt its group, or skip the commit.
public struct ReceivedCommit: Sendable {
  public let sender: Sender
  public let changes: CommitChanges
  /// The epoch that it starts.
  public let epoch: UInt64
  public let authenticatedData: [UInt8]
  /// The state in the new epoch; nil when the commit removes us.
  public let group: Group?

  public var removedSelf: Bool { group == nil }
}
