import CryptoSuite
import Synchronization
import Testing
import WireFormat

@testable import MLS

/// What one member proposes to keep the others from committing, or from committing what they want. Member 1 of each group is that
/// member, member 2 means well, member 0 commits, and member 3 follows.
struct BlockingProposalTests {
  private let suite = testedSuites[0]

  /// What the default commit covers where these proposals of members wait, and that another member accepts it.
  private func commit(
    _ proposals: [(Int, Proposal)], _ world: World, plan: CommitPlan = CommitPlan(),
    psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator = BasicIdentities()
  ) throws -> CommitChanges {
    var (committer, receiver) = (world.members[0], world.members[3])
    for (sender, proposal) in proposals {
      let message = MLSMessage.publicMessage(try world.members[sender].forgePublic(.proposal(proposal))).encoded
      try committer.note(message)
      try receiver.note(message)
    }
    let commit = try committer.group.commit(
      plan, signer: committer.client.signer, psks: psks, validator: validator)
    guard case .commit(let received) = try receiver.group.process(commit.message, psks: psks, validator: validator) else {
      throw MLSError.unexpectedMessage
    }
    #expect(received.changes == commit.changes)
    #expect(received.group?.epochAuthenticator == commit.group.epochAuthenticator)
    // The group can speak again.
    _ = try commit.group.protect([1], signer: committer.client.signer)
    return commit.changes
  }

  @Test func `a ReInit that nobody could commit stops nobody`() throws {
    let service = suite.signature.generateKey()
    let senders = ExternalSenders([ExternalSender(signatureKey: service.publicKey, credential: .basic(identity: [1]))])
    let world = try World(suite, count: 4, extensions: [senders.asExtension])
    let twice = [Extension](repeating: Extension(type: .applicationID, data: []), count: 2)
    for (reInit, expected) in [
      (ReInit(groupID: [1], version: .mls10, cipherSuite: 1, extensions: twice), MLSError.invalidExtensions),
      (
        ReInit(groupID: [1], version: ProtocolVersion(rawValue: 0), cipherSuite: 1, extensions: []),
        .invalidProposals(.reInitVersion)
      ),
    ] {
      #expect(try commit([(1, .reInit(reInit))], world).proposers.isEmpty)
      var committer = world.members[0]
      try committer.note(
        ExternalProposal.make(
          .reInit(reInit), groupID: committer.group.groupID, epoch: committer.group.epoch, senderIndex: 0, signer: service,
          cipherSuite: suite))
      let signer = committer.client.signer
      #expect(throws: Never.self) {
        try committer.group.commit(CommitPlan(), signer: signer, validator: BasicIdentities())
      }
      // Whoever names it is told what is wrong with it.
      let reference = committer.group.pendingProposals[0].reference
      #expect(throws: expected) {
        try committer.group.commit(CommitPlan(references: [reference]), signer: signer, validator: BasicIdentities())
      }
    }
  }

  @Test func `a flood of pre-shared keys keeps no removal out`() throws {
    struct OneKey: PSKProvider {
      func secret(for id: PreSharedKeyID) -> Secret? { Secret([1]) }
    }
    let world = try World(suite, count: 5)
    let flood = (0...Limits.maxPreSharedKeys).map { number in
      (1, Proposal.preSharedKey(.external(id: [UInt8(number / 256), UInt8(number % 256)], cipherSuite: suite)))
    }
    let changes = try commit(flood + [(2, .remove(LeafIndex(4)))], world, psks: OneKey())
    #expect(changes.removed.map(\.leafIndex) == [LeafIndex(4)])
    #expect(changes.preSharedKeys.count == Limits.maxPreSharedKeys)
    // The plan's own come first.
    let own = PreSharedKeyID.external(id: [9], cipherSuite: suite)
    let more = try commit(flood, world, plan: CommitPlan(psks: [own]), psks: OneKey())
    #expect(more.preSharedKeys.count == Limits.maxPreSharedKeys && more.preSharedKeys.last == own)
  }

  @Test func `removals come before what excludes others, then Updates and Adds, then the rest`() throws {
    let world = try World(suite, count: 5)
    var lacking = Client("lacking", suite)
    lacking.proposals = []
    let add = Proposal.add(try lacking.bundle().keyPackage)
    let required = RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0A6)]).asExtension
    let custom = Proposal.custom(type: ProposalType(rawValue: 0xF0A6), content: [1])
    let changes = try commit(
      [(1, .groupContextExtensions([required])), (2, .remove(LeafIndex(4))), (2, add), (2, custom)], world)
    #expect(changes.removed.map(\.leafIndex) == [LeafIndex(4)] && changes.added.count == 1)
    #expect(changes.newExtensions == nil && changes.custom.map(\.content) == [[1]])
  }

  /// Each newcomer is good by itself, but they do not understand each other's credentials.
  @Test func `newcomers who exclude each other keep few others out`() throws {
    let world = try World(suite, count: 5, credentials: [.basic, .x509])
    func newcomer(_ number: Int, certified: Bool) throws -> Proposal {
      let client = Client("new \(number)", suite)
      return .add(
        try client.bundle().keyPackage.forged(by: client) {
          if certified { $0.leafNode.credential = .x509(certificates: [[UInt8(number)]]) }
          // The members have basic ones, so all must know them; these know nothing of certificates.
          $0.leafNode.capabilities.credentials = certified ? [.basic, .x509] : [.basic]
        })
    }
    var proposals = try (0..<12).map { (1, try newcomer($0, certified: !$0.isMultiple(of: 2))) }
    proposals.append((2, .remove(LeafIndex(4))))
    proposals.append((2, try newcomer(100, certified: false)))
    let changes = try commit(proposals, world, validator: AnyCredential())
    #expect(changes.removed.map(\.leafIndex) == [LeafIndex(4)])
    // Those of one kind, and all of them.
    let kinds = Set(changes.added.map(\.credential.type))
    #expect(kinds.count == 1 && changes.added.count >= 6)
    #expect(kinds != [.basic] || changes.added.last?.credential == .basic(identity: Array("new 100".utf8)))
  }

  /// A plan that cannot be is not tried beside every part of what waits.
  @Test func `a plan that is invalid by itself is refused soon`() throws {
    final class Counting: CredentialValidator {
      let count = Mutex(0)

      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
        guard credential == .basic(identity: Array("bad".utf8)) else { return true }
        count.withLock { $0 += 1 }
        return false
      }

      func sameIdentity(old: Credential, new: Credential) -> Bool { true }
    }
    let world = try World(suite, count: 5, credentials: [.basic, .x509])
    func newcomer(_ name: String, knowing credentials: [CredentialType]) throws -> KeyPackage {
      let client = Client(name, suite)
      return try client.bundle().keyPackage.forged(by: client) { $0.leafNode.capabilities.credentials = credentials }
    }
    var committer = world.members[0]
    for number in 0..<70 {
      let newcomer = Proposal.add(try newcomer("new \(number)", knowing: [.basic]))
      let custom = Proposal.custom(type: ProposalType(rawValue: 0xF0A6), content: [UInt8(number)])
      for proposal in [newcomer, custom] {
        try committer.note(MLSMessage.publicMessage(try world.members[1].forgePublic(.proposal(proposal))).encoded)
      }
    }
    let bad = try newcomer("bad", knowing: [.basic, .x509])
    let (validator, signer) = (Counting(), committer.client.signer)
    #expect(throws: MLSError.self) {
      try committer.group.commit(CommitPlan(adds: [bad]), signer: signer, validator: validator)
    }
    // Each attempt asks about it once; two come before the search.
    #expect(validator.count.withLock { $0 } <= Limits.maxCommitAttempts + 3)
  }

  /// Member 4 lacks what the plan requires until its Update; member 1 would lose it with its own.
  @Test func `a plan that needs a waiting Update finds it beside one that excludes it`() throws {
    var world = try World(suite, count: 4)
    var lacking = Client("lacking", suite)
    lacking.proposals = [.selfRemove]
    try world.add([lacking], by: 0)
    let type = ProposalType(rawValue: 0xF0A6)
    for (index, proposals) in [(4, [type, .selfRemove]), (1, [.selfRemove])] {
      var client = world.members[index].client
      client.proposals = proposals
      let update = try world.members[index].group.proposeUpdate(leaf: client.parameters, signer: client.signer)
      for other in [0, 3] { try world.members[other].note(update.message) }
    }
    let required = RequiredCapabilities(proposalTypes: [type]).asExtension
    let changes = try commit([], world, plan: CommitPlan(extensions: [required]))
    // The committer's is that of its path.
    #expect(Set(changes.updated.map(\.leafIndex)) == [LeafIndex(0), LeafIndex(4)])
    #expect(changes.newExtensions == [required])
  }

  @Test func `whoever has an Update of one's own waiting commits all the same`() throws {
    var world = try World(suite, count: 4)
    let update = try world.members[0].group.proposeUpdate(signer: world.members[0].client.signer)
    world.members[0].group = update.group
    for index in 1...3 { try world.members[index].note(update.message) }
    let changes = try commit([(1, .custom(type: ProposalType(rawValue: 0xF0A6), content: [3]))], world)
    #expect(changes.updated.map(\.leafIndex) == [LeafIndex(0)] && changes.custom.count == 1)
  }
}
