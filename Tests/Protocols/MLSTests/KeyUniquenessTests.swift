import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Keys that one commit takes from one member and gives to another (RFC 9420 §7.3, §12.2, §16.7): each new leaf is judged
/// among the members whom its maker saw, so that no order of the proposals makes a difference.
struct KeyUniquenessTests {
  private let suite = testedSuites[0]

  /// A member's new leaf, with a key that it may share with somebody.
  private func leaf(
    of member: Participant, encryptionKey: [UInt8]? = nil, signer: SigningKey? = nil
  ) throws -> LeafNode {
    var leaf = member.group.ownLeafNode
    let signer = signer ?? member.client.signer
    leaf.encryptionKey = encryptionKey ?? suite.hpke.generateKeyPair().publicKey
    leaf.signatureKey = signer.publicKey
    leaf.source = .update
    return try leaf.signed(
      groupID: member.group.groupID, leafIndex: member.group.ownLeafIndex, by: signer, suite)
  }

  /// Member 1 refuses a commit by member 0 of these Updates, in either order, beside other proposals.
  private func refuse(
    _ expected: MLSError, updates: [(member: Int, leaf: LeafNode)], beside others: [Proposal] = [], path: UpdatePath? = nil,
    _ world: World, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var world = world
    for (member, leaf) in updates {
      try world.members[1].note(world.members[member].forge(.proposal(.update(leaf))))
    }
    let references = world.members[1].group.pendingProposals.map { ProposalOrRef.reference($0.reference) }
    #expect(references.count == updates.count, sourceLocation: sourceLocation)
    let forger = world.members[0]
    for list in [references, references.reversed()] {
      let commit = try forger.forge(list + others.map { .proposal($0) }, path: path ?? forger.path())
      world.refuse(expected, commit, sourceLocation: sourceLocation)
    }
  }

  @Test func `an Update takes no key that a member has, even if the same commit frees it`() throws {
    let world = try World(suite, count: 4)
    let (two, three) = (world.members[2], world.members[3])
    let fresh = suite.signature.generateKey()
    // They exchange their signature keys; one takes what the other gives up, or what a removed one leaves.
    let taking = try leaf(of: two, signer: three.client.signer)
    try refuse(
      .invalidLeafNode(.duplicateSignatureKey),
      updates: [(2, taking), (3, leaf(of: three, signer: two.client.signer))], world)
    try refuse(
      .invalidLeafNode(.duplicateSignatureKey), updates: [(2, taking), (3, leaf(of: three, signer: fresh))], world)
    try refuse(
      .invalidLeafNode(.duplicateSignatureKey), updates: [(2, taking)], beside: [.remove(LeafIndex(3))], world)
    // So with the keys of their leaves, and of a node above that an Update blanks.
    let (ofTwo, ofThree) = (two.group.ownLeafNode.encryptionKey, three.group.ownLeafNode.encryptionKey)
    let takingKey = try leaf(of: two, encryptionKey: ofThree)
    try refuse(
      .invalidLeafNode(.duplicateEncryptionKey), updates: [(2, takingKey), (3, leaf(of: three, encryptionKey: ofTwo))], world)
    try refuse(.invalidLeafNode(.duplicateEncryptionKey), updates: [(2, takingKey), (3, leaf(of: three))], world)
    try refuse(
      .invalidLeafNode(.duplicateEncryptionKey), updates: [(2, takingKey)], beside: [.remove(LeafIndex(3))], world)
    let above = try #require(world.members[0].group.state.tree.encryptionKey(at: NodeIndex(rawValue: 3)))
    try refuse(
      .invalidLeafNode(.duplicateEncryptionKey), updates: [(2, leaf(of: two, encryptionKey: above)), (3, leaf(of: three))], world)
  }

  @Test func `no two Updates bring the same key`() throws {
    let world = try World(suite, count: 4)
    let (two, three) = (world.members[2], world.members[3])
    let fresh = suite.signature.generateKey()
    try refuse(
      .invalidLeafNode(.duplicateSignatureKey),
      updates: [(2, leaf(of: two, signer: fresh)), (3, leaf(of: three, signer: fresh))], world)
    let key = suite.hpke.generateKeyPair().publicKey
    try refuse(
      .invalidLeafNode(.duplicateEncryptionKey),
      updates: [(2, leaf(of: two, encryptionKey: key)), (3, leaf(of: three, encryptionKey: key))], world)
  }

  @Test func `an Add takes the keys of whom the commit removes, and of nobody else`() throws {
    let world = try World(suite, count: 4)
    let two = world.members[2]
    let fresh = suite.signature.generateKey()
    let renewed = try leaf(of: two, signer: fresh)
    // With the keys that an Update gives up.
    let sameSigner = try two.client.bundle().keyPackage
    try refuse(.invalidProposals(.alreadyMember), updates: [(2, renewed)], beside: [.add(sameSigner)], world)
    let client = Client("new", suite)
    func package(_ encryptionKey: [UInt8]) throws -> KeyPackage {
      try client.bundle().keyPackage.forged(by: client) { $0.leafNode.encryptionKey = encryptionKey }
    }
    let sameKey = try package(two.group.ownLeafNode.encryptionKey)
    try refuse(.invalidLeafNode(.duplicateEncryptionKey), updates: [(2, renewed)], beside: [.add(sameKey)], world)
    // That the committer's own path gives up.
    let committer = world.members[0]
    let path = try committer.path(signer: fresh)
    let ofCommitter = try committer.client.bundle().keyPackage
    try refuse(.invalidProposals(.alreadyMember), updates: [], beside: [.add(ofCommitter)], path: path, world)
    // That an Update or another Add brings, or a parent has.
    let brings = Client("other", suite)
    var twin = brings
    twin.signer = fresh
    try refuse(.invalidProposals(.duplicateAdd), updates: [(2, renewed)], beside: [.add(twin.bundle().keyPackage)], world)
    let other = try brings.bundle().keyPackage
    try refuse(
      .invalidLeafNode(.duplicateEncryptionKey), updates: [],
      beside: [.add(other), .add(package(other.leafNode.encryptionKey))], world)
    let above = try #require(committer.group.state.tree.encryptionKey(at: NodeIndex(rawValue: 3)))
    try refuse(.invalidLeafNode(.duplicateEncryptionKey), updates: [], beside: [.add(package(above))], world)
    // Of the removed one they are free.
    for keyPackage in [sameSigner, sameKey] {
      var copy = world
      let commit = try copy.commit(CommitPlan(adds: [keyPackage], removes: [LeafIndex(2)]), by: 0)
      #expect(commit.changes.added.map(\.leafIndex) == [LeafIndex(2)])
    }
  }
}
