import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// Groups of full and partial members (draft-ietf-mls-partial), each state going through its archive.
struct PartialLifeTests {
  @Test(arguments: testedSuites)
  func `partial members live in a group as the full ones do`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 3, partial: 3)
    try world.checkAgreement()
    try world.commit(CommitPlan(), by: 1)
    try world.commit(CommitPlan(encrypt: false), by: 2, annotatedByCommitter: false)
    try world.checkAgreement()

    // A partial member without the keys of the nodes above, as added without a path, is addressed by its leaf.
    try world.addPartial(2, by: 1, path: false)
    try world.commit(CommitPlan(), by: 0)
    try world.commit(CommitPlan(forcePath: false, encrypt: false), by: 2)
    try world.checkAgreement()

    // A partial member renews its keys: its proposal is committed by somebody else.
    let signer = suite.signature.generateKey()
    let update = try world.partial[1].group.proposeUpdate(newSigner: signer, signer: world.partial[1].client.signer)
    world.partial[1].group = try PartialGroup(restoring: update.group.archive())
    try world.note(update.message, fromPartial: 1)
    #expect(throws: MLSError.pendingProposals) { try world.partial[1].send([1]) }
    try world.commit(CommitPlan(), by: 1)
    world.partial[1].client.signer = signer
    try world.checkAgreement()
    try world.commit(CommitPlan(), by: 2)

    // And asks for others; public or encrypted makes no difference.
    let removed = world.full[2].group.ownLeafIndex
    let removal = try world.partial[0].group.propose(
      .remove(removed), signer: world.partial[0].client.signer, encrypt: false)
    world.partial[0].group = removal.group
    try world.note(removal.message, fromPartial: 0)
    try world.commit(CommitPlan(), by: 0)
    #expect(world.full.count == 2)
    try world.checkAgreement()
  }

  @Test(arguments: testedSuites)
  func `a member that is removed, or leaves, notices`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 3, partial: 4)
    let first = world.partial[3].group.ownLeafIndex
    try world.commit(CommitPlan(removes: [first]))
    #expect(world.partial.count == 3)

    // Its place is taken by the same commit.
    let bundle = try world.newClient().bundle()
    let second = world.partial[2].group.ownLeafIndex
    let commit = try world.commit(
      CommitPlan(adds: [bundle.keyPackage], removes: [second], ratchetTreeInWelcome: false), by: 1)
    #expect(commit.changes.added.map(\.leafIndex).contains { $0 == first || $0 == second })
    #expect(world.partial.count == 2)

    let leave = try world.partial[1].group.proposeSelfRemove(signer: world.partial[1].client.signer)
    world.partial[1].group = leave.group
    #expect(throws: MLSError.invalidPlan) {
      try world.partial[1].group.proposeSelfRemove(signer: world.partial[1].client.signer)
    }
    try world.note(leave.message, fromPartial: 1)
    try world.commit(CommitPlan(), by: 2)
    #expect(world.partial.count == 1)
    try world.checkAgreement()
  }

  @Test(arguments: testedSuites)
  func `somebody joins by an external commit, in a new place or that of a partial member`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 2, partial: 3)
    try world.joinExternally(world.newClient())
    #expect(world.full.count == 3)
    try world.checkAgreement()
    // The same client comes back as a full member.
    let client = world.partial[1].client
    var again = Client(client.name, suite)
    again.signer = suite.signature.generateKey()
    try world.joinExternally(again, removing: world.partial[1].group.ownLeafIndex)
    #expect(world.partial.count == 2)
    #expect(world.full.count == 4)
    try world.checkAgreement()
    // And a full member comes back; its old leaf has been proven to some.
    try world.exchange()
    let old = world.full[2]
    var back = Client(old.client.name, suite)
    back.signer = suite.signature.generateKey()
    try world.joinExternally(back, removing: old.group.ownLeafIndex)
    try world.checkAgreement()
  }

  @Test(arguments: testedSuites)
  func `what commits change beside the tree, partial members change too`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 2, partial: 2)
    let keys = ExternalKeys(keys: [[7]: Secret([UInt8](repeating: 5, count: 32))])
    let past = world.full[0].group.epoch
    try world.commit(CommitPlan())
    let ids = [
      PreSharedKeyID.external(id: [7], cipherSuite: suite),
      .resumption(groupID: world.full[0].group.groupID, epoch: past, cipherSuite: suite),
      .resumption(groupID: world.full[0].group.groupID, epoch: past + 1, cipherSuite: suite),
    ]
    try world.commit(CommitPlan(psks: ids, forcePath: false), psks: keys)
    try world.checkAgreement()

    let senderKey = suite.signature.generateKey()
    let list = [
      ExternalSenders([ExternalSender(signatureKey: senderKey.publicKey, credential: .basic(identity: [1]))]).asExtension,
      Extension(type: ExtensionType(rawValue: 0xF0A5), data: [1]),
    ]
    try world.commit(CommitPlan(extensions: list), by: 1)
    #expect(world.partial[0].group.extensions == list)
    try world.checkAgreement()

    // An external sender and a newcomer propose; nobody's leaf proves them.
    let proposal = try ExternalProposal.make(
      .remove(world.partial[1].group.ownLeafIndex), groupID: world.full[0].group.groupID,
      epoch: world.full[0].group.epoch, senderIndex: 0, signer: senderKey, cipherSuite: suite)
    let newcomer = world.newClient()
    let bundle = try newcomer.bundle()
    let request = try ExternalProposal.requestToJoin(
      with: bundle.keyPackage, groupID: world.full[0].group.groupID, epoch: world.full[0].group.epoch,
      signer: newcomer.signer, cipherSuite: suite)
    for message in [proposal, request] {
      for index in world.full.indices { try world.full[index].note(message) }
      for index in world.partial.indices {
        guard
          case .proposal(_, let next) = try world.partial[index].group.process(
            externalProposal: message, validator: BasicIdentities())
        else { throw MLSError.unexpectedMessage }
        world.partial[index].group = try PartialGroup(restoring: next.archive())
      }
    }
    #expect(world.partial[0].group.pendingProposals == world.full[0].group.pendingProposals)
    let waiting = world.full[0].group.pendingProposals.map(\.reference)
    try world.commit(CommitPlan(references: waiting, ratchetTreeInWelcome: false))
    #expect(world.partial.count == 1)
    #expect(world.full[0].group.memberCount == 4)
    try world.checkAgreement()

    let next = ReInit(groupID: [5, 5], version: .mls10, cipherSuite: suite.rawValue, extensions: [])
    try world.commit(CommitPlan(reInit: next))
    #expect(world.partial[0].group.successor == next)
    #expect(throws: MLSError.groupEnded) { try world.partial[0].send([1]) }
  }

  @Test(arguments: testedSuites)
  func `proven messages are read once, in any order, and late ones for five epochs`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 2, partial: 2)
    let sent = try (0..<4).map { try world.full[1].send([UInt8($0)]) }
    let messages = try sent.map { try world.proven($0) }
    for index in [2, 0, 1] { #expect(try world.partial[0].read(messages[index]).plaintext == [UInt8(index)]) }
    for index in 0..<3 {
      #expect(throws: MLSError.replayedOrExpiredGeneration(UInt32(index))) { try world.partial[0].read(messages[index]) }
    }
    let oldLeaf = world.full[1].group.ownLeafNode
    try world.commit(CommitPlan(), by: 1)
    try world.commit(CommitPlan(removes: [world.full[1].group.ownLeafIndex]))
    let late = try world.partial[0].read(messages[3])
    #expect(late.plaintext == [3])
    #expect(late.epoch == world.full[0].group.epoch - 2)
    #expect(late.senderLeafNode == oldLeaf)
    #expect(throws: MLSError.replayedOrExpiredGeneration(3)) { try world.partial[0].read(messages[3]) }
    for _ in 0..<(Limits.pastEpochs - 2) { try world.commit(CommitPlan()) }
    #expect(try world.partial[1].read(messages[3]).plaintext == [3])
    try world.commit(CommitPlan())
    #expect(throws: MLSError.pastEpoch(late.epoch)) { try world.partial[1].read(messages[0]) }
  }

  @Test func `a description shows sizes only, and archives of another kind are refused`() throws {
    let world = try MixedWorld(testedSuites[0], full: 2, partial: 1)
    let group = world.partial[0].group
    #expect("\(group)" == "PartialGroup(epoch 2, 2 proven members, own leaf 2)")
    #expect(Mirror(reflecting: group).children.isEmpty)
    #expect(throws: MLSError.invalidArchive) { try Group(restoring: group.archive()) }
    #expect(throws: MLSError.invalidArchive) { try PartialGroup(restoring: world.full[0].group.archive()) }
    // Nor one with a secret part of the first layout, which knew no partial members and no exporter tree.
    var older = group.archive()
    var exporterTree = ByteWriter()
    group.exporterTree.encode(into: &exporterTree)
    var secretPart = older.secretPart.exposedBytes
    secretPart.removeSubrange(try #require(secretPart.firstRange(of: exporterTree.bytes)))
    secretPart[0] = 1
    older.secretPart = Secret(secretPart)
    #expect(throws: MLSError.invalidArchive) { try PartialGroup(restoring: older) }
    let archive = group.archive()
    for count in stride(from: 0, to: archive.publicPart.count, by: 7) {
      let cut = GroupArchive(publicPart: Array(archive.publicPart.prefix(count)), secretPart: archive.secretPart)
      #expect(throws: MLSError.invalidArchive) { try PartialGroup(restoring: cut) }
    }
    let other = try group.protect([1], signer: world.partial[0].client.signer).group.archive()
    let newer = GroupArchive(publicPart: archive.publicPart, secretPart: other.secretPart)
    #expect(try PartialGroup(restoring: newer).epochAuthenticator == group.epochAuthenticator)
  }

  /// Twenty members, and everything that can happen to them in a random order.
  @Test(arguments: testedSuites)
  func `a long life of a mixed group`(suite: CipherSuite) throws {
    var random = SeededGenerator(for: "a long life of a mixed group")
    var world = try MixedWorld(suite, full: 8, partial: 12)
    for _ in 0..<(suite == testedSuites[0] ? 40 : 12) {
      let committer = Int.random(in: world.full.indices, using: &random)
      let isPublic = Bool.random(using: &random)
      let byCommitter = Bool.random(using: &random)
      switch Int.random(in: 0..<9, using: &random) {
      case 0: try world.addPartial(Int.random(in: 1...3, using: &random), by: committer, path: isPublic)
      case 1: try world.addFull(1, by: committer)
      case 2 where world.partial.count > 4:
        let gone = world.partial.indices.shuffled(using: &random).prefix(2).map { world.partial[$0].group.ownLeafIndex }
        try world.commit(CommitPlan(removes: gone, encrypt: !isPublic), by: committer)
      case 3 where world.full.count > 4:
        let gone = world.full[committer == 0 ? 1 : 0].group.ownLeafIndex
        try world.commit(CommitPlan(removes: [gone], encrypt: !isPublic), by: committer)
      case 4:
        let index = Int.random(in: world.partial.indices, using: &random)
        let update = try world.partial[index].group.proposeUpdate(
          signer: world.partial[index].client.signer, encrypt: !isPublic)
        world.partial[index].group = update.group
        try world.note(update.message, fromPartial: index)
        try world.commit(CommitPlan(encrypt: !isPublic), by: committer, annotatedByCommitter: byCommitter)
      case 5: try world.joinExternally(world.newClient())
      case 6:
        let index = Int.random(in: world.partial.indices, using: &random)
        let tree = world.full[0].group.exportRatchetTree()
        let upgraded = try world.partial[index].group.upgraded(withRatchetTree: tree, validator: BasicIdentities())
        world.full.append(Participant(client: world.partial[index].client, group: upgraded))
        world.partial.remove(at: index)
      case 7 where world.full.count > 4:
        let member = world.full.remove(at: committer)
        world.partial.append(PartialParticipant(client: member.client, group: member.group.downgraded()))
      default:
        try world.commit(CommitPlan(encrypt: !isPublic), by: committer, annotatedByCommitter: byCommitter)
      }
      if world.partial.count < 5 { try world.addPartial(3) }
      try world.exchange()
    }
    try world.checkAgreement()
  }
}
