import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Messages that a partial member refuses, made by members with real keys.
struct PartialMessageRuleTests {
  private let suite = testedSuites[0]
  private let validator = BasicIdentities()

  @Test func `authenticated data is framed where the group asks for it`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    let dictionary = AppDataDictionary([.safeAAD: ComponentsList([]).encoded])
    try world.commit(CommitPlan(extensions: [dictionary.asExtension]))
    let group = world.partial[0].group
    func message(_ data: [UInt8], _ body: FramedContent.Body) throws -> [UInt8] {
      let content = FramedContent(
        groupID: group.groupID, epoch: group.epoch, sender: .member(LeafIndex(1)), authenticatedData: data, body: body)
      var signed = try content.sign(
        format: .privateMessage, groupContext: group.contextBytes, signer: world.full[1].client.signer, suite: suite)
      if case .commit = body { signed.auth.confirmationTag = [1] }
      var sender = world.full[1].group
      return try sender.protect(signed, encrypt: true, padding: 0)
    }
    let framed = SafeAAD([ComponentID(rawValue: 0x8001): [1]]).encoded
    let good = try world.proven(message(framed, .application([1])))
    let bad = try world.proven(message([1, 2, 3], .application([1])))
    _ = try group.process(senderAuthenticated: good, validator: validator)
    #expect(throws: MLSError.invalidFraming) { try group.process(senderAuthenticated: bad, validator: validator) }
    let commit = try message([1, 2, 3], .commit(Commit(proposals: [], path: nil)))
    let proof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    let annotated = AnnotatedCommit(
      commit: try MLSMessage(decoding: commit), senderMembershipProof: proof, treeHashAfter: group.treeHash,
      resolutionIndex: nil, senderMembershipProofAfter: proof, receiverMembershipProofAfter: proof)
    #expect(throws: MLSError.invalidFraming) { try group.process(annotated, validator: validator) }
    try world.commit(CommitPlan(authenticatedData: framed))
    #expect(throws: MLSError.invalidFraming) {
      try world.partial[0].group.process(senderAuthenticated: bad, validator: validator)
    }
    _ = try world.partial[0].group.process(senderAuthenticated: good, validator: validator)
  }

  @Test func `a message is held to the proof of its sender`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 2)
    let group = world.partial[0].group
    let before = world.full[0].group
    let message = try world.full[1].send([1])
    let good = try before.senderAuthenticated(message)
    guard case .privateMessage(let bare) = good.message else { throw MLSError.unexpectedMessage }
    func refused(_ expected: MLSError, _ edit: (inout SenderAuthenticatedMessage<MLSMessage>) throws -> Void) throws {
      var changed = good
      try edit(&changed)
      #expect(throws: expected) { try group.process(senderAuthenticated: changed.encoded, validator: validator) }
    }
    _ = try group.process(senderAuthenticated: good.encoded, validator: validator)
    guard
      case .application(let read, _) = try group.process(
        SenderAuthenticatedMessage(message: bare, senderMembershipProof: good.senderMembershipProof),
        validator: validator)
    else { throw MLSError.unexpectedMessage }
    #expect(read.plaintext == [1])
    try refused(.invalidProof(.senderIndex)) { $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(2)) }
    try refused(.invalidProof(.treeHash)) { $0.senderMembershipProof.copathHashes[0].bytes[0] ^= 1 }
    // A member's own leaf cannot stand for another's: index and content are both in the hash.
    try refused(.invalidProof(.treeHash)) {
      $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(2))
      $0.senderMembershipProof.leafIndex = LeafIndex(1)
    }
    try refused(.unexpectedMessage) { $0.message = .keyPackage(try world.full[0].client.bundle().keyPackage) }
    try refused(.wrongGroup) {
      var changed = bare
      changed.groupID = [1]
      $0.message = .privateMessage(changed)
    }
    try refused(.futureEpoch(group.epoch + 1)) {
      var changed = bare
      changed.epoch += 1
      $0.message = .privateMessage(changed)
    }
    let own = try before.senderAuthenticated(world.partial[0].send([2])).encoded
    #expect(throws: MLSError.ownMessage) { try group.process(senderAuthenticated: own, validator: validator) }
    // Content that another member signed.
    let foreign = try Participant(client: world.full[2].client, group: world.full[1].group).forge(.application([1]))
    #expect(throws: MLSError.invalidSignature(.content)) {
      try group.process(senderAuthenticated: before.senderAuthenticated(foreign).encoded, validator: validator)
    }
    let open = try world.full[1].forge(.application([1]), encrypt: false)
    #expect(throws: MLSError.invalidFraming) {
      try group.process(senderAuthenticated: before.senderAuthenticated(open).encoded, validator: validator)
    }
    // A credential that the application does not accept.
    struct Nobody: CredentialValidator {
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { false }
      func sameIdentity(old: Credential, new: Credential) -> Bool { false }
    }
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try group.process(senderAuthenticated: good.encoded, validator: Nobody())
    }

    // Late, the proof is of the epoch of the message and of no other.
    let later = try world.full[1].send([3])
    let proof = try world.full[0].group.senderAuthenticated(later)
    let ownLate = try world.proven(world.partial[1].send([5]))
    let lateProposal = try world.proven(world.full[2].forge(.proposal(.remove(LeafIndex(0)))))
    try world.commit(CommitPlan(), by: 1)
    #expect(throws: MLSError.ownMessage) {
      try world.partial[1].group.process(senderAuthenticated: ownLate, validator: validator)
    }
    #expect(throws: MLSError.pastEpoch(group.epoch)) {
      try world.partial[1].group.process(senderAuthenticated: lateProposal, validator: validator)
    }
    #expect(throws: MLSError.pastEpoch(group.epoch)) { try world.full[0].group.senderAuthenticated(later) }
    var changed = proof
    changed.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    #expect(throws: MLSError.invalidProof(.treeHash)) {
      try world.partial[1].group.process(changed, validator: validator)
    }
    changed.senderMembershipProof = try before.membershipProof(of: LeafIndex(2))
    #expect(throws: MLSError.invalidProof(.senderIndex)) {
      try world.partial[1].group.process(changed, validator: validator)
    }
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try world.partial[1].group.process(proof, validator: Nobody())
    }
    #expect(try world.partial[1].read(proof.encoded).plaintext == [3])

    // Who was removed is in no tree of the new epoch, whatever keys it still has.
    let removed = world.full[2]
    try world.commit(CommitPlan(removes: [removed.group.ownLeafIndex]))
    var ghost = world.full[0]
    ghost.client = removed.client
    let content = FramedContent(
      groupID: group.groupID, epoch: ghost.group.epoch, sender: .member(LeafIndex(2)), authenticatedData: [],
      body: .application([1]))
    let signed = try content.sign(
      format: .privateMessage, groupContext: ghost.group.contextBytes, signer: removed.client.signer, suite: suite)
    let (generation, key) = try ghost.group.secretTree.advance(LeafIndex(2), .application, suite)
    let spoken = try PrivateMessage(
      protecting: signed, sender: LeafIndex(2), generation: generation, key: key,
      senderDataSecret: ghost.group.secrets.senderDataSecret, padding: 0, reuseGuard: [1, 2, 3, 4], suite: suite)
    for epoch in [before, removed.group] {
      let authenticated = SenderAuthenticatedMessage(
        message: spoken, senderMembershipProof: try epoch.membershipProof(of: LeafIndex(2)))
      #expect(throws: MLSError.invalidProof(.treeHash)) {
        try world.partial[0].group.process(authenticated, validator: validator)
      }
    }
  }

  @Test func `nobody can sign a partial member's message but itself`() throws {
    let world = try MixedWorld(suite, full: 3, partial: 1)
    let member = world.partial[0]
    let proposal = Proposal.remove(LeafIndex(2))
    let forged = try world.full[1].forgePublic(.proposal(proposal), from: .member(member.group.ownLeafIndex))
    let own = try member.group.propose(proposal, signer: member.client.signer, encrypt: false).message
    for (message, refusal) in [
      (MLSMessage.publicMessage(forged).encoded, MLSError.invalidSignature(.content)), (own, .ownMessage),
    ] {
      let proven = try world.proven(message)
      #expect(throws: refusal) { try member.group.process(senderAuthenticated: proven, validator: validator) }
    }
  }

  @Test func `a proposal is held to the proof of its sender, and kept once`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let group = world.partial[0].group
    let sent = try world.full[1].group.propose(
      .remove(LeafIndex(2)), signer: world.full[1].client.signer, encrypt: false)
    let proven = try world.proven(sent.message)
    guard
      case .proposal(let received, let once) = try group.process(senderAuthenticated: proven, validator: validator),
      case .proposal(_, let twice) = try once.process(senderAuthenticated: proven, validator: validator)
    else { throw MLSError.unexpectedMessage }
    #expect(received.proposal == .remove(LeafIndex(2)))
    #expect(twice.pendingProposals == once.pendingProposals)
    #expect(once.pendingProposals.count == 1)
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try group.process(senderAuthenticated: proven, validator: AllBut(name: "1"))
    }
    // Not without the proof, nor with another's.
    #expect(throws: MLSError.invalidProof(.missing)) {
      try group.process(externalProposal: sent.message, validator: validator)
    }
    var changed = try SenderAuthenticatedMessage<MLSMessage>(decoding: proven)
    changed.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(0))
    #expect(throws: MLSError.invalidProof(.senderIndex)) { try group.process(changed, validator: validator) }
    // One from outside has no proof to give.
    let newcomer = world.newClient()
    let request = try ExternalProposal.requestToJoin(
      with: newcomer.bundle().keyPackage, groupID: group.groupID, epoch: group.epoch, signer: newcomer.signer,
      cipherSuite: suite)
    _ = try group.process(externalProposal: request, validator: validator)
    changed.message = try MLSMessage(decoding: request)
    #expect(throws: MLSError.invalidProof(.unexpected)) { try group.process(changed, validator: validator) }
    #expect(throws: MLSError.invalidSender) { try world.full[0].group.senderAuthenticated(request) }
    // A commit that names it is refused by whoever has not seen it.
    try world.full[0].note(sent.message)
    let commit = try world.full[0].group.commit(
      CommitPlan(), signer: world.full[0].client.signer, validator: validator)
    let annotated = try world.full[0].group.annotator(for: commit.message, commit).annotated(for: group.ownLeafIndex)
    #expect(throws: MLSError.unknownProposal) { try group.process(annotated, validator: validator) }
    #expect(try once.process(annotated, validator: validator).group?.epochAuthenticator == commit.group.epochAuthenticator)
  }
}
