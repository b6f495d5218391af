import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// Trees and paths that break one rule each; all signatures in them are real.
struct RatchetTreeRefusalTests {
  private let suite = CipherSuite.mls128X25519AES128SHA256Ed25519

  /// Eight members of whom the first two have committed, so that there are parents, and a ninth who joined after that.
  private func group() throws -> TreeGroup {
    var group = try TreeGroup(suite: suite, seed: 11)
    for _ in 0..<7 {
      let (leafNode, leafKey, signer) = try group.newcomer()
      let leaf = try group.tree.addLeaf(leafNode)
      group.members[leaf] = (TreePrivateKeys(leaf: leaf, leafKey: leafKey), signer)
    }
    for sender in [LeafIndex(0), LeafIndex(5)] {
      let before = group.tree
      let made = try group.makePath(from: sender)
      let context = group.context(group.tree.treeHash())
      let sent = try made.encrypt(context: context)
      var after = before
      try after.mergePath(sent, from: sender)
      for (leaf, member) in group.members where leaf != sender {
        group.members[leaf]?.keys = try after.decryptPath(
          sent, from: sender, as: leaf, privateKeys: member.keys, context: context, excluding: []
        ).privateKeys
      }
      group.members[sender]?.keys = made.privateKeys
    }
    // An unmerged leaf below parents: leaf 2 anew.
    try group.tree.removeLeaf(at: LeafIndex(2))
    let made = try group.makePath(from: LeafIndex(3))
    group.members[LeafIndex(3)]?.keys = made.privateKeys
    let (leafNode, leafKey, signer) = try group.newcomer()
    let leaf = try group.tree.addLeaf(leafNode)
    group.members[leaf] = (TreePrivateKeys(leaf: leaf, leafKey: leafKey), signer)
    return group
  }

  /// The tree with some of its nodes changed, read back as a newcomer would.
  private func validate(_ group: TreeGroup, changing change: (inout [Node?]) throws -> Void) throws {
    var model = RatchetTreeModel(suite: suite, firstLeaf: try #require(group.tree.leaf(at: LeafIndex(0))))
    model.nodes = [Node?](repeating: nil, count: 2 * group.tree.leafCount - 1)
    group.tree.forEachNode { node, subtree in
      model.nodes[Int(node.rawValue)] =
        subtree.storedLeaf.map { .leaf($0.node) } ?? subtree.parentNode.map { .parent($0) }
    }
    try change(&model.nodes)
    var tree = try RatchetTree(decoding: model.encoded, suite: suite)
    try tree.validate(groupID: group.groupID)
  }

  private func changeParent(_ nodes: inout [Node?], _ position: Int, _ change: (inout ParentNode) -> Void) throws {
    guard case .parent(var parent) = try #require(nodes[position]) else {
      Issue.record("no parent at \(position)")
      return
    }
    change(&parent)
    nodes[position] = .parent(parent)
  }

  @Test func `the unchanged tree is accepted`() throws {
    let group = try group()
    #expect(group.tree.subtree(at: NodeIndex(rawValue: 3))?.parentNode?.unmergedLeaves == [LeafIndex(2)])
    try validate(group) { _ in }
  }

  @Test func `an unmerged leaf that is blank, elsewhere, out of order, twice or not listed below is refused`() throws {
    let group = try group()
    let wrong: [[LeafIndex]] = [
      [LeafIndex(5)], [LeafIndex(2), LeafIndex(2)], [LeafIndex(2), LeafIndex(1)], [LeafIndex(0x8000_0002)],
      [LeafIndex(2), LeafIndex(.max)],
    ]
    for unmerged in wrong {
      #expect(throws: MLSError.invalidTree(.unmergedLeaves)) {
        try validate(group) { nodes in try changeParent(&nodes, 3) { $0.unmergedLeaves = unmerged } }
      }
    }
    #expect(throws: MLSError.invalidTree(.unmergedLeaves)) {
      try validate(group) { nodes in nodes[4] = nil }
    }
    // The root lists leaf 2; the parent between them must as well.
    #expect(throws: MLSError.invalidTree(.unmergedLeaves)) {
      try validate(group) { nodes in try changeParent(&nodes, 3) { $0.unmergedLeaves = [] } }
    }
  }

  @Test func `a changed key, parent hash or unmerged list breaks the chain of parent hashes`() throws {
    let group = try group()
    let key = suite.hpke.generateKeyPair().publicKey
    for position in [3, 7] {
      #expect(throws: MLSError.invalidTree(.parentHash)) {
        try validate(group) { nodes in try changeParent(&nodes, position) { $0.encryptionKey = key } }
      }
    }
    #expect(throws: MLSError.invalidTree(.parentHash)) {
      try validate(group) { nodes in try changeParent(&nodes, 3) { $0.parentHash = [] } }
    }
    // A node that nobody set with a path.
    #expect(throws: MLSError.invalidTree(.parentHash)) {
      try validate(group) { nodes in
        nodes[13] = .parent(ParentNode(encryptionKey: key, parentHash: [], unmergedLeaves: []))
      }
    }
    // A leaf that claims to have joined after the path.
    #expect(throws: MLSError.invalidTree(.parentHash)) {
      try validate(group) { nodes in
        try changeParent(&nodes, 3) { $0.unmergedLeaves = [LeafIndex(1), LeafIndex(2)] }
        if case .parent = nodes[1] { try changeParent(&nodes, 1) { $0.unmergedLeaves = [LeafIndex(1)] } }
        try changeParent(&nodes, 7) { $0.unmergedLeaves = [LeafIndex(1), LeafIndex(2)] }
      }
    }
  }

  @Test func `a parent's key that its committer did not sign for is refused`() throws {
    // Nothing but the committer's leaf carries a parent hash here.
    var group = try TreeGroup(suite: suite, seed: 12)
    _ = try group.tree.addLeaf(group.newcomer().leafNode)
    _ = try group.makePath(from: LeafIndex(0))
    try validate(group) { _ in }
    let key = suite.hpke.generateKeyPair().publicKey
    #expect(throws: MLSError.invalidTree(.parentHash)) {
      try validate(group) { nodes in try changeParent(&nodes, 1) { $0.encryptionKey = key } }
    }
    #expect(throws: MLSError.invalidTree(.invalidKey)) {
      try validate(group) { nodes in try changeParent(&nodes, 1) { $0.encryptionKey = [1] } }
    }
  }

  @Test func `who did not get a path's secrets is listed as unmerged`() throws {
    var group = try TreeGroup(suite: suite, seed: 13)
    for _ in 0..<2 { _ = try group.tree.addLeaf(group.newcomer().leafNode) }
    let (leafNode, leafKey, signer) = try group.newcomer()
    try group.tree.removeLeaf(at: LeafIndex(2))
    let committer = try group.tree.addLeaf(leafNode)
    group.members[committer] = (TreePrivateKeys(leaf: committer, leafKey: leafKey), signer)
    _ = try group.makePath(from: committer)
    #expect(try group.tree.addLeaf(group.newcomer().leafNode) == LeafIndex(3))
    try validate(group) { nodes in try changeParent(&nodes, 3) { #expect($0.unmergedLeaves == [LeafIndex(3)]) } }
    #expect(throws: MLSError.invalidTree(.parentHash)) {
      try validate(group) { nodes in try changeParent(&nodes, 3) { $0.unmergedLeaves = [] } }
    }
  }

  @Test func `a key that two nodes share is refused`() throws {
    let group = try group()
    let key = try #require(group.tree.encryptionKey(at: NodeIndex(rawValue: 3)))
    #expect(throws: MLSError.invalidTree(.duplicateKey)) {
      try validate(group) { nodes in try changeParent(&nodes, 7) { $0.encryptionKey = key } }
    }
    let signer = try #require(group.members[LeafIndex(1)]?.signer)
    let fresh = suite.hpke.generateKeyPair().publicKey
    let twin = try TreeGroup.leafNode(fresh, .update, group.groupID, LeafIndex(6), signer, suite)
    #expect(throws: MLSError.invalidLeafNode(.duplicateSignatureKey)) {
      try validate(group) { nodes in nodes[12] = .leaf(twin) }
    }
    let other = suite.signature.generateKey()
    let sameKey = try TreeGroup.leafNode(key, .update, group.groupID, LeafIndex(0), other, suite)
    #expect(throws: (any Error).self) { try validate(group) { nodes in nodes[0] = .leaf(sameKey) } }
  }

  @Test func `a leaf signed for another group or place is refused`() throws {
    let group = try group()
    let signer = suite.signature.generateKey()
    let key = suite.hpke.generateKeyPair().publicKey
    for (groupID, index) in [([9], LeafIndex(6)), (group.groupID, LeafIndex(5))] as [([UInt8], LeafIndex)] {
      let leaf = try TreeGroup.leafNode(key, .update, groupID, index, signer, suite)
      #expect(throws: MLSError.invalidSignature(.leafNode)) {
        // In a tree without parents, so that nothing else is wrong.
        try validate(group) { nodes in
          for position in stride(from: 1, to: nodes.count, by: 2) { nodes[position] = nil }
          nodes[12] = .leaf(leaf)
        }
      }
    }
  }

  @Test func `encodings that no group can have are refused`() throws {
    let group = try group()
    func list(_ nodes: [Node?]) -> [UInt8] {
      var writer = ByteWriter()
      writer.writeVector { (writer: inout ByteWriter) in for node in nodes { writer.writeOptional(node) } }
      return writer.bytes
    }
    let leaf = Node.leaf(try #require(group.tree.leaf(at: LeafIndex(0))))
    let key = suite.hpke.generateKeyPair().publicKey
    let parent = Node.parent(ParentNode(encryptionKey: key, parentHash: [], unmergedLeaves: []))
    let refused: [([Node?], MLSError)] = [
      ([], .invalidTree(.empty)), ([nil], .invalidTree(.trailingBlank)), ([leaf, nil], .invalidTree(.trailingBlank)),
      ([leaf, nil, leaf, nil], .invalidTree(.trailingBlank)),
      // Blank at the end, though the right half of the tree has a member.
      ([leaf, nil, leaf, nil, leaf, nil], .invalidTree(.trailingBlank)), ([parent], .invalidTree(.nodeKind)),
      ([leaf, leaf], .invalidTree(.nodeKind)), ([leaf, parent], .invalidTree(.trailingBlank)),
      ([leaf, nil, nil, nil, nil, parent], .invalidTree(.parentHash)),
    ]
    for (nodes, error) in refused {
      #expect(throws: error) { try RatchetTree(decoding: list(nodes), suite: suite) }
    }
    let bytes = group.tree.encodedNodes
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try RatchetTree(decoding: bytes + [0], suite: suite)
    }
    for count in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: MLSError.self) { try RatchetTree(decoding: Array(bytes.prefix(count)), suite: suite) }
    }
  }

  @Test func `no single changed bit of a tree is accepted`() throws {
    let group = try group()
    var tree = group.tree
    let hash = tree.treeHash()
    let bytes = tree.encodedNodes
    for bit in stride(from: 0, to: bytes.count * 8, by: 11) {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      guard var decoded = try? RatchetTree(decoding: changed, suite: suite) else { continue }
      #expect(decoded.treeHash() != hash)
      // Whatever it now holds, checking it ends in an answer.
      _ = try? decoded.validate(groupID: group.groupID)
    }
  }

  // MARK: Paths

  private func path(_ change: (inout UpdatePath) throws -> Void) throws {
    var group = try group()
    let before = group.tree
    let sender = LeafIndex(3)
    let made = try group.makePath(from: sender, excluding: [])
    let context = group.context(group.tree.treeHash())
    var path = try made.encrypt(context: context)
    try change(&path)
    var after = before
    try after.mergePath(path, from: sender)
    let receiver = LeafIndex(2)
    let keys = try #require(group.members[receiver]?.keys)
    let received = try after.decryptPath(
      path, from: sender, as: receiver, privateKeys: keys, context: context, excluding: [])
    #expect(received.commitSecret == made.commitSecret)
  }

  @Test func `an unmerged member receives the path with the key of its own leaf`() throws {
    try path { _ in }
  }

  @Test func `a path with a node or a ciphertext too few or too many is refused`() throws {
    #expect(throws: MLSError.invalidPath(.wrongLength)) { try path { $0.nodes.removeLast() } }
    #expect(throws: MLSError.invalidPath(.wrongLength)) { try path { $0.nodes.append($0.nodes[0]) } }
    for position in 0..<3 {
      #expect(throws: MLSError.invalidPath(.wrongCiphertextCount)) {
        try path { $0.nodes[position].encryptedPathSecrets.removeLast() }
      }
      #expect(throws: MLSError.invalidPath(.wrongCiphertextCount)) {
        try path { $0.nodes[position].encryptedPathSecrets.append($0.nodes[0].encryptedPathSecrets[0]) }
      }
    }
  }

  @Test func `a path with a key that is none, occurs twice or is in the tree is refused`() throws {
    let known = try #require(try group().tree.encryptionKey(at: NodeIndex(rawValue: 12)))
    #expect(throws: MLSError.invalidPath(.invalidKey)) { try path { $0.nodes[1].encryptionKey.removeLast() } }
    #expect(throws: MLSError.invalidPath(.duplicateKey)) {
      try path { $0.nodes[1].encryptionKey = $0.nodes[0].encryptionKey }
    }
    #expect(throws: MLSError.invalidPath(.duplicateKey)) {
      try path { $0.nodes[1].encryptionKey = $0.leafNode.encryptionKey }
    }
    #expect(throws: MLSError.invalidPath(.duplicateKey)) { try path { $0.nodes[1].encryptionKey = known } }
  }

  @Test func `a path whose keys its leaf did not sign for is refused`() throws {
    let fresh = suite.hpke.generateKeyPair().publicKey
    for position in 0..<3 {
      #expect(throws: MLSError.invalidPath(.parentHash)) { try path { $0.nodes[position].encryptionKey = fresh } }
    }
  }

  @Test func `a path secret that does not lead to the path's keys is refused`() throws {
    var group = try group()
    let before = group.tree
    let sender = LeafIndex(3)
    let made = try group.makePath(from: sender)
    let context = group.context(group.tree.treeHash())
    // Well encrypted, for the right key, but another secret.
    let forged = OutgoingPath(
      suite: suite, leaf: sender, leafNode: made.leafNode,
      steps: made.steps.map {
        OutgoingPath.Step(
          node: $0.node, publicKey: $0.publicKey, secret: Secret(randomByteCount: 32), recipients: $0.recipients)
      }, privateKeys: made.privateKeys, commitSecret: made.commitSecret)
    let path = try forged.encrypt(context: context)
    var after = before
    try after.mergePath(path, from: sender)
    let keys = try #require(group.members[LeafIndex(2)]?.keys)
    #expect(throws: MLSError.invalidPath(.publicKeyMismatch)) {
      try after.decryptPath(path, from: sender, as: LeafIndex(2), privateKeys: keys, context: context, excluding: [])
    }
    #expect(throws: MLSError.crypto(.notAuthentic)) {
      try after.decryptPath(
        try made.encrypt(context: context), from: sender, as: LeafIndex(2), privateKeys: keys, context: context + [0],
        excluding: [])
    }
  }
}
