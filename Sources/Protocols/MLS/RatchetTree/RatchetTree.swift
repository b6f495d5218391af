import CryptoSuite

/// The public ratchet tree of a group: a complete binary tree whose leaves are the members (RFC 9420 §4.1, §7).
///
/// A value whose copies share their nodes: changing one leaf costs its path, and the tree hash is recomputed there only.
/// Nothing in here has been verified by itself; ``validate(groupID:)`` checks a tree that came from outside.
struct RatchetTree: Sendable {
  let suite: CipherSuite
  /// Levels above the leaves: the tree has room for 2^depth members.
  var depth: Int
  var root: Subtree
  var keys: KeyIndex

  /// A tree of one member at leaf 0.
  init(suite: CipherSuite, firstLeaf: LeafNode) throws(MLSError) {
    let stored = try StoredLeaf(firstLeaf)
    self.suite = suite
    depth = 0
    root = .leaf(stored)
    keys = KeyIndex()
    keys.insert(stored, at: LeafIndex(0))
  }

  init(suite: CipherSuite, depth: Int, root: Subtree, keys: KeyIndex) {
    self.suite = suite
    self.depth = depth
    self.root = root
    self.keys = keys
  }

  /// Leaves, blank ones included; a power of two.
  var leafCount: Int { 1 << depth }

  /// Leaves that are not blank.
  var memberCount: Int { Int(root.memberCount) }

  /// The tree hash of the root (RFC 9420 §7.8); keeps what it computes.
  mutating func treeHash() -> [UInt8] {
    root = root.hashed(height: depth, firstLeaf: 0, suite: suite)
    return root.treeHash(height: depth, firstLeaf: 0, suite: suite)
  }
}

// MARK: - Looking

extension RatchetTree {
  /// The member at a leaf; nil for a blank leaf and beyond the tree.
  func leaf(at index: LeafIndex) -> LeafNode? { storedLeaf(at: index)?.node }

  func storedLeaf(at index: LeafIndex) -> StoredLeaf? {
    guard index.rawValue < leafCount else { return nil }
    return root.descendant(towards: index, height: depth, level: 0).storedLeaf
  }

  /// A node with all below it; nil beyond the tree.
  func subtree(at node: NodeIndex) -> Subtree? {
    guard node.level <= depth, node.firstLeaf.rawValue < leafCount else { return nil }
    return root.descendant(towards: node.firstLeaf, height: depth, level: node.level)
  }

  /// The public key at a node; nil where it is blank.
  func encryptionKey(at node: NodeIndex) -> [UInt8]? { subtree(at: node)?.encryptionKey }

  /// All members in the order of their leaves; decodes each.
  var leaves: [(index: LeafIndex, node: LeafNode)] {
    var leaves: [(index: LeafIndex, node: LeafNode)] = []
    leaves.reserveCapacity(memberCount)
    forEachNode { node, subtree in
      if let leaf = subtree.storedLeaf { leaves.append((node.firstLeaf, leaf.node)) }
    }
    return leaves
  }

  /// Visits all nodes that are not blank, from left to right.
  func forEachNode<Failure: Error>(
    _ body: (NodeIndex, Subtree) throws(Failure) -> Void
  ) throws(Failure) {
    try Self.visit(root, height: depth, firstLeaf: 0, body)
  }

  private static func visit<Failure: Error>(
    _ subtree: Subtree, height: Int, firstLeaf: UInt32, _ body: (NodeIndex, Subtree) throws(Failure) -> Void
  ) throws(Failure) {
    if let left = subtree.left { try visit(left, height: height - 1, firstLeaf: firstLeaf, body) }
    switch subtree.content {
    case .blank: break
    case .leaf, .parent: try body(NodeIndex(above: LeafIndex(firstLeaf), level: height), subtree)
    }
    if let right = subtree.right {
      try visit(right, height: height - 1, firstLeaf: firstLeaf | 1 << UInt32(height - 1), body)
    }
  }

  /// The member who signs with this key.
  func leafIndex(ofSignatureKey key: [UInt8]) -> LeafIndex? {
    if keys.isExact {
      guard let leaf = keys.candidate(forSignatureKey: key), storedLeaf(at: leaf)?.signatureKey == key else { return nil }
      return leaf
    }
    var found: LeafIndex?
    forEachNode { node, subtree in
      if found == nil, subtree.storedLeaf?.signatureKey == key { found = node.firstLeaf }
    }
    return found
  }

  /// The node with this public key, leaf or parent.
  func node(ofEncryptionKey key: [UInt8]) -> NodeIndex? {
    if keys.isExact {
      guard let node = keys.candidate(forEncryptionKey: key), encryptionKey(at: node) == key else { return nil }
      return node
    }
    var found: NodeIndex?
    forEachNode { node, subtree in
      if found == nil, subtree.encryptionKey == key { found = node }
    }
    return found
  }

  /// Whether any node, leaf or parent, has this public key.
  func containsEncryptionKey(_ key: [UInt8]) -> Bool { node(ofEncryptionKey: key) != nil }
}

// MARK: - Changing

extension RatchetTree {
  /// The first blank leaf, which the next member will take; the tree grows when it has none (RFC 9420 §7.7, §12.1.1).
  ///
  /// - Throws: `.invalidTree(.tooLarge)` at ``Limits/maxLeafCount``.
  mutating func reserveLeaf() throws(MLSError) -> LeafIndex {
    if memberCount == leafCount {
      guard leafCount < Limits.maxLeafCount else { throw .invalidTree(.tooLarge) }
      root = .joining(root, .blank, under: nil)
      depth += 1
    }
    var index: UInt32 = 0
    var subtree = root
    for level in (0..<depth).reversed() {
      let left = subtree.leftOrBlank
      if left.memberCount == 1 << UInt32(level) {
        index |= 1 << UInt32(level)
        subtree = subtree.rightOrBlank
      } else {
        subtree = left
      }
    }
    return LeafIndex(index)
  }

  /// Adds a member at the first blank leaf, as an unmerged leaf of the parents above (RFC 9420 §12.1.1).
  mutating func addLeaf(_ leaf: LeafNode) throws(MLSError) -> LeafIndex {
    let stored = try StoredLeaf(leaf)
    let index = try reserveLeaf()
    var parents = parents(above: index)
    for level in parents.indices {
      guard var unmerged = parents[level]?.unmergedLeaves else { continue }
      unmerged.insert(index, at: unmerged.firstPosition(notBefore: index.rawValue))
      parents[level]?.unmergedLeaves = unmerged
    }
    replacePath(to: index, leaf: stored, parents: parents)
    return index
  }

  /// Replaces a member's leaf and blanks the nodes above it (RFC 9420 §12.1.2).
  ///
  /// - Throws: `.invalidTree(.blankLeaf)` where there is no member.
  mutating func updateLeaf(_ leaf: LeafNode, at index: LeafIndex) throws(MLSError) {
    guard storedLeaf(at: index) != nil else { throw .invalidTree(.blankLeaf) }
    replacePath(to: index, leaf: try StoredLeaf(leaf), parents: [ParentNode?](repeating: nil, count: depth))
  }

  /// Blanks a member's leaf and the nodes above it, and halves the tree while its right half is empty
  /// (RFC 9420 §12.1.3, §7.7). A tree keeps its last leaf's place.
  ///
  /// - Throws: `.invalidTree(.blankLeaf)` where there is no member.
  mutating func removeLeaf(at index: LeafIndex) throws(MLSError) {
    guard storedLeaf(at: index) != nil else { throw .invalidTree(.blankLeaf) }
    replacePath(to: index, leaf: nil, parents: [ParentNode?](repeating: nil, count: depth))
    while depth > 0, root.rightOrBlank.memberCount == 0 {
      root = root.leftOrBlank
      depth -= 1
    }
  }

  /// The nodes above a leaf, lowest first; nil where blank.
  func parents(above leaf: LeafIndex) -> [ParentNode?] {
    var parents = [ParentNode?](repeating: nil, count: depth)
    var subtree = root
    for level in stride(from: depth, to: 0, by: -1) {
      parents[level - 1] = subtree.parentNode
      subtree = leaf.rawValue >> UInt32(level - 1) & 1 == 1 ? subtree.rightOrBlank : subtree.leftOrBlank
    }
    return parents
  }

  /// Sets a leaf and all nodes above it, and keeps the index of keys.
  mutating func replacePath(to leaf: LeafIndex, leaf stored: StoredLeaf?, parents: [ParentNode?]) {
    precondition(parents.count == depth && leaf.rawValue < leafCount, "the path belongs to this tree")
    let oldParents = self.parents(above: leaf)
    if let old = storedLeaf(at: leaf) { keys.remove(old) }
    for (old, new) in zip(oldParents, parents) {
      if let old, old.encryptionKey != new?.encryptionKey { keys.remove(encryptionKey: old.encryptionKey) }
    }
    if let stored { keys.insert(stored, at: leaf) }
    for (level, (old, new)) in zip(oldParents, parents).enumerated() {
      if let new, new.encryptionKey != old?.encryptionKey {
        keys.insert(encryptionKey: new.encryptionKey, at: NodeIndex(above: leaf, level: level + 1))
      }
    }
    root = root.replacing(leaf, with: stored, parents: parents[...])
  }
}
