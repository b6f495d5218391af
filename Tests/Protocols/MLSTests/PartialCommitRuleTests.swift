import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Commits whose annotations or content a partial member refuses, made by members with real keys.
struct PartialCommitRuleTests {
  private let suite = testedSuites[0]
  private let validator = BasicIdentities()

  @Test(arguments: [true, false])
  func `a commit is held to its annotations`(encrypt: Bool) throws {
    // Two partial members beside each other below the root's other half, so that several ciphertexts are for one node.
    var world = try MixedWorld(suite, full: 4, partial: 4)
    try world.commit(CommitPlan(removes: [world.partial[3].group.ownLeafIndex]))
    let group = world.partial[0].group
    let before = world.full[0].group
    let plan = CommitPlan(encrypt: encrypt)
    let commit = try before.commit(plan, signer: world.full[0].client.signer, validator: validator)
    let annotator = try before.annotator(for: commit.message, commit)
    let good = try annotator.annotated(for: group.ownLeafIndex)
    let after = commit.group
    func refused(_ expected: MLSError, _ edit: (inout AnnotatedCommit) throws -> Void) throws {
      var changed = good
      try edit(&changed)
      #expect(throws: expected) { try group.process(annotatedCommit: changed.encoded, allowsExternal: true, validator: validator) }
    }
    _ = try group.process(annotatedCommit: good.encoded, allowsExternal: true, validator: validator)

    // The proof of the sender before.
    try refused(.invalidProof(.missing)) { $0.senderMembershipProof = nil }
    try refused(.invalidProof(.senderIndex)) { $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(1)) }
    try refused(.invalidProof(.treeHash)) { $0.senderMembershipProof = try after.membershipProof(of: LeafIndex(0)) }
    // The tree after.
    try refused(.invalidProof(.treeHash)) { $0.treeHashAfter[0] ^= 1 }
    try refused(.invalidProof(.treeHash)) { $0.treeHashAfter = before.treeHash }
    try refused(.invalidProof(.treeHash)) {
      $0.senderMembershipProofAfter = try before.membershipProof(of: LeafIndex(0))
    }
    try refused(.invalidProof(.senderIndex)) {
      $0.senderMembershipProofAfter = try after.membershipProof(of: LeafIndex(1))
    }
    try refused(.invalidProof(.treeHash)) {
      $0.receiverMembershipProofAfter = try before.membershipProof(of: group.ownLeafIndex)
    }
    try refused(.invalidProof(.receiverLeaf)) {
      $0.receiverMembershipProofAfter = try after.membershipProof(of: world.partial[1].group.ownLeafIndex)
    }
    // The ciphertext.
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = nil }
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = 1000 }
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = .max }
    let others = try world.partial[1...].map { try annotator.annotated(for: $0.group.ownLeafIndex).resolutionIndex }
    let other = try #require(others.compactMap { $0 }.first { $0 != good.resolutionIndex })
    try refused(.crypto(.notAuthentic)) { $0.resolutionIndex = other }
    // Another commit of the same epoch has another tree.
    let rival = try before.commit(plan, signer: world.full[0].client.signer, validator: validator)
    try refused(.invalidProof(.senderLeaf)) {
      $0.treeHashAfter = rival.group.treeHash
      $0.senderMembershipProofAfter = try rival.group.membershipProof(of: LeafIndex(0))
      $0.receiverMembershipProofAfter = try rival.group.membershipProof(of: group.ownLeafIndex)
    }
    // Something else than a commit, and trailing bytes.
    let text = try world.full[0].send([1])
    try refused(.unexpectedMessage) { $0.commit = try MLSMessage(decoding: text) }
    try refused(.unexpectedMessage) { $0.commit = .keyPackage(try world.full[0].client.bundle().keyPackage) }
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try group.process(annotatedCommit: good.encoded + [0], validator: validator)
    }
    // Without its annotations it is no message for a partial member, and after it was taken it belongs to the past.
    #expect(throws: MLSError.unexpectedMessage) {
      try group.process(senderAuthenticated: world.proven(commit.message), validator: validator)
    }
    try world.follow(commit, by: 0)
    #expect(throws: MLSError.pastEpoch(group.epoch)) {
      try world.partial[0].group.process(good, validator: validator)
    }
    let next = try after.commit(plan, signer: world.full[0].client.signer, validator: validator)
    let ahead = try after.annotator(for: next.message, next).annotated(for: group.ownLeafIndex)
    #expect(throws: MLSError.futureEpoch(group.epoch + 1)) { try group.process(ahead, validator: validator) }
    // The annotator's own limits.
    #expect(throws: MLSError.ownMessage) { try annotator.annotated(for: LeafIndex(0)) }
    #expect(throws: MLSError.invalidTree(.blankLeaf)) { try annotator.annotated(for: LeafIndex(99)) }
  }

  /// Only the confirmation tag tells a false tree from the true one where no path binds it.
  @Test func `a tree hash that the committer did not mean is refused`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let before = world.full[0].group
    let group = world.partial[0].group
    func add() throws -> OutgoingCommit {
      try before.commit(
        CommitPlan(adds: [world.newClient().bundle().keyPackage], forcePath: false),
        signer: world.full[0].client.signer, validator: validator)
    }
    let (commit, rival) = (try add(), try add())
    let good = try before.annotator(for: commit.message, commit).annotated(for: group.ownLeafIndex)
    var changed = try before.annotator(for: rival.message, rival).annotated(for: group.ownLeafIndex)
    _ = try group.process(good, validator: validator)
    _ = try group.process(changed, validator: validator)
    changed.commit = good.commit
    #expect(throws: MLSError.mismatch(.confirmationTag)) { try group.process(changed, validator: validator) }
    // A resolution index where there is no path.
    changed = good
    changed.resolutionIndex = 0
    #expect(throws: MLSError.invalidProof(.resolutionIndex)) { try group.process(changed, validator: validator) }
  }

  @Test func `a commit that a member made against the rules is refused`() throws {
    let world = try MixedWorld(suite, full: 4, partial: 2)
    let group = world.partial[0].group
    let committer = world.full[1]
    let commit = try committer.group.commit(
      CommitPlan(encrypt: false), signer: committer.client.signer, validator: validator)
    let annotator = try committer.group.annotator(for: commit.message, commit)
    let good = try annotator.annotated(for: group.ownLeafIndex)
    guard case .publicMessage(let message) = good.commit, case .commit(let content) = message.content.body else {
      throw MLSError.unexpectedMessage
    }
    let path = try #require(content.path)

    /// The commit with other content, signed by the committer.
    func made(_ content: Commit, by signer: SigningKey? = nil, tag: [UInt8]? = nil) throws -> MLSMessage {
      var changed = message.content
      changed.body = .commit(content)
      var signed = try changed.sign(
        format: .publicMessage, groupContext: group.contextBytes, signer: signer ?? committer.client.signer,
        suite: suite)
      signed.auth.confirmationTag = tag ?? message.auth.confirmationTag
      return .publicMessage(
        PublicMessage(
          protecting: signed, membershipKey: group.secrets.membershipKey, groupContext: group.contextBytes,
          suite: suite))
    }
    func refused(
      _ expected: MLSError, sourceLocation: SourceLocation = #_sourceLocation, _ message: () throws -> MLSMessage
    ) throws {
      var changed = good
      changed.commit = try message()
      #expect(throws: expected, sourceLocation: sourceLocation) { try group.process(changed, validator: validator) }
    }
    _ = try group.process(good, validator: validator)
    // Framing.
    try refused(.mismatch(.membershipTag)) {
      var changed = message
      changed.membershipTag?[0] ^= 1
      return .publicMessage(changed)
    }
    try refused(.invalidSignature(.content)) { try made(content, by: world.full[2].client.signer) }
    try refused(.mismatch(.confirmationTag)) { try made(content, tag: [UInt8](repeating: 1, count: 32)) }
    try refused(.mismatch(.confirmationTag)) { try made(content, tag: []) }
    try refused(.unexpectedMessage) {
      try MLSMessage(decoding: committer.forge(.proposal(.remove(LeafIndex(2))), encrypt: false))
    }
    // Proposals.
    func with(_ proposals: [Proposal], path: UpdatePath? = path) throws -> MLSMessage {
      try made(Commit(proposals: proposals.map { .proposal($0) }, path: path))
    }
    try refused(.unknownProposal) {
      try made(Commit(proposals: [.reference(ProposalRef([1, 2]))], path: path))
    }
    try refused(.invalidProposals(.removeOfCommitter)) { try with([.remove(LeafIndex(1))]) }
    try refused(.invalidProposals(.removeOfBlankLeaf)) { try with([.remove(LeafIndex(8))]) }
    try refused(.invalidProposals(.conflictingChanges)) { try with([.remove(LeafIndex(2)), .remove(LeafIndex(2))]) }
    try refused(.invalidProposals(.updateByCommitter)) { try with([.update(committer.group.ownLeafNode)]) }
    try refused(.invalidProposals(.senderNotAllowed)) { try with([.externalInit(kemOutput: [1])]) }
    let psk = PreSharedKeyID.external(id: [1], cipherSuite: suite)
    try refused(.invalidProposals(.duplicatePreSharedKey)) { try with([.preSharedKey(psk), .preSharedKey(psk)]) }
    try refused(.invalidProposals(.preSharedKeyNonce)) {
      try with([.preSharedKey(PreSharedKeyID(key: psk.key, nonce: [1]))])
    }
    try refused(.missingPreSharedKey) { try with([.preSharedKey(psk)]) }
    try refused(.invalidProposals(.multipleGroupContextExtensions)) {
      try with([.groupContextExtensions([]), .groupContextExtensions([])])
    }
    let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])]
    try refused(.invalidExtensions) { try with([.groupContextExtensions(list + list)]) }
    try refused(.invalidLeafNode(.groupExtensionNotSupported)) {
      try with([.groupContextExtensions([Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])])])
    }
    try refused(.invalidProposals(.unsupportedType)) {
      try with([.custom(type: ProposalType(rawValue: 0xF0BB), content: [])])
    }
    let reInit = ReInit(groupID: [1], version: .mls10, cipherSuite: 1, extensions: [])
    try refused(.invalidProposals(.reInitNotAlone)) { try with([.reInit(reInit), .preSharedKey(psk)]) }
    // Without a path the annotations have no index, so give them none.
    var pathless = good
    pathless.resolutionIndex = nil
    pathless.commit = try with([.remove(LeafIndex(2))], path: nil)
    #expect(throws: MLSError.invalidProposals(.pathMissing)) { try group.process(pathless, validator: validator) }
    pathless.commit = try with([.preSharedKey(psk)], path: nil)
    #expect(throws: MLSError.invalidProof(.senderLeaf)) { try group.process(pathless, validator: validator) }
    // The path.
    func with(_ edit: (inout UpdatePath) -> Void) throws -> MLSMessage {
      var changed = path
      edit(&changed)
      return try made(Commit(proposals: [], path: changed))
    }
    try refused(.invalidPath(.wrongLength)) { try with { $0.nodes.removeLast() } }
    try refused(.invalidPath(.wrongLength)) { try with { $0.nodes.append($0.nodes[0]) } }
    try refused(.invalidPath(.publicKeyMismatch)) { try with { $0.nodes.swapAt(0, 1) } }
    try refused(.invalidProof(.resolutionIndex)) {
      try with { for index in $0.nodes.indices { $0.nodes[index].encryptedPathSecrets = [] } }
    }
    try refused(.crypto(.notAuthentic)) {
      try with { for index in $0.nodes.indices { $0.nodes[index].encryptedPathSecrets[0].ciphertext[0] ^= 1 } }
    }
    try refused(.invalidProof(.senderLeaf)) {
      try with {
        $0.leafNode.extensions = []; $0.leafNode.signature[0] ^= 1
      }
    }
  }

  /// Both proofs lead to one hash, which a malicious member made from a tree that is deeper on one side.
  @Test func `two proofs of trees of different sizes are refused although their hashes agree`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    let group = world.partial[0].group
    #expect(group.ownLeafIndex == LeafIndex(2))
    let weird = WeirdTree(left: world.full[0].group.ownLeafNode, right: group.ownLeafNode, suite)
    let commit = try world.full[0].group.commit(
      CommitPlan(adds: [world.newClient().bundle().keyPackage], forcePath: false), signer: world.full[0].client.signer,
      validator: validator)
    var annotated = try world.full[0].group.annotator(for: commit.message, commit).annotated(for: LeafIndex(2))
    annotated.treeHashAfter = weird.treeHash
    annotated.senderMembershipProofAfter = weird.shallowProof
    annotated.receiverMembershipProofAfter = weird.deepProof
    #expect(throws: MLSError.invalidProof(.differentTrees)) { try group.process(annotated, validator: validator) }
  }
}
