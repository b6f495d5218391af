import CryptoSuite
import WireFormat

/// What everybody in a group, and whoever is handed its GroupInfo and tree, knows of an epoch.
struct PublicState: Sendable {
  let suite: CipherSuite
  let context: GroupContext
  /// The context's encoding, which goes into every signature of the epoch.
  let contextBytes: [UInt8]
  var tree: RatchetTree
  var tally: MemberTally
  /// Over this epoch's commit with its confirmation tag (RFC 9420 §8.2).
  let interimTranscriptHash: [UInt8]
  let confirmationTag: [UInt8]

  init(suite: CipherSuite, context: GroupContext, tree: RatchetTree, tally: MemberTally, confirmationTag: [UInt8]) {
    self.suite = suite
    self.context = context
    contextBytes = context.encoded
    self.tree = tree
    self.tally = tally
    self.confirmationTag = confirmationTag
    interimTranscriptHash = TranscriptHash.interim(
      confirmed: context.confirmedTranscriptHash, confirmationTag: confirmationTag, suite: suite)
  }
}

/// One member of a group: a leaf of its tree that is not blank (RFC 9420 §7.2).
public struct Member: Sendable, Hashable {
  /// The member's place in the tree.
  public var leafIndex: LeafIndex
  /// Its keys, credential and capabilities.
  public var leafNode: LeafNode

  /// A member at this place.
  public init(leafIndex: LeafIndex, leafNode: LeafNode) {
    self.leafIndex = leafIndex
    self.leafNode = leafNode
  }

  /// Who the member says it is.
  public var credential: Credential { leafNode.credential }
}
