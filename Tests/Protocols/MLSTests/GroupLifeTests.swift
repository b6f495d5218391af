import CryptoSuite
import TestSupport
import Testing

@testable import MLS

struct GroupLifeTests {
  @Test(arguments: testedSuites)
  func `members come, change and go and all stay in step`(suite: CipherSuite) throws {
    var generator = SeededGenerator(for: "group life, suite \(suite.rawValue)")
    var world = try World(suite, count: 3)
    try world.checkAgreement()
    for step in 0..<24 {
      let committer = Int.random(in: 0..<world.members.count, using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0:
        try world.add([Client("a\(step)", suite)], by: committer)
      case 1:
        let count = Int.random(in: 1...4, using: &generator)
        try world.add((0..<count).map { Client("b\(step).\($0)", suite) }, by: committer, path: Bool.random(using: &generator))
      case 2 where world.members.count > 2:
        let others = world.members.indices.filter { $0 != committer }
        let count = Int.random(in: 1...min(3, others.count - 1), using: &generator)
        let leaves = others.shuffled(using: &generator).prefix(count).map { world.members[$0].group.ownLeafIndex }
        try world.commit(CommitPlan(removes: leaves), by: committer)
      case 3:
        try world.commit(CommitPlan(newSigner: suite.signature.generateKey()), by: committer)
      case 4:
        try world.commit(CommitPlan(encrypt: false), by: committer)
      default:
        let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: generator.bytes(5))]
        let commit = try world.commit(CommitPlan(extensions: list), by: committer)
        #expect(commit.changes.newExtensions == list)
        #expect(world.members[0].group.extensions == list)
      }
      try world.checkAgreement()
    }
  }

  @Test(arguments: testedSuites)
  func `proposals of several members are committed by reference`(suite: CipherSuite) throws {
    var world = try World(suite, count: 6)
    let newcomer = try Client("new", suite).bundle()
    func share(_ sent: ProtectedMessage<Group>, from sender: Int) throws {
      world.members[sender].group = try Group(restoring: sent.group.archive())
      for index in world.members.indices where index != sender { try world.members[index].note(sent.message) }
    }
    let signers = world.members.map(\.client.signer)
    let newSigner = suite.signature.generateKey()
    try share(world.members[1].group.proposeUpdate(newSigner: newSigner, signer: signers[1]), from: 1)
    try share(world.members[2].group.proposeUpdate(signer: signers[2], encrypt: false), from: 2)
    try share(world.members[3].group.propose(.add(newcomer.keyPackage), signer: signers[3]), from: 3)
    try share(world.members[4].group.propose(.remove(LeafIndex(2)), signer: signers[4]), from: 4)
    try share(
      world.members[4].group.propose(
        .groupContextExtensions([Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])]), signer: signers[4]),
      from: 4)
    try share(
      world.members[5].group.propose(
        .custom(type: ProposalType(rawValue: 0xF0A6), content: [4, 2]), signer: signers[5]), from: 5)
    #expect(throws: MLSError.pendingProposals) { try world.members[0].group.protect([1], signer: signers[0]) }
    #expect(world.members[0].group.pendingProposals.count == 6)

    world.members[1].client.signer = newSigner
    let commit = try world.commit(CommitPlan(), by: 0)
    // The removal is preferred to the same member's update.
    #expect(commit.changes.removed.map(\.leafIndex) == [LeafIndex(2)])
    #expect(commit.changes.updated.map(\.leafIndex) == [LeafIndex(1), LeafIndex(0)])
    #expect(commit.changes.custom.map(\.content) == [[4, 2]])
    #expect(commit.changes.proposers.count == 5)
    let joined = try Group.join(
      welcome: try #require(commit.welcome), keyPackage: newcomer, validator: BasicIdentities())
    #expect(joined.group.ownLeafIndex == LeafIndex(2))
    try world.checkAgreementWithout(joined)
    #expect(world.members[0].group.pendingProposals.isEmpty)
  }

  @Test(arguments: testedSuites)
  func `somebody joins by an external commit and comes back by another`(suite: CipherSuite) throws {
    var world = try World(suite, count: 5)
    try world.commit(CommitPlan(removes: [LeafIndex(1)]), by: 0)
    let joiner = Client("joiner", suite)
    var info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    let join = try Group.joinExternally(
      groupInfo: info, cipherSuite: suite, leaf: joiner.parameters, signer: joiner.signer,
      validator: BasicIdentities())
    #expect(join.group.ownLeafIndex == LeafIndex(1))
    #expect(join.changes.externalJoiner == LeafIndex(1))
    for index in world.members.indices { try world.members[index].follow(join) }
    world.members.append(Participant(client: joiner, group: try Group(restoring: join.group.archive())))
    try world.checkAgreement()

    // The joiner loses its state and replaces itself.
    info = try world.members[2].group.groupInfo(signer: world.members[2].client.signer, includeRatchetTree: false)
    let back = try Group.joinExternally(
      groupInfo: info, cipherSuite: suite, ratchetTree: world.members[0].group.exportRatchetTree(),
      leaf: joiner.parameters, signer: joiner.signer, removing: LeafIndex(1), validator: BasicIdentities())
    let old = world.members.removeLast()
    guard case .commit(let received) = try old.receive(back.message) else { throw MLSError.unexpectedMessage }
    #expect(received.removedSelf)
    for index in world.members.indices { try world.members[index].follow(back) }
    world.members.append(Participant(client: joiner, group: back.group))
    try world.checkAgreement()

    // Nobody can take another's place that way.
    let thief = Client("thief", suite)
    info = try world.members[2].group.groupInfo(signer: world.members[2].client.signer)
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) {
      try Group.joinExternally(
        groupInfo: info, cipherSuite: suite, leaf: thief.parameters, signer: thief.signer, removing: LeafIndex(0),
        validator: BasicIdentities())
    }
    let closed = try world.members[2].group.groupInfo(signer: world.members[2].client.signer, includeExternalPub: false)
    #expect(throws: MLSError.missingExternalPub) {
      try Group.joinExternally(
        groupInfo: closed, cipherSuite: suite, leaf: thief.parameters, signer: thief.signer,
        validator: BasicIdentities())
    }
  }

  @Test(arguments: testedSuites)
  func `pre-shared keys enter the epoch and must be known`(suite: CipherSuite) throws {
    var world = try World(suite, count: 3)
    let keys = ExternalKeys(keys: [[7]: Secret([1, 2, 3])])
    let external = PreSharedKeyID.external(id: [7], cipherSuite: suite)
    let groupID = world.members[0].group.groupID
    let past = PreSharedKeyID.resumption(groupID: groupID, epoch: 1, cipherSuite: suite)
    try world.commit(CommitPlan(), by: 1)
    let plan = CommitPlan(psks: [external, past], forcePath: false)
    let commit = try world.members[0].group.commit(
      plan, signer: world.members[0].client.signer, psks: keys, validator: BasicIdentities())
    #expect(throws: MLSError.missingPreSharedKey) { try world.members[1].receive(commit.message) }
    #expect(throws: MLSError.mismatch(.confirmationTag)) {
      try world.members[1].receive(commit.message, psks: ExternalKeys(keys: [[7]: Secret([1, 2, 4])]))
    }
    try world.commit(plan, by: 0, psks: keys)
    try world.checkAgreement()
    #expect(throws: MLSError.missingPreSharedKey) {
      try world.commit(CommitPlan(psks: [.resumption(groupID: groupID, epoch: 99, cipherSuite: suite)]), by: 0)
    }

    // A newcomer must know them too.
    let bundle = try Client("new", suite).bundle()
    let adding = try world.commit(
      CommitPlan(adds: [bundle.keyPackage], psks: [.external(id: [7], cipherSuite: suite)]), by: 0, psks: keys)
    let welcome = try #require(adding.welcome)
    #expect(throws: MLSError.missingPreSharedKey) {
      try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities())
    }
    let joined = try Group.join(welcome: welcome, keyPackage: bundle, psks: keys, validator: BasicIdentities())
    #expect(joined.group.epochAuthenticator == adding.group.epochAuthenticator)
  }

  @Test func `a ReInit ends the group`() throws {
    let suite = testedSuites[0]
    var world = try World(suite, count: 3)
    let next = ReInit(groupID: [5], version: .mls10, cipherSuite: 2, extensions: [])
    let commit = try world.commit(CommitPlan(reInit: next), by: 1)
    #expect(commit.changes.reInit == next)
    #expect(world.members[0].group.successor == next)
    #expect(throws: MLSError.groupEnded) { try world.members[0].send([1]) }
    let member = world.members[0]
    #expect(throws: MLSError.groupEnded) {
      try member.group.commit(CommitPlan(), signer: member.client.signer, validator: BasicIdentities())
    }
    // Nor is anything received that would change it.
    for message in [
      try world.members[0].forge(.proposal(.remove(LeafIndex(2)))), try world.members[0].forge([Proposal]()),
    ] { world.refuse(.groupEnded, message) }
  }

  @Test func `reserved values in capabilities are passed over`() throws {
    let suite = testedSuites[0]
    var seen: Set<UInt16> = []
    for _ in 0..<100 {
      let plain = Capabilities(cipherSuites: [1], credentials: [.basic])
      let greased = plain.withGREASE()
      let values =
        [greased.cipherSuites.last] + [greased.extensions.last?.rawValue, greased.proposals.last?.rawValue]
        + [greased.credentials.last?.rawValue]
      for value in values.compactMap({ $0 }) {
        #expect(value >> 8 == value & 0xFF && value & 0xF == 0xA && value <= 0xEAEA)
        seen.insert(value)
      }
    }
    #expect(seen.count == 15)

    var world = try World(suite, count: 2)
    let client = Client("greased", suite)
    let leaf = client.parameters.withGREASE()
    let added = try #require(leaf.extensions.first { $0.type.isReserved })
    #expect(leaf.capabilities.extensions.contains(added.type) && leaf.extensions.count == client.parameters.extensions.count + 1)
    let bundle = try KeyPackageBundle.generate(
      cipherSuite: suite, leaf: leaf, lifetime: Lifetime(notBefore: 0, notAfter: 9), extensions: [Extension]().withGREASE(),
      signer: client.signer)
    #expect(bundle.keyPackage.extensions.map(\.type.isReserved) == [true])
    let commit = try world.commit(
      CommitPlan(adds: [bundle.keyPackage], groupInfoExtensions: [Extension]().withGREASE()), by: 0)
    // Each time another one, until there are no more.
    var full: [Extension] = []
    for _ in 0..<20 { full = full.withGREASE() }
    #expect(full.count == 15 && full.hasDistinctTypes && full.allSatisfy { $0.type.isReserved })
    let joined = try Group.join(
      welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    world.members.append(Participant(client: client, group: joined.group))
    try world.checkAgreement()
  }
}

extension World {
  /// As ``checkAgreement()``, with one more who has joined.
  mutating func checkAgreementWithout(_ joined: JoinedGroup) throws {
    for member in members { #expect(member.group.epochAuthenticator == joined.group.epochAuthenticator) }
  }
}
