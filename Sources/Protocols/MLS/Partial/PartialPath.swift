import CryptoSuite

/// A commit's path for somebody who has no tree: the committer's slice says where each key stands, the receiver's which
/// of its own keys to use (draft-ietf-mls-partial, "Annotated Commit").
extension TreeSlice {
  /// Checks that this slice, of the committer after the commit, is what the path makes: the same leaf, and above it the
  /// path's keys and nothing else, under the parent hashes that the leaf is signed with (RFC 9420 §7.5, §7.9).
  ///
  /// With this the committer's own signature covers the slice; without, only the confirmation tag would.
  func check(_ path: UpdatePath, suite: CipherSuite) throws(MLSError) {
    guard leafNode == path.leafNode else { throw .invalidProof(.senderLeaf) }
    let nodes = parents.compactMap { $0 }
    guard nodes.count == path.nodes.count else { throw .invalidPath(.wrongLength) }
    var seen: Set<[UInt8]> = [leafNode.encryptionKey]
    for (node, sent) in zip(nodes, path.nodes) {
      guard node.encryptionKey == sent.encryptionKey, node.unmergedLeaves.isEmpty else {
        throw .invalidPath(.publicKeyMismatch)
      }
      guard suite.hpke.isValidPublicKey(sent.encryptionKey) else { throw .invalidPath(.invalidKey) }
      guard seen.insert(sent.encryptionKey).inserted else { throw .invalidPath(.duplicateKey) }
    }
    var parentHash: [UInt8] = []
    for (parent, sibling) in zip(parents, copathHashes).reversed() {
      guard let parent else { continue }
      guard parent.parentHash == parentHash else { throw .invalidPath(.parentHash) }
      parentHash = suite.parentHash(of: parent, siblingHash: sibling)
    }
    guard leafNode.parentHash == parentHash else { throw .invalidPath(.parentHash) }
  }

  /// Decrypts the path secret meant for the member whose slice this is.
  ///
  /// - Parameters:
  ///   - sender: the committer's slice of the same tree; ``check(_:suite:)`` has passed.
  ///   - keys: the member's keys before the commit; with the new leaf key when the commit holds its own Update.
  ///   - context: the provisional group context, encoded.
  /// - Returns: the secret, and the level of the node that it belongs to.
  /// - Throws: `.invalidPath(.noSecretForUs)` when the path, or our own keys, have nothing there.
  func openPath(
    _ path: UpdatePath, from sender: TreeSlice, resolutionIndex: UInt32, keys: TreePrivateKeys, context: [UInt8],
    suite: CipherSuite
  ) throws(MLSError) -> (secret: Secret, level: Int) {
    guard sender.leafIndex != leafIndex, sender.depth == depth else { throw .invalidPath(.noSecretForUs) }
    let level = NodeIndex.commonAncestor(sender.leafIndex, leafIndex).level
    guard level <= depth, sender.parents[level - 1] != nil else { throw .invalidPath(.noSecretForUs) }
    let position = sender.parents[..<(level - 1)].reduce(0) { $1 == nil ? $0 : $0 + 1 }
    guard position < path.nodes.count else { throw .invalidPath(.wrongLength) }
    let ciphertexts = path.nodes[position].encryptedPathSecrets
    guard resolutionIndex < UInt32(clamping: ciphertexts.count) else { throw .invalidProof(.resolutionIndex) }
    let recipient = recipient(below: level)
    guard let pair = keys[recipient], pair.publicKey == encryptionKey(at: recipient) else {
      throw .invalidPath(.noSecretForUs)
    }
    do {
      let secret = try suite.decryptSecretWithLabel(
        keyPair: pair, label: "UpdatePathNode", context: context, ciphertext: ciphertexts[Int(resolutionIndex)])
      return (secret, level)
    } catch {
      throw .crypto(error)
    }
  }

  /// The node of this path that stands for the member in the resolution of the node right below `level`: the highest
  /// that is not blank. Its key is unknown to a member who joined after the node got it; such a member is addressed by
  /// its leaf (RFC 9420 §4.1.1), which the draft does not say.
  private func recipient(below level: Int) -> NodeIndex {
    for level in stride(from: level - 1, to: 0, by: -1) {
      guard let parent = parents[level - 1] else { continue }
      return parent.unmergedLeaves.containsSorted(leafIndex) ? NodeIndex(leafIndex) : node(atLevel: level)
    }
    return NodeIndex(leafIndex)
  }

  /// Derives the keys from one node of this path upwards, and checks each against the slice (RFC 9420 §7.4).
  ///
  /// - Parameters:
  ///   - secret: the path secret of the node at `level`.
  ///   - keys: those before; of the nodes that were blanked or got other keys, they are dropped.
  /// - Returns: behind the root's secret, the commit secret.
  func derivingKeys(
    from secret: Secret, level: Int, keys: TreePrivateKeys, suite: CipherSuite
  ) throws(MLSError) -> (commitSecret: Secret, privateKeys: TreePrivateKeys) {
    guard level > 0, level <= depth, parents[level - 1] != nil, secret.byteCount == suite.hash.byteCount
    else { throw .invalidPath(.noSecretForUs) }
    var newKeys = keys
    var pathSecret = PathSecret(secret: secret, suite: suite)
    for level in level...depth {
      guard let parent = parents[level - 1] else { continue }
      let pair = try pathSecret.keyPair()
      guard pair.publicKey == parent.encryptionKey else { throw .invalidPath(.publicKeyMismatch) }
      newKeys.set(pair, at: node(atLevel: level))
      pathSecret = pathSecret.next
    }
    return (pathSecret.secret, newKeys.pruned { encryptionKey(at: $0) })
  }
}
