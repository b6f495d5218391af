import CryptoSuite
import Synchronization

extension RatchetTree {
  /// Checks everything about a tree from outside that does not depend on the rest of a group's state: unmerged leaves,
  /// distinct keys, parent hashes, and every leaf's signature (RFC 9420 §7.3, §7.9.2, §12.4.3.1).
  ///
  /// The caller compares the tree hash and judges each leaf by itself (``LeafRequirements``).
  ///
  /// - Parameter leaves: of this tree, where they have been decoded already.
  /// - Throws: `.invalidTree`, `.invalidLeafNode` for keys that two members share, `.invalidSignature(.leafNode)`.
  mutating func validate(
    _ leaves: [(index: LeafIndex, node: LeafNode)]? = nil, groupID: [UInt8], workers: any Workers = CallingThread()
  ) throws(MLSError) {
    _ = treeHash()
    // First, for the parent hashes rely on unmerged leaves that are really there.
    try validateUnmergedLeaves()
    try validateKeys()
    guard hasValidParentHashes() else { throw .invalidTree(.parentHash) }
    try verifySignatures(leaves ?? self.leaves, groupID: groupID, workers: workers)
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

  /// Every public key belongs to one node only, and every parent's is a key of the suite; a leaf's is judged with the leaf.
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
        guard encryptionKeys.insert(keys.encryption).inserted else { throw .invalidLeafNode(.duplicateEncryptionKey) }
        guard signatureKeys.insert(keys.signature).inserted else { throw .invalidLeafNode(.duplicateSignatureKey) }
      case .parent(let parent):
        guard suite.hpke.isValidPublicKey(parent.encryptionKey) else { throw .invalidTree(.invalidKey) }
        guard encryptionKeys.insert(parent.encryptionKey).inserted else { throw .invalidTree(.duplicateKey) }
      }
    }
  }

  /// Verifies the signature of every leaf: nine tenths of what joining a large group costs, so the workers share it.
  func verifySignatures(
    _ leaves: [(index: LeafIndex, node: LeafNode)], groupID: [UInt8], workers: any Workers = CallingThread()
  ) throws(MLSError) {
    // A part takes milliseconds: far more than handing it out, far less than all of them.
    let partSize = 64
    let partCount = (leaves.count + partSize - 1) / partSize
    let isValid = Atomic(true)
    // Marked when all its signatures were found good: workers who leave a part out, or do one twice instead, verify nothing.
    let verified = Mutex([Bool](repeating: false, count: partCount))
    workers.perform(partCount) { part in
      guard (0..<partCount).contains(part) else { return }
      let start = part * partSize
      for leaf in leaves[start..<min(start + partSize, leaves.count)] {
        guard isValid.load(ordering: .relaxed) else { return }
        guard hasValidSignature(leaf.node, at: leaf.index, groupID: groupID) else {
          return isValid.store(false, ordering: .relaxed)
        }
      }
      verified.withLock { $0[part] = true }
    }
    guard verified.withLock({ $0.allSatisfy { $0 } }) else { throw .invalidSignature(.leafNode) }
  }

  private func hasValidSignature(_ leaf: LeafNode, at index: LeafIndex, groupID: [UInt8]) -> Bool {
    suite.verifyWithLabel(
      publicKey: leaf.signatureKey, label: "LeafNodeTBS",
      content: leaf.toBeSigned(groupID: groupID, leafIndex: index), signature: leaf.signature)
  }
}
