import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a caller may ask of a commit, and of the values around it, beyond the rules of RFC 9420.
struct CommitPlanTests {
  private let suite = testedSuites[0]

  @Test func `a commit covers the proposals that its plan names, and no others`() throws {
    var world = try World(suite, count: 4)
    let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [1])]
    let update = try world.members[1].group.proposeUpdate(signer: world.members[1].client.signer)
    let extensions = try world.members[2].group.propose(
      .groupContextExtensions(list), signer: world.members[2].client.signer)
    for (sender, sent) in [(1, update), (2, extensions)] {
      world.members[sender].group = sent.group
      for index in world.members.indices where index != sender { try world.members[index].note(sent.message) }
    }
    let pending = world.members[0].group.pendingProposals
    #expect(pending.map(\.proposal.type) == [.update, .groupContextExtensions])
    let only = try world.commit(CommitPlan(references: [pending[1].reference]), by: 0)
    #expect(only.changes.newExtensions == list)
    // The committer's own path is the only update.
    #expect(only.changes.updated.map(\.leafIndex) == [LeafIndex(0)])
    try world.checkAgreement()
    // They were of the epoch that has ended.
    #expect(throws: MLSError.unknownProposal) {
      try world.commit(CommitPlan(references: [pending[0].reference]), by: 0)
    }
  }

  @Test func `a plan that names nothing covers nothing, and a bad proposal that it names is refused`() throws {
    var world = try World(suite, count: 3)
    let update = try world.members[1].group.proposeUpdate(signer: world.members[1].client.signer)
    world.members[1].group = update.group
    for index in [0, 2] { try world.members[index].note(update.message) }
    let own = world.members[1].group.pendingProposals[0].reference
    #expect(throws: MLSError.invalidProposals(.updateByCommitter)) {
      try world.members[1].group.commit(
        CommitPlan(references: [own]), signer: world.members[1].client.signer, validator: BasicIdentities())
    }
    let commit = try world.commit(CommitPlan(references: [], forcePath: false), by: 0)
    #expect(commit.changes.proposers.isEmpty)
  }

  @Test func `the default takes neither what outsiders ask for nor a ReInit, and a plan that names them does`() throws {
    let server = Client("server", suite)
    let senders = ExternalSenders([
      ExternalSender(signatureKey: server.signer.publicKey, credential: server.parameters.credential)
    ])
    let world = try World(suite, count: 3, extensions: [senders.asExtension])
    let (group, signer) = (world.members[0].group, world.members[0].client.signer)
    let next = ReInit(groupID: [9], version: .mls10, cipherSuite: suite.rawValue, extensions: [])
    let stranger = Client("stranger", suite)
    func external(_ proposal: Proposal) throws -> [UInt8] {
      try ExternalProposal.make(
        proposal, groupID: group.groupID, epoch: group.epoch, senderIndex: 0, signer: server.signer, cipherSuite: suite)
    }
    let asked = [
      try ExternalProposal.requestToJoin(
        with: stranger.bundle().keyPackage, groupID: group.groupID, epoch: group.epoch, signer: stranger.signer,
        cipherSuite: suite),
      try external(.remove(LeafIndex(2))), try external(.reInit(next)),
      try world.members[1].group.propose(.reInit(next), signer: world.members[1].client.signer).message,
    ]
    for message in asked {
      guard case .proposal(let received, let waiting) = try group.process(message, validator: BasicIdentities()) else {
        throw MLSError.unexpectedMessage
      }
      func commit(_ plan: CommitPlan) throws -> OutgoingCommit {
        try waiting.commit(plan, signer: signer, validator: BasicIdentities())
      }
      let named = try commit(CommitPlan(references: [received.reference]))
      #expect(named.changes.proposers.map(\.sender) == [received.sender])
      #expect(named.changes.proposers.map(\.proposal) == [received.proposal])
      for plan in [CommitPlan(), CommitPlan(includePending: false), CommitPlan(references: [])] {
        let alone = try commit(plan)
        #expect(alone.changes.proposers.isEmpty && alone.changes.added.isEmpty && alone.changes.removed.isEmpty)
        #expect(alone.changes.reInit == nil && alone.group.successor == nil && alone.group.memberCount == 3)
        // What waited is gone with the epoch, and texts can be sent again.
        #expect(throws: Never.self) { try alone.group.protect([1], signer: signer) }
      }
    }
    // What members ask for beside it is taken.
    var waiting = group
    let update = try world.members[2].group.proposeUpdate(signer: world.members[2].client.signer).message
    for message in asked + [update] {
      guard case .proposal(_, let after) = try waiting.process(message, validator: BasicIdentities()) else {
        throw MLSError.unexpectedMessage
      }
      waiting = after
    }
    let all = try waiting.commit(CommitPlan(), signer: signer, validator: BasicIdentities())
    #expect(all.changes.proposers.map(\.sender) == [.member(LeafIndex(2))])
    #expect(all.changes.updated.map(\.leafIndex) == [LeafIndex(2), LeafIndex(0)])
    let none = try waiting.commit(CommitPlan(includePending: false), signer: signer, validator: BasicIdentities())
    #expect(none.changes.proposers.isEmpty && none.group.memberCount == 3)
  }

  @Test func `extensions of a key package that its capabilities do not list are ignored`() throws {
    var world = try World(suite, count: 2)
    let client = Client("new", suite)
    let made = try client.bundle()
    // As others send GREASE values (RFC 9420 §13.5).
    let keyPackage = try made.keyPackage.forged(by: client) {
      $0.extensions = [Extension(type: ExtensionType(rawValue: 0x5A5A), data: [1, 2])]
    }
    let bundle = try KeyPackageBundle(
      cipherSuite: suite, keyPackage: KeyPackage(message: MLSMessage.keyPackage(keyPackage).encoded),
      initKey: suite.hpke.keyPair(privateKey: made.initKey.privateKey), leafKey: made.leafKey)
    let commit = try world.commit(CommitPlan(adds: [bundle.keyPackage]), by: 1)
    let joined = try Group.join(
      welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    #expect(joined.group.epochAuthenticator == commit.group.epochAuthenticator)
  }

  @Test func `a bundle takes only the private keys of its package`() throws {
    let first = try Client("a", suite).bundle()
    let second = try Client("a", suite).bundle()
    let wrong = HPKEKeyPair(privateKey: second.initKey.privateKey, publicKey: first.initKey.publicKey)
    #expect(throws: MLSError.invalidKeyPackage(.initKey)) {
      try KeyPackageBundle(cipherSuite: suite, keyPackage: first.keyPackage, initKey: wrong, leafKey: first.leafKey)
    }
    #expect(throws: MLSError.crypto(.invalidKey)) {
      try KeyPackageBundle(
        cipherSuite: suite, keyPackage: first.keyPackage, initKey: first.initKey,
        leafKey: HPKEKeyPair(privateKey: Secret([1]), publicKey: first.leafKey.publicKey))
    }
    #expect(throws: MLSError.unsupportedCipherSuite(1)) {
      try KeyPackageBundle(
        cipherSuite: .sottoXWing, keyPackage: first.keyPackage, initKey: first.initKey, leafKey: first.leafKey)
    }
  }

  @Test func `a message tells which group and epoch it claims to be for`() throws {
    let world = try World(suite, count: 2)
    let member = world.members[0]
    let group = member.group
    let messages = [
      try group.protect([1], signer: member.client.signer).message,
      try group.propose(.remove(LeafIndex(1)), signer: member.client.signer, encrypt: false).message,
      try group.groupInfo(signer: member.client.signer),
    ]
    for message in messages {
      let decoded = try MLSMessage.decode(message)
      #expect(decoded.groupID == group.groupID)
      #expect(decoded.epoch == 1)
    }
    let keyPackage = try MLSMessage.decode(member.client.bundle().message)
    #expect(keyPackage.groupID == nil && keyPackage.epoch == nil)
    #expect(throws: MLSError.unexpectedMessage) { try KeyPackage(message: messages[0]) }
  }

  @Test func `a message leaves only when its state is stored`() throws {
    struct Full: Error {}
    let world = try World(suite, count: 2)
    let sent = try world.members[0].group.protect([1], signer: world.members[0].client.signer)
    #expect(throws: Full.self) { try sent.message { _ throws(Full) in throw Full() } }
    var stored: GroupArchive?
    let message = sent.message { stored = $0.archive() }
    #expect(message == sent.message)
    #expect(stored == sent.group.archive())
  }

  @Test func `a commit leaves only when what it leads to is stored`() throws {
    struct Full: Error {}
    let world = try World(suite, count: 2)
    let (member, newcomer) = (world.members[0], try Client("new", suite).bundle())
    let commit = try member.group.commit(
      CommitPlan(adds: [newcomer.keyPackage]), signer: member.client.signer, validator: BasicIdentities())
    #expect(throws: Full.self) { try commit.message { _ throws(Full) in throw Full() } }
    var stored: (ifWon: GroupArchive, ifLost: GroupArchive?, welcome: [UInt8]?)?
    let message = commit.message { stored = ($0.group.archive(), $0.groupIfLost?.archive(), $0.welcome) }
    #expect(message == commit.message)
    #expect(stored?.ifWon == commit.group.archive() && stored?.welcome == commit.welcome)
    #expect(stored?.ifLost == commit.groupIfLost?.archive() && stored?.ifLost != nil)
    // What annotates a commit holds its message, so who annotates has it already.
    #expect(throws: MLSError.unexpectedMessage) { try member.group.annotator(for: newcomer.message, commit) }
    #expect(throws: Never.self) { try member.group.annotator(for: message, commit) }
  }

  @Test func `a secret that is given once is given only when its state is stored`() throws {
    struct Full: Error {}
    let world = try World(suite, count: 1)
    let component = ComponentID(rawValue: 0x8001)
    let exported = try world.members[0].group.safeExportSecret(for: component)
    #expect(throws: Full.self) { try exported.secret { _ throws(Full) in throw Full() } }
    var stored: GroupArchive?
    let secret = exported.secret { stored = $0.archive() }
    #expect(secret == exported.secret && stored == exported.group.archive())
    #expect(throws: MLSError.exportSecretSpent) { try exported.group.safeExportSecret(for: component) }
  }

  @Test func `keys held in memory are found by kind and name`() throws {
    let world = try World(suite, count: 1)
    let group = world.members[0].group
    let component = ComponentID(rawValue: 0x8000)
    var keys = PreSharedKeys()
    keys.add(Secret([1]), externalID: [7])
    keys.add(Secret([2]), component: component, id: [7])
    keys.add(resumptionOf: group)
    func secret(_ key: PreSharedKeyID.Key) -> Secret? { keys.secret(for: PreSharedKeyID(key: key, nonce: [])) }
    #expect(secret(.external(id: [7])) == Secret([1]))
    #expect(secret(.application(component: component, id: [7])) == Secret([2]))
    #expect(secret(.resumption(usage: .application, groupID: group.groupID, epoch: 0)) == group.resumptionPSK)
    #expect(secret(.resumption(usage: .application, groupID: group.groupID, epoch: 1)) == nil)
    #expect(secret(.external(id: [8])) == nil)
    #expect("\(keys)" == "PreSharedKeys(3)")
  }
}
