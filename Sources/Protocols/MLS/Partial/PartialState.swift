import CryptoSuite
import WireFormat

/// What a partial member knows of an epoch: all but the tree, of which it has the hash and its own leaf.
struct PartialState: Sendable {
  let suite: CipherSuite
  let context: GroupContext
  /// The context's encoding, which goes into every signature of the epoch.
  let contextBytes: [UInt8]
  /// Leaves of the tree, blank ones included.
  let leafCount: Int
  /// The member's own.
  let ownLeaf: LeafNode
  /// Over this epoch's commit with its confirmation tag (RFC 9420 §8.2).
  let interimTranscriptHash: [UInt8]
  let confirmationTag: [UInt8]

  init(
    suite: CipherSuite, context: GroupContext, leafCount: Int, ownLeaf: LeafNode, confirmationTag: [UInt8],
    interimTranscriptHash: [UInt8]? = nil
  ) {
    self.suite = suite
    self.context = context
    contextBytes = context.encoded
    self.leafCount = leafCount
    self.ownLeaf = ownLeaf
    self.confirmationTag = confirmationTag
    self.interimTranscriptHash =
      interimTranscriptHash
      ?? TranscriptHash.interim(
        confirmed: context.confirmedTranscriptHash, confirmationTag: confirmationTag, suite: suite)
  }

  /// What this epoch asks of a leaf.
  func requirements() throws(MLSError) -> LeafRequirements {
    try LeafRequirements(suite: suite, groupID: context.groupID, extensions: context.extensions)
  }
}

extension PartialState: ProposalSetting {
  /// Only a leaf beyond the tree is known to have no member.
  func mayBeMember(_ leaf: LeafIndex) -> Bool { leaf.rawValue < leafCount }
}
