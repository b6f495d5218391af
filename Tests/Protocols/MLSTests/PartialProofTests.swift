import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Membership proofs by themselves (draft-ietf-mls-partial, "Membership Proofs and Partial Trees").
struct PartialProofTests {
  private let suite = testedSuites[0]

  @Test(arguments: testedSuites)
  func `every member of every tree is proven, and in that tree only`(suite: CipherSuite) throws {
    var world = try World(suite, count: 1)
    var older: (proof: MembershipProof, hash: [UInt8])?
    for _ in 0..<12 {
      let group = world.members[0].group
      let tree = try PublicTree(ratchetTree: group.exportRatchetTree(), cipherSuite: suite)
      #expect(tree.treeHash == group.treeHash)
      for member in group.members {
        let proof = try tree.membershipProof(of: member.leafIndex)
        #expect(try group.membershipProof(of: member.leafIndex) == proof)
        let slice = try TreeSlice(MembershipProof(decoding: proof.encoded), of: group.treeHash, suite: suite)
        #expect(slice.leafNode == member.leafNode)
        #expect(slice.parents == group.state.tree.parents(above: member.leafIndex))
        #expect(slice.leafCount == tree.leafCount)
        if let older {
          #expect(throws: MLSError.invalidProof(.treeHash)) { try TreeSlice(proof, of: older.hash, suite: suite) }
          #expect(throws: MLSError.self) { try TreeSlice(older.proof, of: group.treeHash, suite: suite) }
        }
      }
      #expect(throws: MLSError.invalidTree(.blankLeaf)) {
        try tree.membershipProof(of: LeafIndex(UInt32(tree.leafCount)))
      }
      older = (try tree.membershipProof(of: LeafIndex(0)), group.treeHash)
      if group.memberCount == 6 {
        try world.commit(CommitPlan(removes: [LeafIndex(3)]), by: 0)
        #expect(throws: MLSError.invalidTree(.blankLeaf)) { try world.members[0].group.membershipProof(of: LeafIndex(3)) }
      }
      try world.add([Client("\(world.members.count) \(group.epoch)", suite)], by: 0, path: group.memberCount % 2 == 0)
    }
  }

  @Test func `a proof of a form that no tree has is refused`() throws {
    let world = try World(suite, count: 5)
    let group = world.members[0].group
    let good = try group.membershipProof(of: LeafIndex(2))
    func refused(_ rule: MLSError.ProofRule, _ edit: (inout MembershipProof) -> Void) {
      var proof = good
      edit(&proof)
      #expect(throws: MLSError.invalidProof(rule)) { try TreeSlice(proof, of: group.treeHash, suite: suite) }
    }
    _ = try TreeSlice(good, of: group.treeHash, suite: suite)
    for count: UInt32 in [0, 3, 7, 9, 1 << 18, 1 << 31, .max] { refused(.leafCount) { $0.leafCount = count } }
    for count: UInt32 in [4, 16, 1 << 17] { refused(.pathLength) { $0.leafCount = count } }
    for index: UInt32 in [8, 1 << 17, .max] { refused(.leafIndex) { $0.leafIndex = LeafIndex(index) } }
    refused(.leafIndex) { $0.leafCount = 1 }
    refused(.pathLength) { $0.directPathNodes.removeLast() }
    refused(.pathLength) { $0.directPathNodes = [] }
    refused(.pathLength) { $0.directPathNodes.append(nil) }
    refused(.pathLength) { $0.copathHashes.removeFirst() }
    refused(.pathLength) { $0.copathHashes.append($0.copathHashes[0]) }
    refused(.pathLength) { $0.copathHashes = [] }
    refused(.hashLength) { $0.copathHashes[1].bytes.removeLast() }
    refused(.hashLength) { $0.copathHashes[2].bytes = [] }
    refused(.nodeKind) { $0.directPathNodes[0] = nil }
    refused(.nodeKind) { $0.directPathNodes[0] = $0.directPathNodes[3] }
    refused(.nodeKind) { $0.directPathNodes[1] = $0.directPathNodes[0] }
    refused(.treeHash) { $0.leafIndex = LeafIndex(3) }
    refused(.treeHash) { $0.directPathNodes[3] = nil }
    refused(.treeHash) { $0.copathHashes[0].bytes[0] ^= 1 }
    refused(.treeHash) { $0.copathHashes.swapAt(0, 1) }
    #expect(throws: MLSError.invalidProof(.treeHash)) { try TreeSlice(good, of: [], suite: suite) }
    func unmerged(_ leaves: [UInt32]) {
      refused(.unmergedLeaves) {
        guard case .parent(var parent)? = $0.directPathNodes[3] else { return }
        parent.unmergedLeaves = leaves.map { LeafIndex($0) }
        $0.directPathNodes[3] = .parent(parent)
      }
    }
    unmerged([4, 3])
    unmerged([4, 4])
    unmerged([8])
    unmerged([.max])
    refused(.unmergedLeaves) {
      $0.directPathNodes[2] = .parent(ParentNode(encryptionKey: [1], parentHash: [], unmergedLeaves: [LeafIndex(4)]))
    }
    // As many nodes or hashes as no tree has are refused when they are read.
    var long = good
    long.directPathNodes = [Node?](repeating: nil, count: Limits.maxPathLength + 2)
    #expect(throws: WireError.self) { try MembershipProof(decoding: long.encoded) }
    long = good
    long.copathHashes = [CopathHash](repeating: CopathHash([]), count: Limits.maxPathLength + 1)
    #expect(throws: WireError.self) { try MembershipProof(decoding: long.encoded) }
  }

  @Test func `a part of the roster is proven leaf by leaf`() throws {
    var world = try MixedWorld(suite, full: 4, partial: 1)
    var group = world.partial[0].group
    #expect(group.provenMembers.map(\.leafIndex.rawValue) == [0, 4])
    for leaf in [LeafIndex(2), LeafIndex(1)] {
      let proof = try world.full[3].group.membershipProof(of: leaf)
      let (member, next) = try group.prove(proof, validator: BasicIdentities())
      #expect(member == world.full[0].group.member(at: leaf))
      group = try PartialGroup(restoring: next.archive())
    }
    #expect(group.provenMembers.map(\.leafIndex.rawValue) == [0, 1, 2, 4])
    struct Suspicious: CredentialValidator {
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { false }
      func sameIdentity(old: Credential, new: Credential) -> Bool { false }
    }
    let proof = try world.full[3].group.membershipProof(of: LeafIndex(3))
    #expect(throws: MLSError.invalidLeafNode(.credential)) { try group.prove(proof, validator: Suspicious()) }
    // The next epoch starts with who was proven by its commit.
    try world.commit(CommitPlan(), by: 2)
    #expect(world.partial[0].group.provenMembers.map(\.leafIndex.rawValue) == [2, 4])
    #expect(throws: MLSError.invalidProof(.treeHash)) {
      try world.partial[0].group.prove(proof, validator: BasicIdentities())
    }
  }

  @Test func `a group info is held to the proof of its signer`() throws {
    let world = try MixedWorld(suite, full: 3, partial: 0)
    let info = try world.full[1].group.groupInfo(signer: world.full[1].client.signer)
    guard case .groupInfo(let decoded) = try MLSMessage(decoding: info) else { throw MLSError.unexpectedMessage }
    let proof = try world.full[0].group.senderAuthenticated(info).senderMembershipProof
    func signer(_ info: GroupInfo, _ proof: MembershipProof) throws -> Member {
      try SenderAuthenticatedMessage(message: info, senderMembershipProof: proof)
        .verifiedSigner(cipherSuite: suite, validator: BasicIdentities())
    }
    #expect(try signer(decoded, proof).leafIndex == LeafIndex(1))
    let other = try world.full[0].group.membershipProof(of: LeafIndex(2))
    #expect(throws: MLSError.invalidProof(.senderIndex)) { try signer(decoded, other) }
    var changed = decoded
    changed.signer = LeafIndex(2)
    #expect(throws: MLSError.invalidSignature(.groupInfo)) { try signer(changed, other) }
    changed = decoded
    changed.groupContext.treeHash[0] ^= 1
    #expect(throws: MLSError.invalidProof(.treeHash)) { try signer(changed, proof) }
  }
}
