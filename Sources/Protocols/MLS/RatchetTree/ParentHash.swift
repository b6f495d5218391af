import CryptoSuite
import WireFormat

extension CipherSuite {
  /// The parent hash that the nodes below `parent` carry (RFC 9420 §7.9).
  ///
  /// - Parameter siblingHash: the tree hash of the copath child as it was when `parent` got its key.
  func parentHash(of parent: ParentNode, siblingHash: [UInt8]) -> [UInt8] {
    var input = ByteWriter(capacity: 16 + parent.encryptionKey.count + 2 * hash.byteCount)
    input.writeVector(parent.encryptionKey)
    input.writeVector(parent.parentHash)
    input.writeVector(siblingHash)
    return hash.hash(input.bytes)
  }
}

extension RatchetTree {
  /// The nodes of a new path with their parent hashes, computed from the root downwards, and the leaf's.
  ///
  /// - Parameter keys: the new public keys, one for each step.
  mutating func parentNodes(
    for steps: [PathStep], keys: [[UInt8]]
  ) -> (nodes: [ParentNode], leafParentHash: [UInt8]) {
    precondition(steps.count == keys.count, "one key for each node of the path")
    _ = treeHash()
    var nodes: [ParentNode] = []
    var parentHash: [UInt8] = []
    for (step, key) in zip(steps, keys).reversed() {
      let node = ParentNode(encryptionKey: key, parentHash: parentHash, unmergedLeaves: [])
      nodes.append(node)
      parentHash = suite.parentHash(of: node, siblingHash: treeHash(at: step.copath))
    }
    return (nodes.reversed(), parentHash)
  }

  /// The tree hash of one node's subtree.
  func treeHash(at node: NodeIndex) -> [UInt8] {
    guard let subtree = subtree(at: node) else { preconditionFailure("the node is in the tree") }
    return subtree.treeHash(height: node.level, firstLeaf: node.firstLeaf.rawValue, suite: suite)
  }

  /// Whether every parent that is not blank was set together with exactly one node below it (RFC 9420 §7.9.2).
  func hasValidParentHashes() -> Bool {
    var isValid = true
    forEachNode { node, subtree in
      guard isValid, let parent = subtree.parentNode, let left = node.left, let right = node.right else { return }
      let matches = [(left, right), (right, left)].filter { child, sibling in
        isParentHashValid(of: parent, child: child, sibling: sibling)
      }
      if matches.count != 1 { isValid = false }
    }
    return isValid
  }

  /// Whether a node below `child` carries the hash of `parent`, and everyone else there joined later.
  private func isParentHashValid(of parent: ParentNode, child: NodeIndex, sibling: NodeIndex) -> Bool {
    let joinedLater = Set(parent.unmergedLeaves.filter { child.covers($0) }.map { NodeIndex($0) })
    let resolution = resolution(of: child)
    guard resolution.count == joinedLater.count + 1 else { return false }
    // All of those are in the resolution, for unmerged leaves have been checked before, so this is the only other one.
    guard let descendant = resolution.first(where: { !joinedLater.contains($0) }), let siblingTree = subtree(at: sibling)
    else { return false }
    guard let carried = parentHash(at: descendant) else { return false }
    let siblingHash = siblingTree.treeHash(
      excluding: parent.unmergedLeaves[...], height: sibling.level, firstLeaf: sibling.firstLeaf.rawValue, suite: suite)
    return carried == suite.parentHash(of: parent, siblingHash: siblingHash)
  }

  /// The `parent_hash` that a node carries; nil for a leaf that came by no commit.
  private func parentHash(at node: NodeIndex) -> [UInt8]? {
    switch subtree(at: node)?.content {
    case .parent(let parent): parent.parentHash
    case .leaf(let leaf): leaf.node.parentHash
    case .blank, nil: nil
    }
  }
}
