import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Members who ask to leave (draft-ietf-mls-extensions, "SelfRemove Proposal").
struct SelfRemoveTests {
  private let suite = testedSuites[0]

  /// A group in which these members have asked to leave, and the messages by which they did.
  private func world(_ count: Int, leaving: [Int]) throws -> (world: World, messages: [[UInt8]]) {
    var world = try World(suite, count: count)
    var messages: [[UInt8]] = []
    for member in leaving {
      let sent = try world.members[member].group.proposeSelfRemove(signer: world.members[member].client.signer)
      world.members[member].group = try Group(restoring: sent.group.archive())
      for index in world.members.indices where index != member { try world.members[index].note(sent.message) }
      messages.append(sent.message)
    }
    return (world, messages)
  }

  @Test(arguments: testedSuites)
  func `a member that asks to leave is removed by the next commit`(suite: CipherSuite) throws {
    var (world, messages) = try world(4, leaving: [1, 3])
    guard case .publicMessage = try MLSMessage(decoding: messages[0]) else { throw MLSError.unexpectedMessage }
    // A removal that the plan names stands in the commit itself, so that those can follow who have not seen the wish.
    let commit = try world.commit(CommitPlan(removes: [LeafIndex(1)]), by: 0)
    #expect(Set(commit.changes.removed.map(\.leafIndex)) == [LeafIndex(1), LeafIndex(3)])
    #expect(commit.changes.proposers.map(\.sender) == [.member(LeafIndex(3))])
    #expect(world.members.count == 2)
    try world.checkAgreement()
  }

  @Test func `whoever joins from outside takes the leaving out`() throws {
    var (world, messages) = try world(4, leaving: [1, 2])
    let joiner = Client("joiner", suite)
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    let commit = try Group.joinExternally(
      groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, selfRemoves: messages + messages,
      validator: BasicIdentities())
    #expect(commit.changes.removed.map(\.leafIndex) == [LeafIndex(1), LeafIndex(2)])
    // It takes the first free place.
    #expect(commit.group.ownLeafIndex == LeafIndex(1))
    for index in [1, 2] {
      guard case .commit(let received) = try world.members[index].receive(commit.message) else {
        throw MLSError.unexpectedMessage
      }
      #expect(received.removedSelf)
    }
    world.members.removeSubrange(1...2)
    for index in world.members.indices { try world.members[index].follow(commit) }
    world.members.append(Participant(client: joiner, group: commit.group))
    try world.checkAgreement()

    // Who has not seen the wishes cannot follow.
    let (other, _) = try self.world(4, leaving: [])
    let unseen = try Group.joinExternally(
      groupInfo: other.members[0].group.groupInfo(signer: other.members[0].client.signer), leaf: joiner.parameters,
      signer: joiner.signer,
      selfRemoves: [other.members[1].group.proposeSelfRemove(signer: other.members[1].client.signer).message],
      validator: BasicIdentities())
    #expect(throws: MLSError.unknownProposal) { try other.members[0].receive(unseen.message) }
  }

  @Test func `a resync beside one's own wish to leave needs no removal`() throws {
    var (world, messages) = try world(3, leaving: [2])
    let client = world.members[2].client
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    let again = Client("2", suite)
    let commit = try Group.joinExternally(
      groupInfo: info, leaf: client.parameters, signer: again.signer, removing: LeafIndex(2), selfRemoves: messages,
      validator: BasicIdentities())
    world.members.removeLast()
    for index in world.members.indices { try world.members[index].follow(commit) }
    world.members.append(Participant(client: again, group: commit.group))
    try world.checkAgreement()
  }

  @Test func `an outsider checks each wish to leave`() throws {
    let (world, messages) = try world(4, leaving: [1])
    let joiner = Client("joiner", suite)
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    func refuse(_ expected: MLSError, sourceLocation: SourceLocation = #_sourceLocation, _ message: [UInt8]) {
      #expect(throws: expected, sourceLocation: sourceLocation) {
        try Group.joinExternally(
          groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, selfRemoves: [message],
          validator: BasicIdentities())
      }
    }
    let group = world.members[1].group
    func forge(
      sender: Sender = .member(LeafIndex(1)), groupID: [UInt8]? = nil, epoch: UInt64? = nil,
      _ proposal: Proposal = .selfRemove
    ) throws -> [UInt8] {
      let content = FramedContent(
        groupID: groupID ?? group.groupID, epoch: epoch ?? group.epoch, sender: sender, authenticatedData: [],
        body: .proposal(proposal))
      let signed = try content.sign(
        format: .publicMessage, groupContext: group.state.contextBytes, signer: world.members[1].client.signer,
        suite: suite)
      let isMember = sender != .newMemberProposal
      return MLSMessage.publicMessage(
        PublicMessage(content: content, auth: signed.auth, membershipTag: isMember ? [1] : nil)
      ).encoded
    }
    // The membership tag alone is not looked at.
    _ = try Group.joinExternally(
      groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, selfRemoves: [forge()],
      validator: BasicIdentities())
    refuse(.unexpectedMessage, info)
    refuse(.unexpectedMessage, try forge(.remove(LeafIndex(1))))
    refuse(.unexpectedMessage, try forge(sender: .newMemberProposal))
    refuse(.wrongGroup, try forge(groupID: [1]))
    refuse(.futureEpoch(group.epoch + 1), try forge(epoch: group.epoch + 1))
    refuse(.pastEpoch(0), try forge(epoch: 0))
    refuse(.invalidSender, try forge(sender: .member(LeafIndex(9))))
    refuse(.invalidSignature(.content), try forge(sender: .member(LeafIndex(2))))
    refuse(.malformed(.trailingBytes(count: 1)), messages[0] + [0])
  }

  @Test func `an outsider takes no wish to leave whose authenticated data is not framed`() throws {
    let dictionary = AppDataDictionary([.safeAAD: ComponentsList([]).encoded])
    let world = try World(suite, count: 1, extensions: [dictionary.asExtension])
    let member = world.members[0]
    let framed = SafeAAD().encoded
    let wish = try member.group.proposeSelfRemove(signer: member.client.signer, authenticatedData: framed).message
    let bad = try member.forge(.proposal(.selfRemove), encrypt: false)
    let joiner = Client("joiner", suite)
    let info = try member.group.groupInfo(signer: member.client.signer)
    func join(_ wishes: [[UInt8]]) throws -> OutgoingCommit {
      try Group.joinExternally(
        groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, selfRemoves: wishes, authenticatedData: framed,
        validator: BasicIdentities())
    }
    #expect(throws: MLSError.invalidFraming) { try join([bad]) }
    #expect(try join([wish]).changes.removed.count == 1)
  }

  @Test func `a wish to leave is public, committed by reference, and nobody else's to commit`() throws {
    var (world, _) = try world(4, leaving: [1, 2])
    let signer = world.members[1].client.signer
    #expect(throws: MLSError.invalidPlan) { try world.members[1].group.proposeSelfRemove(signer: signer) }
    #expect(throws: MLSError.invalidPlan) { try world.members[3].group.propose(.selfRemove, signer: signer) }
    // Its sender can commit other things, but not this.
    let own = try world.members[1].group.commit(CommitPlan(), signer: signer, validator: BasicIdentities())
    #expect(own.changes.removed.map(\.leafIndex) == [LeafIndex(2)])

    let pending = world.members[1].group.pendingProposals
    let references = pending.map { ProposalOrRef.reference($0.reference) }
    let leaver = world.members[1]
    #expect(throws: MLSError.invalidProposals(.removeOfCommitter)) {
      try world.members[0].receive(leaver.forge([references[0]], path: leaver.path()))
    }
    let other = world.members[3]
    #expect(throws: MLSError.invalidProposals(.selfRemoveByValue)) {
      try world.members[0].receive(other.forge([Proposal.selfRemove], path: other.path()))
    }
    #expect(throws: MLSError.invalidProposals(.conflictingChanges)) {
      try world.members[0].receive(
        other.forge([references[0], .proposal(.remove(LeafIndex(1)))], path: other.path()))
    }
    #expect(throws: MLSError.invalidProposals(.pathMissing)) {
      try world.members[0].receive(other.forge([references[0]]))
    }
    let encrypted = try other.forge(.proposal(.selfRemove))
    #expect(throws: MLSError.invalidProposals(.selfRemoveEncrypted)) { try world.members[0].receive(encrypted) }
    try world.commit(CommitPlan(), by: 3)
    try world.checkAgreement()
  }

  @Test func `nobody outside asks for a member to leave by SelfRemove`() throws {
    let service = suite.signature.generateKey()
    let senders = ExternalSenders([ExternalSender(signatureKey: service.publicKey, credential: .basic(identity: [1]))])
    let world = try World(suite, count: 2, extensions: [senders.asExtension])
    let group = world.members[0].group
    #expect(throws: MLSError.invalidProposals(.senderNotAllowed)) {
      try ExternalProposal.make(
        .selfRemove, groupID: group.groupID, epoch: group.epoch, senderIndex: 0, signer: service, cipherSuite: suite)
    }
    let content = FramedContent(
      groupID: group.groupID, epoch: group.epoch, sender: .external(0), authenticatedData: [],
      body: .proposal(.selfRemove))
    let signed = try content.sign(format: .publicMessage, groupContext: [], signer: service, suite: suite)
    let message = PublicMessage(content: content, auth: signed.auth, membershipTag: nil)
    #expect(throws: MLSError.invalidProposals(.senderNotAllowed)) {
      try world.members[0].receive(MLSMessage.publicMessage(message).encoded)
    }
  }

  @Test func `a group with a member who does not know SelfRemove does without`() throws {
    var world = try World(suite, count: 2)
    var plain = Client("plain", suite)
    plain.proposals = []
    try world.add([plain], by: 0)
    let leaver = world.members[1]
    #expect(throws: MLSError.invalidProposals(.unsupportedType)) {
      try leaver.group.proposeSelfRemove(signer: leaver.client.signer)
    }
    // One that comes all the same is left out of a commit, and a commit with it is refused.
    let asked = try leaver.forge(.proposal(.selfRemove), encrypt: false)
    for index in [0, 2] { try world.members[index].note(asked) }
    let reference = world.members[0].group.pendingProposals[0].reference
    let committer = world.members[2]
    #expect(throws: MLSError.invalidProposals(.unsupportedType)) {
      try world.members[0].receive(committer.forge([.reference(reference)], path: committer.path()))
    }
    let commit = try world.commit(CommitPlan(), by: 0)
    #expect(commit.changes.removed.isEmpty)
  }
}
