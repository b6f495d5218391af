import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// Proposals and commits from outside the group (RFC 9420 §12.1.8, §12.2, §12.4.3.2).
struct ExternalRuleTests {
  private let suite = testedSuites[0]

  @Test func `external senders propose what they may`() throws {
    let service = suite.signature.generateKey()
    let senders = ExternalSenders([ExternalSender(signatureKey: service.publicKey, credential: .basic(identity: [1]))])
    var world = try World(suite, count: 3, extensions: [senders.asExtension])
    let group = world.members[0].group
    func make(_ proposal: Proposal, index: UInt32 = 0, signer: SigningKey) throws -> [UInt8] {
      try ExternalProposal.make(
        proposal, groupID: group.groupID, epoch: group.epoch, senderIndex: index, signer: signer, cipherSuite: suite)
    }
    let remove = Proposal.remove(LeafIndex(2))
    #expect(throws: MLSError.invalidSender) {
      try world.members[0].receive(make(remove, index: 1, signer: service))
    }
    #expect(throws: MLSError.invalidSignature(.content)) {
      try world.members[0].receive(make(remove, signer: suite.signature.generateKey()))
    }
    #expect(throws: MLSError.invalidProposals(.senderNotAllowed)) {
      try make(.update(group.ownLeafNode), signer: service)
    }
    let content = FramedContent(
      groupID: group.groupID, epoch: group.epoch, sender: .external(0), authenticatedData: [],
      body: .proposal(.update(group.ownLeafNode)))
    let signed = try content.sign(format: .publicMessage, groupContext: [], signer: service, suite: suite)
    let update = PublicMessage(content: content, auth: signed.auth, membershipTag: nil)
    #expect(throws: MLSError.invalidProposals(.senderNotAllowed)) {
      try world.members[0].receive(MLSMessage.publicMessage(update).encoded)
    }
    let message = try make(remove, signer: service)
    for index in world.members.indices { try world.members[index].note(message) }
    // The same message once more is the same proposal.
    try world.members[0].note(message)
    #expect(world.members[0].group.pendingProposals.count == 1)
    let waiting = world.members[0].group.pendingProposals.map(\.reference)
    let commit = try world.commit(CommitPlan(references: waiting), by: 0)
    #expect(commit.changes.removed.map(\.leafIndex) == [LeafIndex(2)])
    #expect(commit.changes.proposers.map(\.sender) == [.external(0)])
  }

  @Test func `an external sender proposes what only the application understands, where all support it`() throws {
    let service = suite.signature.generateKey()
    let senders = ExternalSenders([ExternalSender(signatureKey: service.publicKey, credential: .basic(identity: [1]))])
    var world = try World(suite, count: 3, extensions: [senders.asExtension])
    func take(_ type: UInt16) throws -> ProposalRef {
      let group = world.members[0].group
      let message = try ExternalProposal.make(
        .custom(type: ProposalType(rawValue: type), content: [7]), groupID: group.groupID, epoch: group.epoch,
        senderIndex: 0, signer: service, cipherSuite: suite)
      for index in world.members.indices { try world.members[index].note(message) }
      return try #require(world.members[0].group.pendingProposals.last).reference
    }
    let supported = try take(0xF0A6)
    let commit = try world.commit(CommitPlan(references: [supported], forcePath: false), by: 0)
    #expect(commit.changes.custom.map(\.sender) == [.external(0)] && commit.changes.custom.map(\.content) == [[7]])
    try world.checkAgreement()
    let unsupported = try take(0xF0BB)
    #expect(throws: MLSError.invalidProposals(.unsupportedType)) {
      try world.commit(CommitPlan(references: [unsupported]), by: 0)
    }
    #expect(try world.commit(CommitPlan(), by: 0).changes.custom.isEmpty)
  }

  @Test func `a newcomer asks to be added`() throws {
    var world = try World(suite, count: 2)
    let group = world.members[0].group
    let client = Client("new", suite)
    let bundle = try client.bundle()
    let message = try ExternalProposal.requestToJoin(
      with: bundle.keyPackage, groupID: group.groupID, epoch: group.epoch, signer: client.signer, cipherSuite: suite)
    for index in world.members.indices { try world.members[index].note(message) }
    let waiting = world.members[1].group.pendingProposals.map(\.reference)
    let commit = try world.commit(CommitPlan(references: waiting), by: 1)
    _ = try Group.join(welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())

    let content = FramedContent(
      groupID: group.groupID, epoch: commit.group.epoch, sender: .newMemberProposal, authenticatedData: [],
      body: .proposal(.remove(LeafIndex(0))))
    let signed = try content.sign(format: .publicMessage, groupContext: [], signer: client.signer, suite: suite)
    let remove = PublicMessage(content: content, auth: signed.auth, membershipTag: nil)
    #expect(throws: MLSError.invalidSender) {
      try world.members[0].receive(MLSMessage.publicMessage(remove).encoded)
    }
  }

  @Test func `a request to join that no commit could cover keeps nobody from sending`() throws {
    var world = try World(suite, count: 2)
    let group = world.members[0].group
    let client = Client("new", suite)
    let good = try client.bundle().keyPackage
    var unsigned = good
    unsigned.signature = []
    let nobody = try good.forged(by: client) { $0.leafNode.credential = .basic(identity: []) }
    for (bad, expected) in [
      (unsigned, MLSError.invalidSignature(.keyPackage)), (nobody, .invalidLeafNode(.credential)),
    ] {
      let request = try ExternalProposal.requestToJoin(
        with: bad, groupID: group.groupID, epoch: group.epoch, signer: client.signer, cipherSuite: suite)
      #expect(throws: expected) { try world.members[0].receive(request) }
    }
    _ = try world.members[0].send([1])
  }

  @Test func `what waits for a commit is bounded in bytes`() throws {
    var world = try World(suite, count: 2)
    let size = Limits.maxPendingByteCount / 3
    for step in 0..<3 {
      let proposal = Proposal.custom(type: ProposalType(rawValue: 0xF0A6), content: [UInt8](repeating: UInt8(step), count: size))
      let sent = try world.members[1].forge(.proposal(proposal), encrypt: false)
      if step < 2 {
        try world.members[0].note(sent)
      } else {
        #expect(throws: MLSError.tooManyProposals) { try world.members[0].receive(sent) }
        #expect(throws: MLSError.tooManyProposals) {
          try world.members[0].group.propose(proposal, signer: world.members[0].client.signer)
        }
      }
    }
  }

  @Test func `a member leaves by asking for it`() throws {
    var world = try World(suite, count: 3)
    let sent = try world.members[2].group.propose(.remove(LeafIndex(2)), signer: world.members[2].client.signer)
    world.members[2].group = sent.group
    for index in 0..<2 { try world.members[index].note(sent.message) }
    // Its own commit cannot cover it.
    let own = try world.members[2].group.commit(
      CommitPlan(), signer: world.members[2].client.signer, validator: BasicIdentities())
    #expect(own.changes.removed.isEmpty)
    try world.commit(CommitPlan(), by: 1)
    #expect(world.members.count == 2)
    try world.checkAgreement()
  }

  @Test func `a bad pending proposal does not stop a commit`() throws {
    var world = try World(suite, count: 3)
    let client = Client("new", suite)
    var bad = try client.bundle().keyPackage
    bad.signature[0] ^= 1
    for proposal in [Proposal.add(bad), .preSharedKey(.external(id: [1], cipherSuite: suite)), .remove(LeafIndex(7))] {
      let message = try world.members[1].forge(.proposal(proposal), encrypt: false)
      try world.members[0].note(message)
    }
    #expect(world.members[0].group.pendingProposals.count == 3)
    let commit = try world.commit(CommitPlan(), by: 0)
    #expect(commit.changes.added.isEmpty)
  }

  @Test func `proposals that exclude each other do not stop a commit`() throws {
    let world = try World(suite, count: 3)
    func commit(_ proposals: [Proposal]) throws -> CommitChanges {
      var (committer, receiver) = (world.members[0], world.members[2])
      for proposal in proposals {
        let message = MLSMessage.publicMessage(try world.members[1].forgePublic(.proposal(proposal))).encoded
        try committer.note(message)
        try receiver.note(message)
      }
      #expect(committer.group.pendingProposals.count == proposals.count)
      let commit = try committer.group.commit(
        CommitPlan(), signer: committer.client.signer, validator: BasicIdentities())
      guard case .commit(let received) = try receiver.receive(commit.message) else { throw MLSError.unexpectedMessage }
      return received.changes
    }
    var lacking = Client("lacking", suite)
    lacking.proposals = []
    let add = Proposal.add(try lacking.bundle().keyPackage)
    let required = RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0A6)]).asExtension
    let together = try commit([.groupContextExtensions([required]), add])
    #expect(together.added.count == 1)
    #expect(together.newExtensions == nil)

    // Two newcomers with one encryption key.
    let first = Client("first", suite)
    let second = Client("second", suite)
    let package = try first.bundle().keyPackage
    let twin = try second.bundle().keyPackage.forged(by: second) {
      $0.leafNode.encryptionKey = package.leafNode.encryptionKey
    }
    #expect(try commit([.add(package), .add(twin)]).added.map(\.credential) == [package.leafNode.credential])
  }

  @Test func `an external commit holds its one ExternalInit and little else`() throws {
    let world = try World(suite, count: 3)
    let joiner = Client("joiner", suite)
    let state = world.members[0].group.state
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    let good = try Group.joinExternally(
      groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, validator: BasicIdentities())
    guard case .publicMessage(let message) = try MLSMessage(decoding: good.message),
      case .commit(let commit) = message.content.body
    else { throw MLSError.unexpectedMessage }

    func refused(
      _ expected: MLSError, sourceLocation: SourceLocation = #_sourceLocation, _ edit: (inout Commit) throws -> Void
    ) throws {
      var changed = commit
      try edit(&changed)
      var content = message.content
      content.body = .commit(changed)
      var signed = try content.sign(
        format: .publicMessage, groupContext: state.contextBytes, signer: joiner.signer, suite: suite)
      signed.auth.confirmationTag = message.auth.confirmationTag
      let forged = PublicMessage(content: content, auth: signed.auth, membershipTag: nil)
      #expect(throws: expected, sourceLocation: sourceLocation) {
        try world.members[0].receive(MLSMessage.publicMessage(forged).encoded)
      }
    }
    try refused(.invalidProposals(.externalCommit)) { $0.proposals = [] }
    try refused(.invalidProposals(.externalCommit)) { $0.proposals += $0.proposals }
    try refused(.invalidProposals(.pathMissing)) { $0.path = nil }
    try refused(.invalidProposals(.senderNotAllowed)) {
      $0.proposals.append(.proposal(.add(try Client("friend", suite).bundle().keyPackage)))
    }
    try refused(.invalidProposals(.senderNotAllowed)) { $0.proposals.append(.proposal(.groupContextExtensions([]))) }
    try refused(.invalidProposals(.externalCommit)) {
      $0.proposals += [.proposal(.remove(LeafIndex(1))), .proposal(.remove(LeafIndex(2)))]
    }
    // The leaf was signed for the place that was free before.
    try refused(.invalidSignature(.leafNode)) { $0.proposals.append(.proposal(.remove(LeafIndex(1)))) }
    try refused(.crypto(.invalidLength(expected: 32, actual: 1))) { $0.proposals = [.proposal(.externalInit(kemOutput: [1]))] }
    try refused(.unknownProposal) { $0.proposals.append(.reference(ProposalRef([1]))) }
    try refused(.invalidSignature(.leafNode)) { $0.path?.leafNode.signature[0] ^= 1 }
    try refused(.missingPreSharedKey) {
      $0.proposals.append(.proposal(.preSharedKey(.external(id: [1], cipherSuite: suite))))
    }
    // A joiner that does not ask who it replaces is asked by the members.
    let theft = try Group.joinExternally(
      groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, removing: LeafIndex(1),
      validator: AnyCredential())
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) { try world.members[0].receive(theft.message) }
  }

  @Test func `an external commit takes nothing by reference that members proposed`() throws {
    var world = try World(suite, count: 3)
    let proposal = try world.members[2].forge(.proposal(.remove(LeafIndex(0))), encrypt: false)
    try world.members[1].note(proposal)
    let reference = try #require(world.members[1].group.pendingProposals.first).reference
    let good = try ExternalForgery(world, Client("joiner", suite))
    world.refuse(
      .invalidProposals(.externalCommit), try good.forged { $0.proposals.append(.reference(reference)) })
  }
}
