import CryptoSuite

/// A path that its own maker has put into the tree, to be encrypted to the others once the context with the tree's new
/// hash is known (RFC 9420 §7.5).
struct OutgoingPath: Sendable {
  struct Step: Sendable {
    let node: NodeIndex
    let publicKey: [UInt8]
    let secret: Secret
    /// The keys to encrypt the secret to.
    let recipients: [[UInt8]]
  }

  let suite: CipherSuite
  let leaf: LeafIndex
  /// The new leaf, signed.
  let leafNode: LeafNode
  let steps: [Step]
  /// The keys of the maker in the new tree.
  let privateKeys: TreePrivateKeys
  let commitSecret: Secret

  /// The path secret for a member added by the same commit: that of the lowest node above both (RFC 9420 §12.4.3.1).
  func pathSecret(for newMember: LeafIndex) -> Secret? {
    let ancestor = NodeIndex.commonAncestor(leaf, newMember)
    return steps.first { $0.node == ancestor }?.secret
  }

  /// Encrypts the path secrets to their recipients (RFC 9420 §7.6).
  ///
  /// - Parameter context: the provisional group context, encoded, with the hash of the new tree.
  func encrypt(context: [UInt8]) throws(MLSError) -> UpdatePath {
    let prepared = suite.prepareEncryption(label: "UpdatePathNode", context: context)
    var nodes: [UpdatePathNode] = []
    for step in steps {
      let ciphertexts = try encrypt(step.secret, to: step.recipients, prepared)
      nodes.append(UpdatePathNode(encryptionKey: step.publicKey, encryptedPathSecrets: ciphertexts))
    }
    return UpdatePath(leafNode: leafNode, nodes: nodes)
  }

  private func encrypt(
    _ secret: Secret, to recipients: [[UInt8]], _ prepared: HPKEInfo
  ) throws(MLSError) -> [HPKECiphertext] {
    var ciphertexts: [HPKECiphertext] = []
    ciphertexts.reserveCapacity(recipients.count)
    do {
      for publicKey in recipients {
        ciphertexts.append(try suite.encrypt(secret, to: publicKey, prepared: prepared))
      }
    } catch {
      throw .crypto(error)
    }
    return ciphertexts
  }
}

extension RatchetTree {
  /// Gives a member a new leaf and new keys on its filtered direct path, and blanks the rest of its direct path
  /// (RFC 9420 §7.4, §7.5). The proposals of the commit have been applied before.
  ///
  /// - Parameters:
  ///   - leaf: the maker's leaf; for somebody who joins by this path, one that ``reserveLeaf()`` returned.
  ///   - newLeaves: the members added by the same commit, who get their secrets in the Welcome instead.
  ///   - random: where the leaf's key pair and the first path secret come from.
  ///   - makeLeaf: makes the signed leaf from its encryption key and parent hash.
  mutating func makePath(
    from leaf: LeafIndex, excluding newLeaves: Set<LeafIndex>, random: any RandomSource = SystemRandom(),
    makeLeaf: (_ encryptionKey: [UInt8], _ parentHash: [UInt8]) throws(MLSError) -> LeafNode
  ) throws(MLSError) -> OutgoingPath {
    let positions = filteredDirectPath(of: leaf)
    let leafKey = suite.hpke.generateKeyPair(using: random)
    var privateKeys = TreePrivateKeys(leaf: leaf, leafKey: leafKey)
    var pathSecret = PathSecret(secret: Secret(randomByteCount: suite.hash.byteCount, using: random), suite: suite)
    var steps: [OutgoingPath.Step] = []
    for position in positions {
      let pair = try pathSecret.keyPair()
      privateKeys.set(pair, at: position.node)
      let recipients = recipients(of: position, excluding: newLeaves).compactMap { encryptionKey(at: $0) }
      steps.append(
        OutgoingPath.Step(
          node: position.node, publicKey: pair.publicKey, secret: pathSecret.secret, recipients: recipients))
      pathSecret = pathSecret.next
    }
    let (nodes, leafParentHash) = parentNodes(for: positions, keys: steps.map(\.publicKey))
    let leafNode = try makeLeaf(leafKey.publicKey, leafParentHash)
    try setPath(of: leaf, leafNode: leafNode, positions: positions, nodes: nodes)
    return OutgoingPath(
      suite: suite, leaf: leaf, leafNode: leafNode, steps: steps, privateKeys: privateKeys,
      commitSecret: pathSecret.secret)
  }

  /// Puts a leaf and its filtered path into the tree and blanks the rest of the direct path.
  mutating func setPath(
    of leaf: LeafIndex, leafNode: LeafNode, positions: [PathStep], nodes: [ParentNode]
  ) throws(MLSError) {
    var parents = [ParentNode?](repeating: nil, count: depth)
    for (position, node) in zip(positions, nodes) { parents[position.node.level - 1] = node }
    replacePath(to: leaf, leaf: try StoredLeaf(leafNode), parents: parents)
    _ = treeHash()
  }
}
