import CryptoSuite
import WireFormat

/// A leaf and the nodes above it, proven to be part of the tree with a given hash (draft-ietf-mls-partial,
/// "Terminology"). There is no other way to make one than from a valid proof.
struct TreeSlice: Sendable {
  let leafIndex: LeafIndex
  let leafNode: LeafNode
  /// The nodes above the leaf, lowest first, the root last; nil where blank.
  let parents: [ParentNode?]
  /// The tree hashes beside the path: of the leaf's sibling first.
  let copathHashes: [[UInt8]]

  /// Levels above the leaves.
  var depth: Int { parents.count }
  /// Leaves of the whole tree, blank ones included.
  var leafCount: Int { 1 << depth }

  /// Checks the form of a proof and computes its tree hash (RFC 9420 §7.8).
  ///
  /// - Parameter treeHash: of the tree that the leaf is to be part of, from a source that is trusted or still to be
  ///   checked.
  /// - Throws: `.invalidProof`.
  init(_ proof: MembershipProof, of treeHash: [UInt8], suite: CipherSuite) throws(MLSError) {
    guard proof.leafCount.nonzeroBitCount == 1, proof.leafCount <= UInt32(clamping: Limits.maxLeafCount) else {
      throw .invalidProof(.leafCount)
    }
    let depth = proof.leafCount.trailingZeroBitCount
    guard proof.leafIndex.rawValue < proof.leafCount else { throw .invalidProof(.leafIndex) }
    guard proof.directPathNodes.count == depth + 1, proof.copathHashes.count == depth else {
      throw .invalidProof(.pathLength)
    }
    guard proof.copathHashes.allSatisfy({ $0.bytes.count == suite.hash.byteCount }) else {
      throw .invalidProof(.hashLength)
    }
    guard case .leaf(let leafNode)? = proof.directPathNodes.first else { throw .invalidProof(.nodeKind) }
    leafIndex = proof.leafIndex
    self.leafNode = leafNode
    copathHashes = proof.copathHashes.map(\.bytes)
    var parents: [ParentNode?] = []
    for (level, node) in proof.directPathNodes.enumerated().dropFirst() {
      switch node {
      case nil: parents.append(nil)
      case .leaf: throw .invalidProof(.nodeKind)
      case .parent(let parent):
        guard parent.lists(below: NodeIndex(above: proof.leafIndex, level: level), leafCount: proof.leafCount) else {
          throw .invalidProof(.unmergedLeaves)
        }
        parents.append(parent)
      }
    }
    self.parents = parents
    guard rootHash(suite) == treeHash else { throw .invalidProof(.treeHash) }
  }

  private func rootHash(_ suite: CipherSuite) -> [UInt8] {
    let leaf = StoredLeaf(decodable: leafNode.encoded)
    var hash = Subtree.leafHash(leaf, index: leafIndex.rawValue, suite: suite)
    for (level, (parent, sibling)) in zip(parents, copathHashes).enumerated() {
      let isRight = leafIndex.rawValue >> UInt32(level) & 1 == 1
      hash = Subtree.parentNodeHash(
        parent, left: isRight ? sibling : hash, right: isRight ? hash : sibling, suite: suite)
    }
    return hash
  }

  /// The public key at a node of this path; nil where it is blank, and beside the path.
  func encryptionKey(at node: NodeIndex) -> [UInt8]? {
    guard node.level <= depth, node.covers(leafIndex) else { return nil }
    return node.level == 0 ? leafNode.encryptionKey : parents[node.level - 1]?.encryptionKey
  }

  func node(atLevel level: Int) -> NodeIndex { NodeIndex(above: leafIndex, level: level) }
}

extension ParentNode {
  /// Whether the unmerged leaves are in rising order and below their node, as in every valid tree.
  fileprivate func lists(below node: NodeIndex, leafCount: UInt32) -> Bool {
    var previous: LeafIndex?
    for leaf in unmergedLeaves {
      if let previous, previous >= leaf { return false }
      guard leaf.rawValue < leafCount, node.covers(leaf) else { return false }
      previous = leaf
    }
    return true
  }
}
