public import CryptoSuite
public import MLS

/// All members of one group in one epoch: the state of whoever committed last, and every member's private keys.
///
/// A group of thousands, each with a state of its own, would take gigabytes, and following a commit in each of them
/// minutes. Here a commit costs what it costs its committer.
public struct Crowd: Sendable {
  /// The state of whoever committed last.
  public private(set) var latest: Group
  private var nodeKeys: [UInt32: HPKEKeyPair]
  private var signers: [LeafIndex: SigningKey]

  /// A crowd of one.
  public init(founder: Group, signer: SigningKey) {
    latest = founder
    nodeKeys = founder.nodeKeys
    signers = [founder.ownLeafIndex: signer]
  }

  /// The leaves of all members, in rising order.
  public var leaves: [LeafIndex] { signers.keys.sorted() }

  public func signer(of leaf: LeafIndex) -> SigningKey? { signers[leaf] }

  /// The state of one member; nil where there is none.
  public func member(at leaf: LeafIndex) -> Group? { latest.held(by: leaf, nodeKeys: nodeKeys) }

  /// Lets the whole crowd follow a commit that one of it, or a newcomer, has made.
  ///
  /// - Parameter newcomers: whom the commit adds, in any order: their leaf's key pair, where it is not in the commit's own
  ///   state already, and their signature key.
  public mutating func adopt(_ commit: OutgoingCommit, newcomers: [(leafKey: HPKEKeyPair?, signer: SigningKey)] = []) {
    latest = commit.group
    nodeKeys.merge(commit.group.nodeKeys) { _, new in new }
    for removed in commit.changes.removed {
      signers[removed.leafIndex] = nil
    }
    let byKey = Dictionary(uniqueKeysWithValues: newcomers.map { ($0.signer.publicKey, $0) })
    for added in commit.changes.added {
      guard let newcomer = byKey[added.leafNode.signatureKey] else { continue }
      signers[added.leafIndex] = newcomer.signer
      if let leafKey = newcomer.leafKey { nodeKeys[added.leafIndex.rawValue << 1] = leafKey }
    }
  }

  /// How many private keys of the tree a member has in a state that it did not have in an earlier one.
  public static func newKeyCount(from old: Group, to new: Group) -> Int {
    let before = old.nodeKeys
    return new.nodeKeys.count { before[$0.key] != $0.value }
  }

  /// Lets everybody see a proposal of one member.
  ///
  /// - Parameter group: the proposer's state behind it.
  public mutating func adopt(proposer group: Group) { latest = group }
}
