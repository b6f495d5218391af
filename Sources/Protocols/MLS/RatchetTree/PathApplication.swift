import CryptoSuite

extension RatchetTree {
  /// Merges another member's path into the tree (RFC 9420 §7.5). The proposals of the commit have been applied before,
  /// and the leaf node has been checked by itself.
  ///
  /// - Parameter sender: the sender's leaf; for somebody who joins by this path, the one that ``reserveLeaf()`` returned.
  /// - Throws: `.invalidPath` for a wrong number of nodes, for a key that is none of the suite or that occurs twice or in
  ///   the rest of the tree, and for a parent hash other than the leaf's.
  mutating func mergePath(_ path: UpdatePath, from sender: LeafIndex) throws(MLSError) {
    guard sender.rawValue < leafCount else { throw .invalidSender }
    let positions = filteredDirectPath(of: sender)
    guard positions.count == path.nodes.count else { throw .invalidPath(.wrongLength) }
    let keys = path.nodes.map(\.encryptionKey)
    var seen: Set<[UInt8]> = [path.leafNode.encryptionKey]
    for key in keys {
      guard suite.hpke.isValidPublicKey(key) else { throw .invalidPath(.invalidKey) }
      guard seen.insert(key).inserted else { throw .invalidPath(.duplicateKey) }
    }
    for key in seen {
      // What the path itself replaces may not come back either: nobody honest uses a key twice.
      guard !containsEncryptionKey(key) else { throw .invalidPath(.duplicateKey) }
    }
    let (nodes, leafParentHash) = parentNodes(for: positions, keys: keys)
    guard path.leafNode.parentHash == leafParentHash else { throw .invalidPath(.parentHash) }
    try setPath(of: sender, leafNode: path.leafNode, positions: positions, nodes: nodes)
  }

  /// Decrypts the path secret meant for a member and derives its new keys (RFC 9420 §7.5, §7.6), after the path has been
  /// merged.
  ///
  /// - Parameters:
  ///   - keys: the member's keys before the commit; with the new leaf key when the commit holds its own Update.
  ///   - context: the provisional group context, encoded, with the hash of this tree.
  ///   - newLeaves: the members added by the same commit, to whom nothing was encrypted.
  /// - Throws: `.invalidPath` for a wrong number of ciphertexts anywhere on the path, when none is for a key of this
  ///   member, or when a derived key is not the path's; `.crypto(.notAuthentic)` when decryption fails.
  func decryptPath(
    _ path: UpdatePath, from sender: LeafIndex, as leaf: LeafIndex, privateKeys keys: TreePrivateKeys,
    context: [UInt8], excluding newLeaves: Set<LeafIndex>
  ) throws(MLSError) -> (commitSecret: Secret, privateKeys: TreePrivateKeys) {
    guard keys.leaf == leaf else { throw .invalidPath(.noSecretForUs) }
    let positions = filteredDirectPath(of: sender)
    guard positions.count == path.nodes.count else { throw .invalidPath(.wrongLength) }
    var found: (pair: HPKEKeyPair, ciphertext: HPKECiphertext)?
    for (position, node) in zip(positions, path.nodes) {
      let recipients = recipients(of: position, excluding: newLeaves)
      guard recipients.count == node.encryptedPathSecrets.count else { throw .invalidPath(.wrongCiphertextCount) }
      guard found == nil, position.copath.covers(leaf) else { continue }
      for (recipient, ciphertext) in zip(recipients, node.encryptedPathSecrets) where recipient.covers(leaf) {
        // Both a node above and, where unmerged, one's own leaf can be listed; the key is known of one only.
        guard let pair = keys[recipient], pair.publicKey == encryptionKey(at: recipient) else { continue }
        found = (pair, ciphertext)
      }
    }
    guard let found else { throw .invalidPath(.noSecretForUs) }
    return try derivingKeys(from: try decrypt(found.ciphertext, with: found.pair, context), sender: sender, keys: keys)
  }

  private func decrypt(
    _ ciphertext: HPKECiphertext, with pair: HPKEKeyPair, _ context: [UInt8]
  ) throws(MLSError) -> Secret {
    do {
      return try suite.decryptSecretWithLabel(
        keyPair: pair, label: "UpdatePathNode", context: context, ciphertext: ciphertext)
    } catch {
      throw .crypto(error)
    }
  }
}
