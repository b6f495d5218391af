import CryptoSuite
import WireFormat

@testable import MLS

/// Accepts everybody but one.
struct AllBut: CredentialValidator {
  var name: String

  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
    credential != .basic(identity: Array(name.utf8))
  }

  func sameIdentity(old: Credential, new: Credential) -> Bool { old == new }
}

/// What no honest member makes: one leaf right below the root, and the other two levels below.
struct WeirdTree {
  let treeHash: [UInt8]
  /// Of the left leaf, in a tree of two.
  let shallowProof: MembershipProof
  /// Of the right leaf, in a tree of four.
  let deepProof: MembershipProof

  init(left: LeafNode, right: LeafNode, _ suite: CipherSuite) {
    let leftHash = Subtree.leafHash(StoredLeaf(decodable: left.encoded), index: 0, suite: suite)
    let own = Subtree.leafHash(StoredLeaf(decodable: right.encoded), index: 2, suite: suite)
    let beside = Subtree.leafHash(nil, index: 3, suite: suite)
    let rightHash = Subtree.parentNodeHash(nil, left: own, right: beside, suite: suite)
    treeHash = Subtree.parentNodeHash(nil, left: leftHash, right: rightHash, suite: suite)
    shallowProof = MembershipProof(
      leafIndex: LeafIndex(0), leafCount: 2, directPathNodes: [.leaf(left), nil],
      copathHashes: [CopathHash(rightHash)])
    deepProof = MembershipProof(
      leafIndex: LeafIndex(2), leafCount: 4, directPathNodes: [.leaf(right), nil, nil],
      copathHashes: [CopathHash(beside), CopathHash(leftHash)])
  }
}

extension MembershipProof {
  /// The hash that this proof leads to, whatever it says.
  func impliedTreeHash(_ suite: CipherSuite) -> [UInt8] {
    guard case .leaf(let leaf)? = directPathNodes.first else { return [] }
    var hash = Subtree.leafHash(StoredLeaf(decodable: leaf.encoded), index: leafIndex.rawValue, suite: suite)
    for (level, node) in directPathNodes.dropFirst().enumerated() {
      let parent: ParentNode? = if case .parent(let parent)? = node { parent } else { nil }
      let isRight = leafIndex.rawValue >> UInt32(level) & 1 == 1
      let beside = copathHashes[level].bytes
      hash = Subtree.parentNodeHash(parent, left: isRight ? beside : hash, right: isRight ? hash : beside, suite: suite)
    }
    return hash
  }
}
