import CryptoSuite

/// The secret of one node on a path, from which its key pair and the secret of the next node follow (RFC 9420 §7.4).
struct PathSecret: Sendable {
  let secret: Secret
  let suite: CipherSuite

  /// The secret of the next node; behind the last node, the commit secret.
  var next: PathSecret { PathSecret(secret: suite.deriveSecret(secret, label: "path"), suite: suite) }

  func keyPair() throws(MLSError) -> HPKEKeyPair {
    do {
      return try suite.hpke.deriveKeyPair(ikm: suite.deriveSecret(secret, label: "node"))
    } catch {
      throw .crypto(error)
    }
  }
}

extension RatchetTree {
  /// The keys of a new member: its leaf's, and those that the path secret in its Welcome leads to
  /// (RFC 9420 §12.4.3.1).
  ///
  /// - Parameters:
  ///   - leaf: the new member's, which holds `leafKey`.
  ///   - pathSecret: of the lowest node above both leaves; nil when the commit had no path.
  ///   - committer: the leaf that made the path.
  /// - Throws: as ``derivingKeys(from:sender:keys:)``.
  func privateKeys(
    joiningAs leaf: LeafIndex, leafKey: HPKEKeyPair, pathSecret: Secret?, sharedWith committer: LeafIndex
  ) throws(MLSError) -> TreePrivateKeys {
    let keys = TreePrivateKeys(leaf: leaf, leafKey: leafKey)
    guard let pathSecret else { return keys }
    return try derivingKeys(from: pathSecret, sender: committer, keys: keys).privateKeys
  }

  /// Derives the keys from one node of a sender's path upwards, and checks each against the tree.
  ///
  /// - Parameters:
  ///   - secret: the path secret of the lowest node above both the sender and the keys' owner.
  ///   - keys: the owner's keys before; those of the path are replaced, and those of blanked nodes dropped.
  /// - Throws: `.invalidPath(.publicKeyMismatch)` when a derived key is not the one in the tree;
  ///   `.invalidPath(.noSecretForUs)` when the path does not hold that node.
  func derivingKeys(
    from secret: Secret, sender: LeafIndex, keys: TreePrivateKeys
  ) throws(MLSError) -> (commitSecret: Secret, privateKeys: TreePrivateKeys) {
    guard sender != keys.leaf, sender.rawValue < leafCount, secret.byteCount == suite.hash.byteCount else {
      throw .invalidPath(.noSecretForUs)
    }
    let start = NodeIndex.commonAncestor(sender, keys.leaf)
    let steps = filteredDirectPath(of: sender)
    guard let first = steps.firstIndex(where: { $0.node == start }) else { throw .invalidPath(.noSecretForUs) }
    var newKeys = keys
    var pathSecret = PathSecret(secret: secret, suite: suite)
    for step in steps[first...] {
      let pair = try pathSecret.keyPair()
      guard encryptionKey(at: step.node) == pair.publicKey else { throw .invalidPath(.publicKeyMismatch) }
      newKeys.set(pair, at: step.node)
      pathSecret = pathSecret.next
    }
    return (pathSecret.secret, newKeys.pruned(for: self))
  }
}
