import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// The rules of RFC 9420 §12.1 and §12.2, each broken by a member who signs and encrypts properly.
struct ProposalRuleTests {
  private let suite = testedSuites[0]

  /// Member 0 forges, member 1 must refuse with this error and keep its state.
  private func refuse(
    _ expected: MLSError, _ message: [UInt8], _ world: World, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let before = world.members[1].group.archive()
    #expect(throws: expected, sourceLocation: sourceLocation) { try world.members[1].receive(message) }
    #expect(world.members[1].group.archive() == before, sourceLocation: sourceLocation)
  }

  @Test func `a committer neither removes nor updates itself`() throws {
    var world = try World(suite, count: 4)
    let forger = world.members[0]
    refuse(.invalidProposals(.removeOfCommitter), try forger.forge([.remove(LeafIndex(0))]), world)
    refuse(.invalidProposals(.updateByCommitter), try forger.forge([.update(forger.group.ownLeafNode)]), world)
    let update = try forger.group.proposeUpdate(signer: forger.client.signer)
    world.members[0].group = update.group
    try world.members[1].note(update.message)
    let reference = update.group.pendingProposals[0].reference
    refuse(.invalidProposals(.updateByCommitter), try world.members[0].forge([.reference(reference)]), world)
    #expect(throws: MLSError.invalidProposals(.removeOfCommitter)) {
      try forger.group.commit(
        CommitPlan(removes: [LeafIndex(0)]), signer: forger.client.signer, validator: BasicIdentities())
    }
  }

  @Test func `one leaf is changed once, and only where there is a member`() throws {
    var world = try World(suite, count: 4)
    let forger = world.members[0]
    let remove = Proposal.remove(LeafIndex(2))
    refuse(.invalidProposals(.conflictingChanges), try forger.forge([remove, remove]), world)
    refuse(.invalidProposals(.removeOfBlankLeaf), try forger.forge([.remove(LeafIndex(4))]), world)
    refuse(.invalidProposals(.removeOfBlankLeaf), try forger.forge([.remove(LeafIndex(UInt32.max))]), world)
    let update = try world.members[2].group.proposeUpdate(signer: world.members[2].client.signer)
    try world.members[1].note(update.message)
    let reference = update.group.pendingProposals[0].reference
    refuse(
      .invalidProposals(.conflictingChanges),
      try forger.forge([.proposal(remove), .reference(reference)]), world)
    refuse(.unknownProposal, try forger.forge([.reference(ProposalRef([1, 2, 3]))]), world)
    let again = try update.group.proposeUpdate(signer: world.members[2].client.signer)
    try world.members[1].note(again.message)
    let references = world.members[1].group.pendingProposals.map { ProposalOrRef.reference($0.reference) }
    refuse(.invalidProposals(.conflictingChanges), try forger.forge(references, path: forger.path()), world)
  }

  @Test func `a list changes leaves of members only, and is applied to the tree that it was made for`() throws {
    var world = try World(suite, count: 4)
    let state = world.members[0].group.state
    func list(removing leaf: LeafIndex) throws -> ProposalList {
      let committer = Sender.member(LeafIndex(0))
      let remove = CommittedProposal(proposal: .remove(leaf), sender: committer, reference: nil)
      return try ProposalList([remove], committer: committer, in: state)
    }
    #expect(throws: MLSError.invalidProposals(.removeOfBlankLeaf)) { try list(removing: LeafIndex(4)) }
    let good = try list(removing: LeafIndex(2))
    _ = try ProvisionalState(applying: good, to: state, validator: BasicIdentities())
    try world.commit(CommitPlan(removes: [LeafIndex(2)]), by: 0)
    #expect(throws: MLSError.invalidProposals(.removeOfBlankLeaf)) {
      try ProvisionalState(applying: good, to: world.members[0].group.state, validator: BasicIdentities())
    }
  }

  @Test func `a proposal counts in its own epoch only`() throws {
    var world = try World(suite, count: 4)
    let message = try world.members[2].forge(.proposal(.remove(LeafIndex(3))), encrypt: false)
    for index in 0..<2 { try world.members[index].note(message) }
    let reference = try #require(world.members[1].group.pendingProposals.first).reference
    try world.commit(CommitPlan(includePending: false), by: 0)
    #expect(world.members[1].group.pendingProposals.isEmpty)
    let forger = world.members[0]
    refuse(.unknownProposal, try forger.forge([.reference(reference)], path: forger.path()), world)
  }

  @Test func `nobody is added twice`() throws {
    let world = try World(suite, count: 3)
    let forger = world.members[0]
    let bundle = try Client("new", suite).bundle()
    let add = Proposal.add(bundle.keyPackage)
    refuse(.invalidProposals(.duplicateAdd), try forger.forge([add, add]), world)
    let friend = Client("friend", suite)
    let two = try (0..<2).map { _ in Proposal.add(try friend.bundle().keyPackage) }
    refuse(.invalidProposals(.duplicateAdd), try forger.forge(two), world)
    let again = try world.members[2].client.bundle()
    refuse(.invalidProposals(.alreadyMember), try forger.forge([.add(again.keyPackage)]), world)
    // Unless the same commit removes it.
    var copy = world
    let replaced = try copy.commit(CommitPlan(adds: [again.keyPackage], removes: [LeafIndex(2)]), by: 0)
    _ = try Group.join(welcome: try #require(replaced.welcome), keyPackage: again, validator: BasicIdentities())
    let twin = Client("twin", suite)
    let stolenKey = try twin.bundle().keyPackage.forged(by: twin) {
      $0.leafNode.encryptionKey = world.members[2].group.ownLeafNode.encryptionKey
    }
    refuse(.invalidLeafNode(.duplicateEncryptionKey), try forger.forge([.add(stolenKey)]), world)
  }

  @Test func `a key package is good in every respect`() throws {
    let required = RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0A6)], credentialTypes: [.basic])
    let world = try World(
      suite, count: 2,
      extensions: [required.asExtension, Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])])
    let forger = world.members[0]
    let client = Client("new", suite)
    let good = try client.bundle().keyPackage
    func refused(_ expected: MLSError, _ edit: (inout KeyPackage) -> Void) throws {
      refuse(expected, try forger.forge([.add(try good.forged(by: client, edit))]), world)
    }
    try refused(.invalidKeyPackage(.version)) { $0.version = ProtocolVersion(rawValue: 2) }
    try refused(.invalidKeyPackage(.cipherSuite)) { $0.cipherSuite = 3 }
    try refused(.invalidKeyPackage(.initKeyEqualsEncryptionKey)) { $0.initKey = $0.leafNode.encryptionKey }
    try refused(.invalidKeyPackage(.initKey)) { $0.initKey = [1] }
    try refused(.invalidLeafNode(.invalidKey)) { $0.leafNode.encryptionKey = [1] }
    try refused(.invalidExtensions) {
      $0.extensions = [Extension](repeating: Extension(type: .applicationID, data: []), count: 2)
    }
    try refused(.invalidLeafNode(.extensionNotInCapabilities)) {
      $0.leafNode.extensions = [Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])]
    }
    try refused(.invalidLeafNode(.credentialTypeNotSupported)) { $0.leafNode.capabilities.credentials = [.x509] }
    let foreign = try good.forged(by: client) {
      $0.leafNode.capabilities.credentials = [.basic, .x509]
      $0.leafNode.credential = .x509(certificates: [[1]])
    }
    #expect(throws: MLSError.invalidLeafNode(.credentialTypeNotSupported)) {
      try world.members[1].group.process(forger.forge([.add(foreign)]), validator: AnyCredential())
    }
    try refused(.invalidLeafNode(.requiredCapabilities)) { $0.leafNode.capabilities.proposals = [] }
    try refused(.invalidLeafNode(.groupExtensionNotSupported)) {
      $0.leafNode.extensions = []
      $0.leafNode.capabilities.extensions = []
    }
    try refused(.invalidLeafNode(.source)) { $0.leafNode.source = .commit(parentHash: []) }
    try refused(.invalidLeafNode(.lifetime)) {
      $0.leafNode.source = .keyPackage(Lifetime(notBefore: 2, notAfter: 1))
    }
    try refused(.invalidLeafNode(.credential)) { $0.leafNode.credential = .basic(identity: []) }
    var unsigned = good
    unsigned.signature[3] ^= 1
    refuse(.invalidSignature(.keyPackage), try forger.forge([.add(unsigned)]), world)
    unsigned = good
    unsigned.leafNode.signature[3] ^= 1
    refuse(.invalidSignature(.leafNode), try forger.forge([.add(unsigned)]), world)
    // One's own commit also looks at the clock.
    for now in [UInt64(99), 201] {
      #expect(throws: MLSError.invalidLeafNode(.lifetime)) {
        try forger.group.commit(
          CommitPlan(adds: [good], now: now), signer: forger.client.signer, validator: BasicIdentities())
      }
    }
    // And the good one is good, but for the forger's confirmation tag.
    refuse(.mismatch(.confirmationTag), try forger.forge([.add(good)]), world)
  }

  @Test func `pre-shared keys come once, with a full nonce and for ordinary use`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    let id = PreSharedKeyID.external(id: [1], cipherSuite: suite)
    refuse(.invalidProposals(.duplicatePreSharedKey), try forger.forge([.preSharedKey(id), .preSharedKey(id)]), world)
    var short = id
    short.nonce.removeLast()
    refuse(.invalidProposals(.preSharedKeyNonce), try forger.forge([.preSharedKey(short)]), world)
    for usage in [ResumptionPSKUsage.reinit, .branch] {
      let key = PreSharedKeyID.Key.resumption(usage: usage, groupID: forger.group.groupID, epoch: 1)
      refuse(
        .invalidProposals(.resumptionUsage),
        try forger.forge([.preSharedKey(PreSharedKeyID(key: key, nonce: id.nonce))]), world)
    }
  }

  @Test func `group context extensions are replaced once, by what all support`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    let empty = Proposal.groupContextExtensions([])
    refuse(.invalidProposals(.multipleGroupContextExtensions), try forger.forge([empty, empty]), world)
    let required = RequiredCapabilities(credentialTypes: [.x509]).asExtension
    refuse(
      .invalidProposals(.requiredCapabilities), try forger.forge([.groupContextExtensions([required])], path: forger.versatilePath()),
      world)
    let unknown = Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])
    refuse(
      .invalidProposals(.requiredCapabilities), try forger.forge([.groupContextExtensions([unknown])], path: forger.versatilePath()),
      world)
    refuse(
      .invalidExtensions,
      try forger.forge([.groupContextExtensions([required, required])], path: forger.path()), world)
    var trailing = RequiredCapabilities().asExtension
    trailing.data.append(0)
    refuse(
      .malformed(.trailingBytes(count: 1)),
      try forger.forge([.groupContextExtensions([trailing])], path: forger.path()), world)
    trailing = ExternalSenders([]).asExtension
    trailing.data.append(0)
    refuse(
      .malformed(.trailingBytes(count: 1)),
      try forger.forge([.groupContextExtensions([trailing])], path: forger.path()), world)
  }

  @Test func `ReInit stands alone, ExternalInit and unknown kinds not at all`() throws {
    let world = try World(suite, count: 3)
    let forger = world.members[0]
    let reInit = Proposal.reInit(ReInit(groupID: [1], version: .mls10, cipherSuite: 1, extensions: []))
    refuse(.invalidProposals(.reInitNotAlone), try forger.forge([reInit, reInit]), world)
    refuse(
      .invalidProposals(.reInitNotAlone), try forger.forge([reInit, .remove(LeafIndex(2))], path: forger.path()), world)
    refuse(
      .invalidProposals(.reInitVersion),
      try forger.forge([
        .reInit(ReInit(groupID: [1], version: ProtocolVersion(rawValue: 0), cipherSuite: 1, extensions: []))
      ]), world)
    refuse(.invalidProposals(.senderNotAllowed), try forger.forge([.externalInit(kemOutput: [1])]), world)
    refuse(
      .invalidProposals(.unsupportedType),
      try forger.forge([.custom(type: ProposalType(rawValue: 0xF0BB), content: [])], path: forger.path()), world)
    #expect(throws: WireError.invalidValue(0x0A0A)) { try Proposal(decoding: [0x0A, 0x0A, 0]) }
    #expect(throws: WireError.invalidValue(8)) { try Proposal(decoding: [0, 8, 0]) }
  }

  @Test func `a path is there when it must be`() throws {
    let world = try World(suite, count: 3)
    let forger = world.members[0]
    refuse(.invalidProposals(.pathMissing), try forger.forge([Proposal]()), world)
    refuse(.invalidProposals(.pathMissing), try forger.forge([.remove(LeafIndex(2))]), world)
    refuse(.invalidProposals(.pathMissing), try forger.forge([.groupContextExtensions([])]), world)
    // A type for private use asks for none: such a commit is taken with and without.
    let custom = (type: ProposalType(rawValue: 0xF0A6), content: [UInt8(1)])
    for (forcePath, updated) in [(false, []), (true, [LeafIndex(0)])] as [(Bool, [LeafIndex])] {
      var world = world
      let commit = try world.commit(CommitPlan(custom: [custom], forcePath: forcePath), by: 0)
      #expect(commit.changes.updated.map(\.leafIndex) == updated && commit.changes.custom.count == 1)
      try world.checkAgreement()
    }
    // Beside one that does, it makes no difference.
    let removal = [Proposal.custom(type: custom.type, content: custom.content), .remove(LeafIndex(2))]
    refuse(.invalidProposals(.pathMissing), try forger.forge(removal), world)
  }

  @Test func `the path's leaf follows the rules of a leaf`() throws {
    let world = try World(suite, count: 4)
    let forger = world.members[0]
    let good = try forger.path()
    func refused(_ expected: MLSError, _ edit: (inout UpdatePath) -> Void) throws {
      var path = good
      edit(&path)
      refuse(expected, try forger.forge([Proposal](), path: forger.resign(path)), world)
    }
    let old = forger.group.ownLeafNode
    let other = world.members[2].group.ownLeafNode
    try refused(.invalidLeafNode(.source)) { $0.leafNode.source = .update }
    try refused(.invalidLeafNode(.sameEncryptionKey)) { $0.leafNode.encryptionKey = old.encryptionKey }
    try refused(.invalidPath(.duplicateKey)) { $0.leafNode.encryptionKey = other.encryptionKey }
    try refused(.invalidLeafNode(.identityChanged)) { $0.leafNode.credential = .basic(identity: [1]) }
    try refused(.invalidPath(.parentHash)) { $0.leafNode.source = .commit(parentHash: [1]) }
    try refused(.invalidPath(.wrongLength)) { $0.nodes.removeLast() }
    try refused(.invalidPath(.duplicateKey)) { $0.nodes[0].encryptionKey = $0.nodes[1].encryptionKey }
    try refused(.invalidPath(.duplicateKey)) { $0.nodes[0].encryptionKey = other.encryptionKey }
    try refused(.invalidPath(.invalidKey)) { $0.nodes[0].encryptionKey = [1] }
    try refused(.invalidPath(.wrongCiphertextCount)) { $0.nodes[1].encryptedPathSecrets.removeLast() }
    try refused(.invalidPath(.wrongCiphertextCount)) {
      let one = $0.nodes[1].encryptedPathSecrets[0]
      $0.nodes[1].encryptedPathSecrets.append(one)
    }
    try refused(.crypto(.notAuthentic)) { $0.nodes[0].encryptedPathSecrets[0].ciphertext[0] ^= 1 }
    var unsigned = good
    unsigned.leafNode.signature[0] ^= 1
    refuse(.invalidSignature(.leafNode), try forger.forge([Proposal](), path: unsigned), world)
    // Another member's signature key, with that member's signature.
    let thief = try forger.path(signer: world.members[2].client.signer)
    refuse(.invalidLeafNode(.duplicateSignatureKey), try forger.forge([Proposal](), path: thief), world)
    refuse(.mismatch(.confirmationTag), try forger.forge([Proposal](), path: good), world)
  }

  @Test func `there is no epoch after the last number`() throws {
    var world = try World(suite, count: 3)
    for index in world.members.indices {
      let state = world.members[index].group.state
      var context = state.context
      context.epoch = UInt64.max
      world.members[index].group.state = PublicState(
        suite: suite, context: context, tree: state.tree, tally: state.tally, confirmationTag: state.confirmationTag)
    }
    let forger = world.members[0]
    for leaf in [LeafIndex(1), LeafIndex(2)] {
      #expect(throws: MLSError.groupEnded) { try world.members[1].receive(forger.forge([.remove(leaf)])) }
    }
    #expect(throws: MLSError.groupEnded) {
      try forger.group.commit(CommitPlan(), signer: forger.client.signer, validator: BasicIdentities())
    }
  }
}
