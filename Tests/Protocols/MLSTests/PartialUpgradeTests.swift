import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// Partial members who become full ones, and the other way (draft-ietf-mls-partial, "Upgrading and Downgrading").
struct PartialUpgradeTests {
  private let suite = testedSuites[0]

  @Test(arguments: testedSuites)
  func `a tree is verified while commits go on, and no message key is used twice`(suite: CipherSuite) throws {
    var world = try MixedWorld(suite, full: 3, partial: 4)
    let early = try world.proven(try world.full[1].send([1]))
    try world.commit(CommitPlan(), by: 1)

    let (verification, recording) = world.partial[0].group.beginningUpgrade()
    #expect(recording.isUpgrading)
    #expect(verification.epoch == world.full[0].group.epoch)
    #expect(verification.treeHash == world.full[0].group.treeHash)
    world.partial[0].group = try PartialGroup(restoring: recording.archive())
    let tree = world.full[0].group.exportRatchetTree()
    #expect(throws: MLSError.mismatch(.treeHash)) {
      try verification.verify(
        ratchetTree: try MixedWorld(suite, full: 2, partial: 0).full[0].group.exportRatchetTree(),
        validator: BasicIdentities())
    }
    let verified = try verification.verify(ratchetTree: tree, validator: BasicIdentities())

    // Everything that changes the tree happens meanwhile.
    let update = try world.partial[1].group.proposeUpdate(signer: world.partial[1].client.signer)
    world.partial[1].group = update.group
    try world.note(update.message, fromPartial: 1)
    try world.commit(CommitPlan(), by: 2)
    try world.addPartial(2, by: 1)
    try world.commit(CommitPlan(removes: [world.partial[3].group.ownLeafIndex], encrypt: false))
    try world.joinExternally(world.newClient())
    let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [1])]
    try world.commit(CommitPlan(extensions: list), by: 1)
    let own = try world.partial[0].group.proposeUpdate(signer: world.partial[0].client.signer)
    world.partial[0].group = own.group
    try world.note(own.message, fromPartial: 0)
    try world.commit(CommitPlan(), by: 2)

    // Messages of this epoch are read and sent before, between and after.
    let sent = try (0..<3).map { try world.full[1].send([UInt8($0)]) }
    let read = try world.proven(sent[1])
    #expect(try world.partial[0].read(read).plaintext == [1])
    let before = try world.partial[0].send([7])
    let late = try world.proven(try world.full[2].send([8]))
    guard case .privateMessage(let lateMessage) = try SenderAuthenticatedMessage<MLSMessage>(decoding: late).message
    else { throw MLSError.unexpectedMessage }
    try world.commit(CommitPlan(), by: 2)
    let proposal = try world.partial[0].group.propose(
      .remove(world.full[3].group.ownLeafIndex), signer: world.partial[0].client.signer)
    world.partial[0].group = proposal.group
    try world.note(proposal.message, fromPartial: 0)

    let client = world.partial[0].client
    let former = world.partial.removeFirst().group
    let upgraded = try former.upgraded(with: verified, validator: BasicIdentities())
    #expect(upgraded.epochAuthenticator == world.full[0].group.epochAuthenticator)
    #expect(upgraded.exportRatchetTree() == world.full[0].group.exportRatchetTree())
    #expect(upgraded.pendingProposals == world.full[0].group.pendingProposals)
    #expect(upgraded.memberCount == world.full[0].group.memberCount)
    var member = Participant(client: client, group: try Group(restoring: upgraded.archive()))
    // What is under way from the epochs of the record is readable, once, by the leaf of then; from before it is not.
    #expect(try member.read(MLSMessage.privateMessage(lateMessage).encoded).plaintext == [8])
    #expect(throws: MLSError.self) { try member.receive(MLSMessage.privateMessage(lateMessage).encoded) }
    #expect(throws: MLSError.replayedOrExpiredGeneration(1)) { try member.receive(sent[1]) }
    #expect(try member.read(sent[0]).plaintext == [0])
    #expect(try member.read(sent[2]).plaintext == [2])
    guard case .privateMessage(let first) = try SenderAuthenticatedMessage<MLSMessage>(decoding: early).message else {
      throw MLSError.unexpectedMessage
    }
    #expect(throws: MLSError.pastEpoch(first.epoch)) {
      try member.receive(MLSMessage.privateMessage(first).encoded)
    }
    #expect(try world.full[0].read(before).plaintext == [7])
    world.full.append(member)
    try world.commit(CommitPlan(), by: world.full.count - 1)
    try world.checkAgreement()
    // The generations of one's own messages go on, too.
    let generations = try [world.full.count - 1].map { index in
      try generation(of: try world.full[index].send([1]), in: world.full[0].group)
    }
    #expect(generations == [1])
  }

  private func generation(of message: [UInt8], in group: Group) throws -> UInt32 {
    guard case .privateMessage(let message) = try MLSMessage(decoding: message) else {
      throw MLSError.unexpectedMessage
    }
    return try message.senderData(group.secrets.senderDataSecret, group.suite).generation
  }

  @Test func `one's own generations go on through upgrade and downgrade`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    func next(_ message: [UInt8]) throws -> UInt32 { try generation(of: message, in: world.full[0].group) }
    #expect(try next(world.partial[0].send([1])) == 0)
    let tree = world.full[0].group.exportRatchetTree()
    let upgraded = try world.partial[0].group.upgraded(withRatchetTree: tree, validator: BasicIdentities())
    var member = Participant(client: world.partial[0].client, group: upgraded)
    #expect(try next(member.send([1])) == 1)
    var again = PartialParticipant(client: member.client, group: member.group.downgraded())
    #expect(try next(again.send([1])) == 2)
  }

  @Test func `a downgraded member follows, and reads what is late`() throws {
    var world = try MixedWorld(suite, full: 4, partial: 1)
    let late = try world.proven(try world.full[2].send([4]))
    try world.commit(CommitPlan(), by: 2)
    let member = world.full.remove(at: 3)
    let partial = try PartialGroup(restoring: member.group.downgraded().archive())
    #expect(partial.provenMembers == [Member(leafIndex: LeafIndex(3), leafNode: partial.ownLeafNode)])
    world.partial.append(PartialParticipant(client: member.client, group: partial))
    #expect(try world.partial[1].read(late).plaintext == [4])
    try world.commit(CommitPlan(), by: 1)
    try world.checkAgreement()
  }

  @Test func `an upgrade is refused when the tree or the record does not lead here`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 2)
    let validator = BasicIdentities()
    let start = world.partial[0].group
    let tree = world.full[0].group.exportRatchetTree()
    let verified = try start.beginningUpgrade().verification.verify(ratchetTree: tree, validator: validator)
    _ = try start.upgraded(with: verified, validator: validator)

    // Nothing was recorded.
    try world.commit(CommitPlan(), by: 1)
    let epoch = verified.epoch
    #expect(throws: MLSError.pastEpoch(epoch)) {
      try world.partial[0].group.upgraded(with: verified, validator: validator)
    }
    // Recording began too late.
    world.partial[0].group = world.partial[0].group.beginningUpgrade().group
    try world.commit(CommitPlan(), by: 2)
    #expect(throws: MLSError.pastEpoch(epoch)) {
      try world.partial[0].group.upgraded(with: verified, validator: validator)
    }
    // The upgrade can begin again, with a later tree, on the same record.
    let (again, recording) = world.partial[0].group.beginningUpgrade()
    let later = try again.verify(
      ratchetTree: world.full[0].group.exportRatchetTree(), validator: validator)
    world.partial[0].group = recording
    try world.commit(CommitPlan(), by: 1)
    _ = try world.partial[0].group.upgraded(with: later, validator: validator)
    #expect(throws: MLSError.pastEpoch(later.epoch)) {
      try world.partial[0].group.abandoningUpgrade().upgraded(with: later, validator: validator)
    }
    // A tree of the future, or of another group.
    #expect(throws: MLSError.futureEpoch(later.epoch)) { try start.upgraded(with: later, validator: validator) }
    let other = try MixedWorld(suite, full: 2, partial: 1)
    let foreign = try other.partial[0].group.beginningUpgrade().verification.verify(
      ratchetTree: other.full[0].group.exportRatchetTree(), validator: validator)
    #expect(throws: MLSError.wrongGroup) { try start.upgraded(with: foreign, validator: validator) }

    // A tree of another epoch, a bad leaf signature, a credential that is refused.
    #expect(throws: MLSError.mismatch(.treeHash)) {
      try world.partial[0].group.upgraded(withRatchetTree: tree, validator: validator)
    }
    struct Nobody: CredentialValidator {
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { false }
      func sameIdentity(old: Credential, new: Credential) -> Bool { false }
    }
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try start.upgraded(withRatchetTree: tree, validator: Nobody())
    }
    // The new leaves of the record are judged, too.
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try world.partial[0].group.upgraded(with: later, validator: Nobody())
    }
    // Two commits of one epoch made two groups, of which this one is the other.
    let fork = try (0..<2).map { index in
      let commit = try world.full[index].group.commit(
        CommitPlan(), signer: world.full[index].client.signer, validator: validator)
      let annotated = try world.full[index].group.annotator(for: commit.message, commit).annotated(for: start.ownLeafIndex)
      let partial = try #require(try world.partial[0].group.process(annotated, validator: validator).group)
      return (partial, commit.group)
    }
    let forked = try fork[0].0.beginningUpgrade().verification.verify(
      ratchetTree: fork[0].1.exportRatchetTree(), validator: validator)
    _ = try fork[0].0.upgraded(with: forked, validator: validator)
    #expect(throws: MLSError.mismatch(.treeHash)) { try fork[1].0.upgraded(with: forked, validator: validator) }
    // A record of a hundred commits too many is no record.
    var log: UpgradeLog? = UpgradeLog()
    let change = try #require(world.partial[0].group.upgradeLog?.changes.first)
    for _ in 0..<Limits.maxUpgradeCommits { log = log?.appending(change) }
    #expect(log != nil)
    #expect(log?.appending(change) == nil)
  }

  @Test func `a gap in the record is noticed`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    let (verification, recording) = world.partial[0].group.beginningUpgrade()
    let verified = try verification.verify(
      ratchetTree: world.full[0].group.exportRatchetTree(), validator: BasicIdentities())
    world.partial[0].group = recording
    for _ in 0..<3 { try world.commit(CommitPlan()) }
    var group = world.partial[0].group
    let changes = try #require(group.upgradeLog?.changes)
    #expect(changes.count == 3)
    var gap: UpgradeLog? = UpgradeLog()
    for index in [0, 2] { gap = gap?.appending(changes[index]) }
    group.upgradeLog = gap
    #expect(throws: MLSError.pastEpoch(verified.epoch)) {
      try group.upgraded(with: verified, validator: BasicIdentities())
    }
  }

  @Test func `a tree that the group agreed on but that is not valid is found out by the upgrade`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    // A committer with a real key changes the tree behind the partial members' backs: a stranger's leaf, whose
    // signature is for another place, gets in.
    let start = world.partial[0].group
    let state = world.full[0].group.state
    var tree = state.tree
    let stranger = try world.newClient().bundle().keyPackage.leafNode
    var leaf = stranger
    leaf.signature = [UInt8](repeating: 1, count: leaf.signature.count)
    _ = try tree.addLeaf(leaf)
    var context = state.context
    context.treeHash = tree.treeHash()
    let verification = TreeVerification(suite: suite, context: context, confirmationTag: [])
    #expect(throws: MLSError.invalidSignature(.leafNode)) {
      try verification.verify(ratchetTree: tree.encodedNodes, validator: BasicIdentities())
    }
    // A recorded commit that no full member would have taken.
    let verified = try start.beginningUpgrade().verification.verify(
      ratchetTree: world.full[0].group.exportRatchetTree(), validator: BasicIdentities())
    var recording = start.beginningUpgrade().group
    world.partial[0].group = recording
    try world.commit(CommitPlan(), by: 1)
    recording = world.partial[0].group
    let change = try #require(recording.upgradeLog?.changes.first)
    func refused(_ expected: MLSError, _ edit: (inout TreeChange) -> Void) throws {
      var changed = change
      edit(&changed)
      var group = recording
      group.upgradeLog = UpgradeLog().appending(changed)
      #expect(throws: expected) { try group.upgraded(with: verified, validator: BasicIdentities()) }
    }
    _ = try recording.upgraded(with: verified, validator: BasicIdentities())
    let ghost = CommittedProposal(proposal: .remove(LeafIndex(100)), sender: change.committer, reference: nil)
    try refused(.invalidProposals(.removeOfBlankLeaf)) { $0.proposals = [ghost] }
    try refused(.invalidProposals(.pathMissing)) { $0.path = nil }
    try refused(.invalidPath(.wrongLength)) { $0.path?.nodes.removeLast() }
    try refused(.invalidPath(.parentHash)) { $0.path?.nodes[0].encryptionKey = suite.hpke.generateKeyPair().publicKey }
    try refused(.mismatch(.treeHash)) { $0.treeHash[0] ^= 1 }
  }
}
