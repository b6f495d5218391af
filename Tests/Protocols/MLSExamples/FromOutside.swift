import CryptoSuite
import MLS
import Testing

/// Joining and proposing from outside a group.
struct FromOutside {
  private let alice = Device("alice")
  private let bob = Device("bob")

  @Test func `join by an external commit, and again`() throws {
    let (carol, carolAgain) = (Device("carol"), Device("carol"))
    let directory = Directory([alice, bob, carol, carolAgain])
    let groups = try start([alice, bob], directory: directory)
    var (aliceGroup, bobGroup) = (groups[0], groups[1])
    // docs: external-join
    // A member hands out the group info; whoever has it can join.
    let info = try aliceGroup.groupInfo(signer: alice.signer)
    // Carol:
    let commit = try Group.joinExternally(
      groupInfo: info, leaf: carol.leaf, signer: carol.signer, validator: directory)
    var carolGroup = commit.group  // when its message has won its epoch
    // docs: end
    let message = commit.message { carolGroup = $0.group }
    aliceGroup = try aliceGroup.after(message, validator: directory)
    bobGroup = try bobGroup.after(message, validator: directory)
    #expect(carolGroup.epochAuthenticator == bobGroup.epochAuthenticator)

    let lost = carolGroup
    let newInfo = try aliceGroup.groupInfo(signer: alice.signer)
    let newSigner = carolAgain.signer
    // docs: roster
    // Who has lost the state finds its old leaf in the tree.
    guard case .groupInfo(let content) = try MLSMessage.decode(newInfo),
      let encoded = content.extensions.data(of: .ratchetTree)
    else { return }
    let tree = try PublicTree(ratchetTree: encoded, cipherSuite: carol.suite)
    let oldLeaf = tree.members.first { $0.credential == carol.leaf.credential }?.leafIndex
    // docs: end
    #expect(oldLeaf == lost.ownLeafIndex)

    // docs: resync
    // Carol has missed a commit: a message was refused with .futureEpoch. She joins again and removes her old leaf.
    let resync = try Group.joinExternally(
      groupInfo: newInfo, leaf: carol.leaf, signer: newSigner, removing: lost.ownLeafIndex, validator: directory)
    carolGroup = resync.group
    // docs: end
    aliceGroup = try aliceGroup.after(resync.message { carolGroup = $0.group }, validator: directory)
    #expect(aliceGroup.memberCount == 3 && aliceGroup.epochAuthenticator == carolGroup.epochAuthenticator)
  }

  @Test func `external senders`() throws {
    let server = Device("server")
    let directory = Directory([alice, bob, server])
    // docs: external-sender
    let senders = ExternalSenders([
      ExternalSender(signatureKey: server.signer.publicKey, credential: server.leaf.credential)
    ])
    var aliceGroup = try Group.create(
      groupID: SystemRandom().bytes(16), cipherSuite: alice.suite, extensions: [senders.asExtension],
      leaf: alice.leaf, signer: alice.signer, validator: directory)
    // docs: end
    let bundle = try bob.bundle()
    let added = try aliceGroup.commit(
      CommitPlan(adds: [bundle.keyPackage]), signer: alice.signer, validator: directory)
    aliceGroup = added.group
    // docs: external-proposal
    // The server knows the group's id and epoch, not its secrets.
    let proposal = try ExternalProposal.make(
      .remove(LeafIndex(1)), groupID: aliceGroup.groupID, epoch: aliceGroup.epoch, senderIndex: 0,
      signer: server.signer, cipherSuite: alice.suite)
    // Members decide: this one looks at the proposal before it commits it.
    guard case .proposal(let received, let next) = try aliceGroup.process(proposal, validator: directory),
      received.sender == .external(0)
    else { return }
    let commit = try next.commit(
      CommitPlan(references: [received.reference]), signer: alice.signer, validator: directory)
    // docs: end
    #expect(commit.changes.removed.map(\.leafIndex) == [LeafIndex(1)])
  }

  @Test(arguments: [false, true])
  func `decide what to commit`(isApproved: Bool) throws {
    let (carol, dave) = (Device("carol"), Device("dave"))
    let directory = Directory([alice, bob, carol, dave])
    let groups = try start([alice, bob], directory: directory)
    var aliceGroup = groups[0]
    let keyPackage = try carol.bundle().keyPackage
    var bobGroup = groups[1]
    let asked = [
      try bobGroup.propose(.add(try dave.bundle().keyPackage), signer: bob.signer).message { bobGroup = $0 },
      try ExternalProposal.requestToJoin(
        with: keyPackage, groupID: aliceGroup.groupID, epoch: aliceGroup.epoch, signer: carol.signer,
        cipherSuite: carol.suite),
    ]
    for message in asked { aliceGroup = try aliceGroup.after(message, validator: directory) }
    _ = try aliceGroup.proposeUpdate(signer: alice.signer).message { aliceGroup = $0 }
    #expect(aliceGroup.pendingProposals.count == 3)
    var approved: Set<ProposalRef> = []
    if isApproved, let request = aliceGroup.pendingProposals.first(where: { $0.sender == .newMemberProposal }) {
      approved.insert(request.reference)
    }
    // docs: decide
    // Members may ask for anything but the end of the group, others for what somebody here has approved. An Update of one's
    // own only others can commit; the commit renews the same keys.
    let own = Sender.member(aliceGroup.ownLeafIndex)
    let wanted = aliceGroup.pendingProposals.filter { waiting in
      switch (waiting.sender, waiting.proposal) {
      case (own, .update), (.member, .reInit): false
      case (.member, _): true
      default: approved.contains(waiting.reference)
      }
    }
    let commit = try aliceGroup.commit(
      CommitPlan(references: wanted.map(\.reference)), signer: alice.signer, validator: directory)
    // docs: end
    #expect(Set(commit.changes.added.map(\.credential)) == Set((isApproved ? [dave, carol] : [dave]).map(\.leaf.credential)))
    // docs: without-pending
    // New keys for oneself, and nothing that somebody else asked for. What waited is gone with the epoch.
    let renewal = try aliceGroup.commit(CommitPlan(includePending: false), signer: alice.signer, validator: directory)
    // docs: end
    #expect(renewal.changes.added.isEmpty && renewal.group.pendingProposals.isEmpty)
    // The default covers what the member asks for.
    let byDefault = try aliceGroup.commit(CommitPlan(), signer: alice.signer, validator: directory)
    #expect(byDefault.changes.added.map(\.credential) == [dave.leaf.credential])
  }

  @Test func `a newcomer asks to be added`() throws {
    let carol = Device("carol")
    let directory = Directory([alice, bob, carol])
    let group = try start([alice, bob], directory: directory)[0]
    let bundle = try carol.bundle()
    // docs: request
    let request = try ExternalProposal.requestToJoin(
      with: bundle.keyPackage, groupID: group.groupID, epoch: group.epoch, signer: carol.signer,
      cipherSuite: carol.suite)
    // docs: end
    guard case .proposal(let received, let next) = try group.process(request, validator: directory) else { return }
    #expect(received.sender == .newMemberProposal)
    let commit = try next.commit(
      CommitPlan(references: [received.reference]), signer: alice.signer, validator: directory)
    let welcome = try #require(commit.welcome)
    #expect(try Group.join(welcome: welcome, keyPackage: bundle, validator: directory).group.memberCount == 3)
  }
}
