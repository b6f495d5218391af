import CryptoSuite

extension RatchetTree {
  /// Checks everything about a tree from outside that does not depend on the rest of a group's state: unmerged leaves,
  /// distinct and valid keys, parent hashes, and every leaf's signature (RFC 9420 §7.3, §7.9.2, §12.4.3.1).
  ///
  /// The caller compares the tree hash and judges the credentials and capabilities of the leaves.
  ///
  /// - Throws: `.invalidTree`, `.invalidLeafNode` for keys that two members share, `.invalidSignature(.leafNode)`.
  mutating func validate(groupID: [UInt8]) throws(MLSError) {
    _ = treeHash()
    // First, for the parent hashes rely on unmerged leaves that are really there.
    try validateUnmergedLeaves()
    try validateKeys()
    guard hasValidParentHashes() else { throw .invalidTree(.parentHash) }
    try verifySignatures(groupID: groupID)
  }

  /// Each entry is a member below its node, in rising order, and every parent on the way there lists it too.
  func validateUnmergedLeaves() throws(MLSError) {
    try forEachNode { (node, subtree) throws(MLSError) in
      guard let parent = subtree.parentNode else { return }
      var previous: LeafIndex?
      for leaf in parent.unmergedLeaves {
        if let previous, previous >= leaf { throw .invalidTree(.unmergedLeaves) }
        previous = leaf
        // A leaf beyond the tree could alias another one once doubled to a node's index.
        guard leaf.rawValue < leafCount, node.covers(leaf) else { throw .invalidTree(.unmergedLeaves) }
        guard Self.lists(leaf, subtree: subtree, height: node.level) else { throw .invalidTree(.unmergedLeaves) }
      }
    }
  }

  private static func lists(_ leaf: LeafIndex, subtree: Subtree, height: Int) -> Bool {
    var subtree = subtree
    for level in (0..<height).reversed() {
      subtree = leaf.rawValue >> UInt32(level) & 1 == 1 ? subtree.rightOrBlank : subtree.leftOrBlank
      // A list that is not in order can mislead this search, and is refused itself.
      if let parent = subtree.parentNode, !parent.unmergedLeaves.containsSorted(leaf) { return false }
    }
    return subtree.storedLeaf != nil
  }

  /// Every public key belongs to one node only, and every parent's is a key of the suite.
  func validateKeys() throws(MLSError) {
    var encryptionKeys: Set<[UInt8]> = []
    var signatureKeys: Set<[UInt8]> = []
    encryptionKeys.reserveCapacity(2 * memberCount)
    signatureKeys.reserveCapacity(memberCount)
    try forEachNode { (_, subtree) throws(MLSError) in
      switch subtree.content {
      case .blank: break
      case .leaf(let leaf):
        let keys = leaf.keys
        guard suite.hpke.isValidPublicKey(keys.encryption) else { throw .invalidLeafNode(.invalidKey) }
        guard encryptionKeys.insert(keys.encryption).inserted else { throw .invalidLeafNode(.duplicateEncryptionKey) }
        guard signatureKeys.insert(keys.signature).inserted else { throw .invalidLeafNode(.duplicateSignatureKey) }
      case .parent(let parent):
        guard suite.hpke.isValidPublicKey(parent.encryptionKey) else { throw .invalidTree(.invalidKey) }
        guard encryptionKeys.insert(parent.encryptionKey).inserted else { throw .invalidTree(.duplicateKey) }
      }
    }
  }

  /// Verifies the signature of every leaf: most of what joining a large group costs.
  func verifySignatures(groupID: [UInt8]) throws(MLSError) {
    try forEachNode { (node, subtree) throws(MLSError) in
      guard let leaf = subtree.storedLeaf?.node else { return }
      let isValid = suite.verifyWithLabel(
        publicKey: leaf.signatureKey, label: "LeafNodeTBS",
        content: leaf.toBeSigned(groupID: groupID, leafIndex: node.firstLeaf), signature: leaf.signature)
      guard isValid else { throw .invalidSignature(.leafNode) }
    }
  }
}
