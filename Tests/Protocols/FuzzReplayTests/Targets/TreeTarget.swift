import CryptoSuite
import WireFormat

@testable import MLS

/// A ratchet tree from outside: the first byte chooses a leaf, the rest is the tree of the group `[1]`.
enum TreeTarget {
  private static let groupID: [UInt8] = [1]
  private static let suite = LiveGroup.suite

  /// - Returns: whether it was a valid tree.
  static func run(_ input: [UInt8]) throws(BrokenProperty) -> Bool {
    let bytes = Array(input.dropFirst())
    guard var tree = try? RatchetTree(decoding: bytes, suite: suite) else { return false }
    try BrokenProperty.unless(tree.encodedNodes == bytes, "a tree has a second encoding")
    try checkIndex(tree)
    guard (try? tree.validate(groupID: groupID)) != nil else { return false }

    // A valid tree can be worked on, and is still one that could come from outside.
    let leaf = LeafIndex(UInt32(input.first ?? 0) % UInt32(tree.leafCount))
    let hash = tree.treeHash()
    if tree.leaf(at: leaf) != nil, tree.leaves.count > 1 {
      guard (try? tree.removeLeaf(at: leaf)) != nil else { throw BrokenProperty("a member cannot be removed") }
      try checkIndex(tree)
      try checkSame(tree)
      try BrokenProperty.unless(tree.treeHash() != hash, "a tree without a member has the hash of the one with it")
    }
    return true
  }

  /// The hashes that the tree keeps are those of a tree read anew.
  private static func checkSame(_ tree: RatchetTree) throws(BrokenProperty) {
    var tree = tree
    guard var twin = try? RatchetTree(decoding: tree.encodedNodes, suite: suite) else {
      throw BrokenProperty("a changed tree cannot be read")
    }
    try BrokenProperty.unless(tree.treeHash() == twin.treeHash(), "a changed tree keeps a wrong hash")
  }

  /// Members are found by their keys, where no two have the same.
  private static func checkIndex(_ tree: RatchetTree) throws(BrokenProperty) {
    let leaves = tree.leaves
    guard Set(leaves.map(\.node.signatureKey)).count == leaves.count else { return }
    for leaf in leaves {
      try BrokenProperty.unless(tree.leafIndex(ofSignatureKey: leaf.node.signatureKey) == leaf.index, "a key names another leaf")
      try BrokenProperty.unless(tree.containsEncryptionKey(leaf.node.encryptionKey), "a key of the tree is not found")
    }
  }

  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    let clients = (0..<7).map { SeedClient("\($0)") }
    let bundles = try clients.map { try $0.bundle() }
    let created = try Group.create(
      groupID: groupID, cipherSuite: suite, leaf: clients[0].leaf, signer: clients[0].signer, validator: Anyone())
    let full = try created.commit(
      CommitPlan(adds: bundles[1..<5].map(\.keyPackage)), signer: clients[0].signer, validator: Anyone())
    // Unmerged leaves, then blanks.
    let unmerged = try full.group.commit(
      CommitPlan(adds: bundles[5...].map(\.keyPackage), forcePath: false), signer: clients[0].signer, validator: Anyone())
    let removed = try unmerged.group.commit(
      CommitPlan(removes: [LeafIndex(1), LeafIndex(6)]), signer: clients[0].signer, validator: Anyone())
    return [
      ("one", [0] + created.exportRatchetTree()), ("full", [1] + full.group.exportRatchetTree()),
      ("unmerged", [2] + unmerged.group.exportRatchetTree()), ("blanks", [4] + removed.group.exportRatchetTree()),
    ]
  }
}
