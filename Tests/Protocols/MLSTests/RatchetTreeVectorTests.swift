import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

struct RatchetTreeVectorTests {
  private struct MathCase: Decodable {
    var n_leaves, n_nodes, root: UInt32
    var left, right, parent, sibling: [UInt32?]
  }

  @Test func `node positions agree with the published vectors`() throws {
    let file = "mls/tree-math.json"
    guard let cases = try Vectors.load(file, as: [MathCase].self) else { return }
    var counter = CaseCounter(file)
    for item in cases {
      let depth = item.n_leaves.trailingZeroBitCount
      #expect(NodeIndex.root(depth: depth).rawValue == item.root)
      #expect(item.n_nodes == 2 * item.n_leaves - 1)
      for node in 0..<item.n_nodes {
        let index = NodeIndex(rawValue: node)
        #expect(index.left?.rawValue == item.left[Int(node)])
        #expect(index.right?.rawValue == item.right[Int(node)])
        #expect(index.parent(depth: depth)?.rawValue == item.parent[Int(node)])
        #expect(index.sibling(depth: depth)?.rawValue == item.sibling[Int(node)])
      }
      counter.run()
    }
    counter.report()
  }

  private struct OperationCase: SuiteCase {
    var cipher_suite: UInt16
    var proposal, tree_before, tree_hash_before, tree_after, tree_hash_after: HexBytes
    var proposal_sender: UInt32
  }

  @Test func `proposals change the tree as published`() throws {
    try runVectors("mls/tree-operations.json", as: OperationCase.self) { item, suite in
      var tree = try RatchetTree(decoding: item.tree_before.bytes, suite: suite)
      #expect(tree.treeHash() == item.tree_hash_before.bytes)
      switch try Proposal(decoding: item.proposal.bytes) {
      case .add(let keyPackage): _ = try tree.addLeaf(keyPackage.leafNode)
      case .update(let leafNode): try tree.updateLeaf(leafNode, at: LeafIndex(item.proposal_sender))
      case .remove(let leaf): try tree.removeLeaf(at: leaf)
      default: Issue.record("a proposal that does not change the tree")
      }
      #expect(tree.encodedNodes == item.tree_after.bytes)
      #expect(tree.treeHash() == item.tree_hash_after.bytes)
    }
  }

  private struct ValidationCase: SuiteCase {
    var cipher_suite: UInt16
    var tree, group_id: HexBytes
    var tree_hashes: [HexBytes]
    var resolutions: [[UInt32]]
  }

  @Test(arguments: vectorFiles("tree-validation"))
  func `published trees are valid, with the published hashes and resolutions`(file: String) throws {
    try runVectors(file, as: ValidationCase.self) { item, suite in
      var tree = try RatchetTree(decoding: item.tree.bytes, suite: suite)
      for (position, (hash, resolution)) in zip(item.tree_hashes, item.resolutions).enumerated() {
        let node = NodeIndex(rawValue: UInt32(position))
        #expect(tree.treeHash(at: node) == hash.bytes)
        #expect(tree.resolution(of: node).map(\.rawValue) == resolution)
      }
      try tree.validate(groupID: item.group_id.bytes)
      #expect(tree.encodedNodes == item.tree.bytes)
    }
  }

  private struct PathCase: SuiteCase {
    struct PrivateLeaf: Decodable {
      struct Secret: Decodable {
        var node: UInt32
        var path_secret: HexBytes
      }
      var index: UInt32
      var encryption_priv, signature_priv: HexBytes
      var path_secrets: [Secret]
    }
    struct Update: Decodable {
      var sender: UInt32
      var update_path, tree_hash_after, commit_secret: HexBytes
      var path_secrets: [HexBytes?]
    }
    var cipher_suite: UInt16
    var group_id, confirmed_transcript_hash, ratchet_tree: HexBytes
    var epoch: UInt64
    var leaves_private: [PrivateLeaf]
    var update_paths: [Update]
  }

  @Test(arguments: vectorFiles("treekem"))
  func `published paths are merged and decrypted by every member, and our own likewise`(file: String) throws {
    try runVectors(file, as: PathCase.self) { item, suite in
      let tree = try RatchetTree(decoding: item.ratchet_tree.bytes, suite: suite)
      var members: [LeafIndex: (keys: TreePrivateKeys, signer: SigningKey)] = [:]
      for leaf in item.leaves_private {
        let index = LeafIndex(leaf.index)
        let leafKey = try keyPair(Secret(leaf.encryption_priv.bytes), suite)
        var keys = TreePrivateKeys(leaf: index, leafKey: leafKey)
        for secret in leaf.path_secrets {
          let pair = try PathSecret(secret: Secret(secret.path_secret.bytes), suite: suite).keyPair()
          #expect(tree.encryptionKey(at: NodeIndex(rawValue: secret.node)) == pair.publicKey)
          keys.set(pair, at: NodeIndex(rawValue: secret.node))
        }
        #expect(keys.pruned(for: tree) == keys)
        members[index] = (keys, try SigningKey(suite.signature, privateKey: Secret(leaf.signature_priv.bytes)))
      }
      func context(_ treeHash: [UInt8]) -> [UInt8] {
        GroupContext(
          cipherSuite: item.cipher_suite, groupID: item.group_id.bytes, epoch: item.epoch, treeHash: treeHash,
          confirmedTranscriptHash: item.confirmed_transcript_hash.bytes, extensions: []
        ).encoded
      }

      for update in item.update_paths {
        let sender = LeafIndex(update.sender)
        let path = try UpdatePath(decoding: update.update_path.bytes)
        var after = tree
        try after.mergePath(path, from: sender)
        #expect(after.treeHash() == update.tree_hash_after.bytes)
        try after.validate(groupID: item.group_id.bytes)
        for (index, member) in members where index != sender {
          let (commitSecret, keys) = try after.decryptPath(
            path, from: sender, as: index, privateKeys: member.keys, context: context(update.tree_hash_after.bytes),
            excluding: [])
          #expect(commitSecret == Secret(update.commit_secret.bytes))
          let expected = try #require(update.path_secrets[Int(index.rawValue)])
          let pair = try PathSecret(secret: Secret(expected.bytes), suite: suite).keyPair()
          #expect(keys[NodeIndex.commonAncestor(sender, index)] == pair)
        }

        // The same with a path of our own.
        let signer = try #require(members[sender]?.signer)
        let old = try #require(tree.leaf(at: sender))
        var ours = tree
        let made = try ours.makePath(from: sender, excluding: []) { (encryptionKey, parentHash) throws(MLSError) in
          try LeafNode(
            encryptionKey: encryptionKey, parameters: LeafParameters(old), source: .commit(parentHash: parentHash),
            groupID: item.group_id.bytes, leafIndex: sender, signer: signer, suite: suite)
        }
        let ourContext = context(ours.treeHash())
        let sent = try made.encrypt(context: ourContext)
        var theirs = tree
        try theirs.mergePath(try UpdatePath(decoding: sent.encoded), from: sender)
        #expect(theirs.treeHash() == ours.treeHash())
        try theirs.validate(groupID: item.group_id.bytes)
        for (index, member) in members where index != sender {
          let received = try theirs.decryptPath(
            sent, from: sender, as: index, privateKeys: member.keys, context: ourContext, excluding: [])
          #expect(received.commitSecret == made.commitSecret)
        }
      }
    }
  }

  private func keyPair(_ secret: Secret, _ suite: CipherSuite) throws -> HPKEKeyPair {
    HPKEKeyPair(privateKey: secret, publicKey: try suite.hpke.publicKey(for: secret))
  }
}
