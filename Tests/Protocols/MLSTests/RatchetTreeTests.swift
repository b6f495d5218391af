import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// A group's tree with the private keys of all members, to play commits with.
struct TreeGroup {
  let suite: CipherSuite
  let groupID: [UInt8] = [1, 2, 3]
  var tree: RatchetTree
  var members: [LeafIndex: (keys: TreePrivateKeys, signer: SigningKey)] = [:]
  let random: SeededRandom

  init(suite: CipherSuite, seed: UInt64) throws {
    self.suite = suite
    random = SeededRandom(seed: seed)
    let signer = suite.signature.generateKey(using: random)
    let leafKey = suite.hpke.generateKeyPair(using: random)
    let leafNode = try Self.leafNode(
      leafKey.publicKey, .keyPackage(Lifetime(notBefore: 0, notAfter: .max)), [], LeafIndex(0), signer, suite)
    tree = try RatchetTree(suite: suite, firstLeaf: leafNode)
    members[LeafIndex(0)] = (TreePrivateKeys(leaf: LeafIndex(0), leafKey: leafKey), signer)
  }

  static func leafNode(
    _ encryptionKey: [UInt8], _ source: LeafNode.Source, _ groupID: [UInt8], _ index: LeafIndex,
    _ signer: SigningKey, _ suite: CipherSuite
  ) throws(MLSError) -> LeafNode {
    let parameters = LeafParameters(
      credential: .basic(identity: Array(signer.publicKey.prefix(4))),
      capabilities: Capabilities(cipherSuites: [suite.rawValue], credentials: [.basic]))
    return try LeafNode(
      encryptionKey: encryptionKey, parameters: parameters, source: source, groupID: groupID, leafIndex: index,
      signer: signer, suite: suite)
  }

  /// A new member's leaf, as in a key package.
  func newcomer() throws -> (leafNode: LeafNode, leafKey: HPKEKeyPair, signer: SigningKey) {
    let signer = suite.signature.generateKey(using: random)
    let leafKey = suite.hpke.generateKeyPair(using: random)
    let source = LeafNode.Source.keyPackage(Lifetime(notBefore: 0, notAfter: .max))
    return (try Self.leafNode(leafKey.publicKey, source, [], LeafIndex(0), signer, suite), leafKey, signer)
  }

  func context(_ treeHash: [UInt8]) -> [UInt8] {
    GroupContext(
      cipherSuite: suite.rawValue, groupID: groupID, epoch: 1, treeHash: treeHash, confirmedTranscriptHash: [],
      extensions: []
    ).encoded
  }

  mutating func makePath(from sender: LeafIndex, excluding newLeaves: Set<LeafIndex> = []) throws -> OutgoingPath {
    guard let signer = members[sender]?.signer else { throw MLSError.invalidSender }
    return try tree.makePath(from: sender, excluding: newLeaves, random: random) {
      [suite, groupID] (encryptionKey, parentHash) throws(MLSError) in
      try Self.leafNode(encryptionKey, .commit(parentHash: parentHash), groupID, sender, signer, suite)
    }
  }
}

struct RatchetTreeTests {
  private let suite = CipherSuite.mls128X25519AES128SHA256Ed25519

  @Test func `random changes leave the same tree as the slow model, and everybody the same secret`() throws {
    var random = SeededGenerator(for: "ratchet tree")
    for _ in 0..<4 {
      var group = try TreeGroup(suite: suite, seed: random.next())
      var model = RatchetTreeModel(suite: suite, firstLeaf: try #require(group.tree.leaf(at: LeafIndex(0))))
      for step in 0..<25 {
        // Proposals of one commit, then the path of a member who is neither new nor removed.
        let committer = try #require(group.members.keys.sorted().randomElement(using: &random))
        var added: Set<LeafIndex> = []
        for leaf in group.members.keys.sorted() where leaf != committer && Int.random(in: 0..<12, using: &random) == 0 {
          try group.tree.removeLeaf(at: leaf)
          model.remove(Int(leaf.rawValue))
          group.members[leaf] = nil
        }
        for _ in 0..<Int.random(in: 0...(step < 10 ? 4 : 2), using: &random) {
          let (leafNode, leafKey, signer) = try group.newcomer()
          let leaf = try group.tree.addLeaf(leafNode)
          #expect(model.add(leafNode) == Int(leaf.rawValue))
          group.members[leaf] = (TreePrivateKeys(leaf: leaf, leafKey: leafKey), signer)
          added.insert(leaf)
        }
        #expect(group.tree.encodedNodes == model.encoded)

        let before = group.tree
        let made = try group.makePath(from: committer, excluding: added)
        let steps = group.tree.filteredDirectPath(of: committer)
        model.setPath(
          of: Int(committer.rawValue), leafNode: made.leafNode,
          parents: steps.compactMap { step in
            group.tree.subtree(at: step.node)?.parentNode.map { (Int(step.node.rawValue), $0) }
          })
        #expect(group.tree.encodedNodes == model.encoded)
        #expect(group.tree.treeHash() == model.treeHash())

        let context = group.context(group.tree.treeHash())
        let sent = try made.encrypt(context: context)
        var receiving = before
        try receiving.mergePath(sent, from: committer)
        #expect(receiving.treeHash() == group.tree.treeHash())
        for (leaf, member) in group.members where leaf != committer {
          if added.contains(leaf) {
            let pathSecret: Secret = try #require(made.pathSecret(for: leaf))
            let keys = try receiving.privateKeys(
              joiningAs: leaf, leafKey: try #require(member.keys[NodeIndex(leaf)]), pathSecret: pathSecret,
              sharedWith: committer)
            group.members[leaf]?.keys = keys
          } else {
            let (secret, keys) = try receiving.decryptPath(
              sent, from: committer, as: leaf, privateKeys: member.keys.pruned(for: receiving), context: context,
              excluding: added)
            #expect(secret == made.commitSecret)
            group.members[leaf]?.keys = keys
          }
        }
        group.members[committer]?.keys = made.privateKeys
        try receiving.validate(groupID: group.groupID)

        // The index of keys and the decoder agree with the tree.
        var decoded = try RatchetTree(decoding: model.encoded, suite: suite)
        #expect(decoded.treeHash() == model.treeHash())
        #expect(decoded.leaves.map(\.index) == group.members.keys.sorted())
        for position in 0..<(2 * group.tree.leafCount - 1) {
          let node = NodeIndex(rawValue: UInt32(position))
          #expect(decoded.resolution(of: node) == model.resolution(node))
          if let key = group.tree.encryptionKey(at: node) { #expect(group.tree.node(ofEncryptionKey: key) == node) }
        }
        for leaf in decoded.leaves {
          #expect(group.tree.leafIndex(ofSignatureKey: leaf.node.signatureKey) == leaf.index)
        }
      }
    }
  }

  @Test func `a copy keeps its tree when the original changes`() throws {
    var group = try TreeGroup(suite: suite, seed: 1)
    for _ in 0..<9 { _ = try group.tree.addLeaf(try group.newcomer().leafNode) }
    var copy = group.tree
    let hash = copy.treeHash()
    let bytes = copy.encodedNodes
    try group.tree.removeLeaf(at: LeafIndex(3))
    _ = try group.makePath(from: LeafIndex(0))
    #expect(copy.treeHash() == hash)
    #expect(copy.encodedNodes == bytes)
    #expect(group.tree.treeHash() != hash)
  }

  @Test func `a change of one leaf makes new nodes on its path only`() throws {
    var group = try TreeGroup(suite: suite, seed: 2)
    for _ in 0..<63 { _ = try group.tree.addLeaf(try group.newcomer().leafNode) }
    _ = group.tree.treeHash()
    var before: Set<ObjectIdentifier> = []
    group.tree.forEachNode { _, subtree in before.insert(ObjectIdentifier(subtree)) }
    let old = group.tree
    try group.tree.updateLeaf(try group.newcomer().leafNode, at: LeafIndex(17))
    _ = group.tree.treeHash()
    var changed = 0
    group.tree.forEachNode { node, subtree in
      if !before.contains(ObjectIdentifier(subtree)) {
        changed += 1
        #expect(node.covers(LeafIndex(17)))
      }
    }
    #expect(changed == 1)
    #expect(old.memberCount == 64)
  }

  @Test func `the tree grows by doubling and shrinks when its right half empties`() throws {
    var group = try TreeGroup(suite: suite, seed: 3)
    for _ in 0..<4 { _ = try group.tree.addLeaf(try group.newcomer().leafNode) }
    #expect(group.tree.leafCount == 8)
    try group.tree.removeLeaf(at: LeafIndex(2))
    #expect(group.tree.leafCount == 8)
    #expect(try group.tree.addLeaf(try group.newcomer().leafNode) == LeafIndex(2))
    try group.tree.removeLeaf(at: LeafIndex(4))
    #expect(group.tree.leafCount == 4)
    #expect(throws: MLSError.invalidTree(.blankLeaf)) { try group.tree.removeLeaf(at: LeafIndex(4)) }
    #expect(throws: MLSError.invalidTree(.blankLeaf)) { try group.tree.removeLeaf(at: LeafIndex(.max)) }
    for leaf in [3, 2, 1] as [UInt32] { try group.tree.removeLeaf(at: LeafIndex(leaf)) }
    #expect(group.tree.leafCount == 1)
    #expect(group.tree.memberCount == 1)
  }

  @Test func `private keys survive being saved`() throws {
    var group = try TreeGroup(suite: suite, seed: 4)
    for _ in 0..<5 { _ = try group.tree.addLeaf(try group.newcomer().leafNode) }
    let keys = try group.makePath(from: LeafIndex(0)).privateKeys
    #expect(try TreePrivateKeys(decoding: keys.encoded) == keys)
  }
}
