import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// The rules of a leaf (RFC 9420 §7.3) by whichever way it comes. All leaves here are signed with their own keys.
struct LeafRuleTests {
  private let suite = testedSuites[0]

  @Test func `one's own leaf lists version and suite, and nobody else is asked`() throws {
    let rule = MLSError.invalidLeafNode(.versionOrSuiteNotInCapabilities)
    var world = try World(suite, count: 2)
    let client = Client("new", suite)
    let made = try client.bundle()
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    let keyPaths: [WritableKeyPath<Capabilities, [UInt16]>] = [\.versionNumbers, \.cipherSuites]
    for lists in keyPaths {
      for numbers in [[], [3]] as [[UInt16]] {
        var leaf = client.parameters
        leaf.capabilities[keyPath: lists] = numbers
        #expect(throws: rule) {
          try KeyPackageBundle.generate(
            cipherSuite: suite, leaf: leaf, lifetime: Lifetime(notBefore: 0, notAfter: 9), signer: client.signer)
        }
        #expect(throws: rule) {
          try Group.create(
            groupID: [1], cipherSuite: suite, leaf: leaf, signer: client.signer, validator: BasicIdentities())
        }
        #expect(throws: rule) {
          try Group.joinExternally(groupInfo: info, leaf: leaf, signer: client.signer, validator: BasicIdentities())
        }
        let member = world.members[1]
        leaf.credential = member.client.parameters.credential
        #expect(throws: rule) { try member.group.proposeUpdate(leaf: leaf, signer: member.client.signer) }
        #expect(throws: rule) {
          try member.group.commit(CommitPlan(leaf: leaf), signer: member.client.signer, validator: BasicIdentities())
        }
      }
    }
    // Somebody else's, as those of other implementations are.
    let keyPackage = try made.keyPackage.forged(by: client) {
      $0.leafNode.capabilities.cipherSuites = [6]
      $0.leafNode.capabilities.versions = []
    }
    try keyPackage.validate(cipherSuite: suite, validator: BasicIdentities())
    let bundle = try KeyPackageBundle(
      cipherSuite: suite, keyPackage: keyPackage, initKey: made.initKey, leafKey: made.leafKey)
    let commit = try world.commit(CommitPlan(adds: [keyPackage]), by: 0)
    let joined = try Group.join(welcome: #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    world.members.append(Participant(client: client, group: joined.group))
    try world.checkAgreement()
    // Who has such a leaf goes on with it, and may mend it.
    try world.commit(CommitPlan(), by: 2)
    #expect(world.members[2].group.ownLeafNode.capabilities == keyPackage.leafNode.capabilities)
    try world.commit(CommitPlan(leaf: client.parameters), by: 2)
    #expect(world.members[0].group.member(at: LeafIndex(2))?.leafNode.capabilities.cipherSuites.contains(suite.rawValue) == true)
    try world.checkAgreement()
  }

  @Test func `reserved values are supported by nobody`() throws {
    // RFC 9420 §13.5: a leaf lists them for others to pass over, and nothing may use them.
    let reserved: UInt16 = 0x3A3A
    var client = Client("0", suite)
    client.credentials = [.basic, CredentialType(rawValue: reserved)]
    client.proposals.append(ProposalType(rawValue: reserved))
    var leaf = client.parameters
    leaf.capabilities.extensions.append(ExtensionType(rawValue: reserved))
    func create(_ extensions: [Extension], leaf: LeafParameters) throws -> Group {
      try Group.create(
        groupID: [1], cipherSuite: suite, extensions: extensions, leaf: leaf, signer: client.signer,
        validator: AnyCredential())
    }
    let unsupported = Extension(type: ExtensionType(rawValue: reserved), data: [])
    #expect(throws: MLSError.invalidLeafNode(.groupExtensionNotSupported)) { try create([unsupported], leaf: leaf) }
    for required in [
      RequiredCapabilities(extensionTypes: [ExtensionType(rawValue: reserved)]),
      RequiredCapabilities(proposalTypes: [ProposalType(rawValue: reserved)]),
      RequiredCapabilities(credentialTypes: [CredentialType(rawValue: reserved)]),
    ] {
      #expect(throws: MLSError.invalidLeafNode(.requiredCapabilities)) { try create([required.asExtension], leaf: leaf) }
    }
    // 0xFAFA is for private use.
    leaf.capabilities.extensions.append(ExtensionType(rawValue: 0xFAFA))
    let group = try create([Extension(type: ExtensionType(rawValue: 0xFAFA), data: [])], leaf: leaf)
    #expect(throws: MLSError.invalidLeafNode(.groupExtensionNotSupported)) {
      try group.commit(CommitPlan(extensions: [unsupported]), signer: client.signer, validator: AnyCredential())
    }
    // Nor is a credential of such a type one that all understand, though each leaf lists it.
    var tally = MemberTally()
    var other = group.ownLeafNode
    tally.add(other)
    #expect(tally.allUnderstandEachOther)
    other.credential = .other(type: CredentialType(rawValue: reserved), content: [])
    tally.add(other)
    #expect(!tally.allUnderstandEachOther)
  }

  @Test func `a group requires capabilities of each kind`() throws {
    let client = Client("new", suite)
    let package = try client.bundle().keyPackage
    func check(_ required: RequiredCapabilities) throws {
      let requirements = try LeafRequirements(suite: suite, groupID: [1], extensions: [required.asExtension])
      try package.validate(requirements, now: nil, validator: BasicIdentities())
    }
    try check(
      RequiredCapabilities(
        extensionTypes: [ExtensionType(rawValue: 0xF0A5), .externalPub],
        proposalTypes: [ProposalType(rawValue: 0xF0A6), .externalInit], credentialTypes: [.basic]))
    for lacking in [
      RequiredCapabilities(extensionTypes: [ExtensionType(rawValue: 0xF0BB)]),
      RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0BB)]),
      RequiredCapabilities(credentialTypes: [.x509]),
    ] {
      #expect(throws: MLSError.invalidLeafNode(.requiredCapabilities)) { try check(lacking) }
    }
  }

  @Test func `members understand each other's credentials`() throws {
    // Nobody here knows certificates.
    let basic = try World(suite, count: 2)
    let client = Client("new", suite)
    let certified = try client.bundle().keyPackage.forged(by: client) {
      $0.leafNode.credential = .x509(certificates: [[1]])
      $0.leafNode.capabilities.credentials = [.basic, .x509]
    }
    let unknown = try basic.members[0].forge([.add(certified)])
    basic.refuse(.invalidLeafNode(.credentialTypeNotSupported), unknown, validator: AnyCredential())

    // All here do, but the newcomer knows nothing else.
    let both = try World(suite, count: 2, credentials: [.basic, .x509])
    let narrow = try certified.forged(by: client) { $0.leafNode.capabilities.credentials = [.x509] }
    both.refuse(
      .invalidLeafNode(.credentialTypeNotSupported), try both.members[0].forge([.add(narrow)]),
      validator: AnyCredential())
    both.refuse(
      .mismatch(.confirmationTag), try both.members[0].forge([.add(certified)]), validator: AnyCredential())
  }

  /// A leaf by itself may know too little, or use what others do not know yet: what counts is the tree after the commit.
  @Test func `credentials are judged once all leaves have changed`() throws {
    let anyone = AnyCredential()
    let world = try World(suite, count: 3)
    let both: [CredentialType] = [.basic, .x509]
    func leaf(_ member: Participant, certified: Bool) -> LeafParameters {
      var leaf = member.client.parameters
      leaf.capabilities.credentials = both
      if certified { leaf.credential = .x509(certificates: [[1]]) }
      return leaf
    }
    /// The Updates of members, in this order, beside what the committer does; all but the committer then process it.
    func commit(
      by committer: Int, updates: [(member: Int, certified: Bool)], adds: [KeyPackage] = [], leaf own: LeafParameters? = nil
    ) throws -> Group {
      var members = world.members
      for update in updates {
        let proposer = members[update.member]
        let sent = try proposer.group.proposeUpdate(
          leaf: leaf(proposer, certified: update.certified), signer: proposer.client.signer)
        members[update.member].group = sent.group
        for index in members.indices where index != update.member { try members[index].note(sent.message) }
      }
      let made = try members[committer].group.commit(
        CommitPlan(adds: adds, references: members[committer].group.pendingProposals.map(\.reference), leaf: own),
        signer: members[committer].client.signer, validator: anyone)
      for index in members.indices where index != committer {
        guard case .commit(let received) = try members[index].group.process(made.message, validator: anyone),
          let next = received.group
        else { throw MLSError.unexpectedMessage }
        #expect(next.epochAuthenticator == made.group.epochAuthenticator)
      }
      return made.group
    }
    let committerLeaf = leaf(world.members[0], certified: false)
    // One presents a certificate, the other learns of them: in either order, and the committer by its path.
    for order in [[1, 2], [2, 1]] {
      let after = try commit(by: 0, updates: order.map { ($0, certified: $0 == 1) }, leaf: committerLeaf)
      #expect(after.member(at: LeafIndex(1))?.credential == .x509(certificates: [[1]]))
    }
    // So with a newcomer, whom all come to understand by the same commit.
    let client = Client("new", suite)
    let certified = try client.bundle().keyPackage.forged(by: client) {
      $0.leafNode.credential = .x509(certificates: [[1]])
      $0.leafNode.capabilities.credentials = both
    }
    let learning = [1, 2].map { (member: $0, certified: false) }
    #expect(try commit(by: 0, updates: learning, adds: [certified], leaf: committerLeaf).memberCount == 4)
    // Whoever does not learn it is in the way, member or committer.
    for (updates, leaf) in [(Array(learning.prefix(1)), committerLeaf), (learning, nil)] as [([(Int, Bool)], LeafParameters?)] {
      #expect(throws: MLSError.invalidLeafNode(.credentialTypeNotSupported)) {
        try commit(by: 0, updates: updates.map { (member: $0.0, certified: $0.1) }, adds: [certified], leaf: leaf)
      }
    }
  }

  @Test func `an Update follows the rules of a leaf`() throws {
    let world = try World(suite, count: 4)
    let member = world.members[2]
    let other = world.members[3]
    func refused(
      _ expected: MLSError, signer: SigningKey? = nil, sourceLocation: SourceLocation = #_sourceLocation,
      _ edit: (inout LeafNode) throws -> Void
    ) throws {
      var leaf = member.group.ownLeafNode
      leaf.encryptionKey = suite.hpke.generateKeyPair().publicKey
      leaf.source = .update
      try edit(&leaf)
      leaf = try leaf.signed(
        groupID: member.group.groupID, leafIndex: LeafIndex(2), by: signer ?? member.client.signer, suite)
      var world = world
      try world.members[1].note(member.forge(.proposal(.update(leaf))))
      let reference = try #require(world.members[1].group.pendingProposals.first).reference
      let commit = try world.members[0].forge([.reference(reference)], path: world.members[0].path())
      world.refuse(expected, commit, sourceLocation: sourceLocation)
    }
    try refused(.invalidLeafNode(.source)) { $0.source = .commit(parentHash: [1]) }
    try refused(.invalidLeafNode(.source)) { $0.source = .keyPackage(Lifetime(notBefore: 0, notAfter: .max)) }
    try refused(.invalidLeafNode(.sameEncryptionKey)) { $0.encryptionKey = member.group.ownLeafNode.encryptionKey }
    try refused(.invalidLeafNode(.duplicateEncryptionKey)) { $0.encryptionKey = other.group.ownLeafNode.encryptionKey }
    let parent = try #require(world.members[0].group.state.tree.encryptionKey(at: NodeIndex(rawValue: 3)))
    try refused(.invalidLeafNode(.duplicateEncryptionKey)) { $0.encryptionKey = parent }
    try refused(.invalidLeafNode(.duplicateSignatureKey), signer: other.client.signer) {
      $0.signatureKey = other.client.signer.publicKey
    }
    try refused(.invalidLeafNode(.identityChanged)) { $0.credential = .basic(identity: [1]) }
    try refused(.invalidLeafNode(.credential)) { $0.credential = .basic(identity: []) }
    try refused(.invalidLeafNode(.invalidKey)) { $0.encryptionKey = [1] }
    try refused(.invalidSignature(.leafNode), signer: other.client.signer) { _ in }
  }

  @Test func `the leaf of an external joiner follows the rules of a leaf`() throws {
    let world = try World(suite, count: 4)
    let good = try ExternalForgery(world, Client("joiner", suite))
    guard case .commit(let received) = try world.members[1].receive(good.forged()) else {
      throw MLSError.unexpectedMessage
    }
    #expect(received.changes.externalJoiner == LeafIndex(4))

    world.refuse(.invalidLeafNode(.source), try good.withLeaf { $0.source = .update })
    world.refuse(.invalidLeafNode(.credential), try good.withLeaf { $0.credential = .basic(identity: []) })
    let certified = try good.withLeaf {
      $0.credential = .x509(certificates: [[1]])
      $0.capabilities.credentials = [.basic, .x509]
    }
    world.refuse(.invalidLeafNode(.credentialTypeNotSupported), certified, validator: AnyCredential())
    let member = world.members[3].client.signer
    world.refuse(
      .invalidLeafNode(.duplicateSignatureKey), try good.withLeaf(by: member) { $0.signatureKey = member.publicKey })
    world.refuse(
      .invalidPath(.duplicateKey),
      try good.withLeaf { $0.encryptionKey = world.members[3].group.ownLeafNode.encryptionKey })
    // Signed by the joiner's key, but that of another leaf.
    world.refuse(.invalidSignature(.content), try good.forged(by: member))
  }

  @Test func `who comes back from outside comes with a new key and the same identity`() throws {
    let world = try World(suite, count: 4)
    let back = try ExternalForgery(world, world.members[2].client, removing: LeafIndex(2))
    _ = try world.members[1].receive(back.forged())
    world.refuse(
      .invalidLeafNode(.sameEncryptionKey),
      try back.withLeaf { $0.encryptionKey = world.members[2].group.ownLeafNode.encryptionKey })
    world.refuse(.invalidLeafNode(.identityChanged), try back.withLeaf { $0.credential = .basic(identity: [1]) })
  }

  @Test func `a lifetime counts from its first second to its last`() throws {
    let package = try Client("new", suite).bundle().keyPackage
    for now in [100, 150, 200] as [UInt64] {
      try package.validate(cipherSuite: suite, now: now, validator: BasicIdentities())
    }
    for now in [0, 99] as [UInt64] {
      #expect(throws: MLSError.invalidLeafNode(.lifetime)) {
        try package.validate(cipherSuite: suite, now: now, validator: BasicIdentities())
      }
    }
    for now in [201, .max] as [UInt64] {
      #expect(throws: MLSError.invalidLeafNode(.lifetime)) {
        try package.validate(cipherSuite: suite, now: now, validator: BasicIdentities())
      }
    }
  }

  @Test func `an expired key package that waits does not stop a commit`() throws {
    var world = try World(suite, count: 2)
    let add = Proposal.add(try Client("new", suite).bundle().keyPackage)
    try world.members[0].note(world.members[1].forge(.proposal(add), encrypt: false))
    let member = world.members[0]
    for (now, count) in [(200, 1), (201, 0)] as [(UInt64, Int)] {
      let commit = try member.group.commit(
        CommitPlan(now: now), signer: member.client.signer, validator: BasicIdentities())
      #expect(commit.changes.added.count == count)
    }
  }
}

extension Capabilities {
  fileprivate var versionNumbers: [UInt16] {
    get { versions.map(\.rawValue) }
    set { versions = newValue.map { ProtocolVersion(rawValue: $0) } }
  }
}
