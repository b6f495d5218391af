import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a hostile member cannot make others hold, look for, or believe.
struct BoundsTests {
  private let suite = testedSuites[0]

  @Test func `a leaf has a size that every member can keep`() throws {
    var leaf = try Client("a", suite).bundle().keyPackage.leafNode
    let room = Limits.maxLeafByteCount - leaf.encoded.count
    // The vector's length takes three bytes more when it is long.
    leaf.credential = .basic(identity: [UInt8](repeating: 1, count: room + 1 - 3))
    #expect(leaf.encoded.count == Limits.maxLeafByteCount)
    #expect(try LeafNode(decoding: leaf.encoded) == leaf)
    leaf.signature.append(0)
    let size = leaf.encoded.count
    #expect(throws: WireError.lengthOverLimit(length: size, limit: Limits.maxLeafByteCount)) {
      try LeafNode(decoding: leaf.encoded)
    }
  }

  @Test func `a tree knows its size through every change`() throws {
    var world = try World(suite, count: 6)
    func check() throws {
      let tree = world.members[0].group.state.tree
      var sum = 0
      tree.forEachNode { _, subtree in sum += subtree.content.byteCount }
      #expect(tree.root.byteCount == sum)
      // What frames the nodes is all that the encoding has besides.
      let encoded = tree.encodedNodes.count
      #expect(sum < encoded && encoded < sum + 12 * 2 * tree.leafCount)
    }
    try check()
    try world.commit(CommitPlan(removes: [LeafIndex(2)]), by: 0)
    try check()
    try world.add([Client("late", suite)], by: 1, path: false)
    try check()
  }

  @Test func `a key that looks like another one costs nobody anything`() throws {
    var world = try World(suite, count: 4)
    let copied = world.members[2].group.ownLeafNode.encryptionKey
    let client = Client("lookalike", suite)
    // Nobody proves that a leaf's key is its own, so its last bytes can be anybody's.
    let package = try client.bundle().keyPackage.forged(by: client) {
      $0.leafNode.encryptionKey = $0.leafNode.encryptionKey.prefix(24) + copied.suffix(8)
    }
    try world.commit(CommitPlan(adds: [package]), by: 0)
    #expect(world.members.allSatisfy { $0.group.state.tree.keys.isExact })
  }

  @Test func `workers who leave work out verify nothing`() throws {
    struct Lazy: Workers {
      let parts: @Sendable (Int) -> [Int]
      func perform(_ count: Int, _ work: @Sendable (Int) -> Void) { for part in parts(count) { work(part) } }
    }
    let world = try World(suite, count: 70)
    let group = world.members[0].group
    let tree = group.state.tree
    for parts: @Sendable (Int) -> [Int] in [{ _ in [] }, { _ in [0] }, { _ in [0, 0] }, { _ in [1, 2] }] {
      #expect(throws: MLSError.invalidSignature(.leafNode)) {
        try tree.verifySignatures(groupID: group.groupID, workers: Lazy(parts: parts))
      }
    }
    try tree.verifySignatures(groupID: group.groupID, workers: Lazy { Array((0..<$0).reversed()) + [0, 9] })
  }

  @Test func `a message that was read while one's own commit was under way stays read`() throws {
    var world = try World(suite, count: 3)
    let first = try world.members[1].send([1])
    let second = try world.members[1].send([2])
    let mine = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    world.members[0].group = try #require(mine.groupIfLost)
    #expect(try world.members[0].read(first).plaintext == [1])

    world.members[0].group = mine.group.succeeding(world.members[0].group)
    #expect(throws: MLSError.replayedOrExpiredGeneration(0)) { try world.members[0].receive(first) }
    #expect(try world.members[0].read(second).plaintext == [2])
    // A state of another epoch has nothing to say about it.
    #expect(mine.group.succeeding(mine.group).archive() == mine.group.archive())

    // So it is with the epoch before.
    var others = Array(world.members[1...])
    for index in others.indices { try others[index].follow(mine) }
    let late = try others[0].send([3])
    let next = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    world.members[0].group = try #require(next.groupIfLost)
    let older = try others[1].send([4])
    #expect(try world.members[0].read(late).plaintext == [3])
    #expect(try world.members[0].read(older).plaintext == [4])
    world.members[0].group = next.group.succeeding(world.members[0].group)
    for message in [first, second, late, older] {
      #expect(throws: MLSError.self) { try world.members[0].receive(message) }
    }
  }
}
