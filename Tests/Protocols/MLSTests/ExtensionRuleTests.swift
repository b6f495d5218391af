import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What RFC 9420 §5.3.1, §11.1, §12.1.7 and §13.4 ask of extensions and of who must support them.
struct ExtensionRuleTests {
  private let suite = testedSuites[0]
  private let twice = [Extension](
    repeating: Extension(type: ExtensionType(rawValue: 0xF0A5), data: []), count: 2)

  @Test func `no list has two extensions of a type`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    let client = Client("new", suite)
    let package = try client.bundle().keyPackage
    let ofPackage = try package.forged(by: client) { $0.extensions = twice }
    world.refuse(.invalidExtensions, try forger.forge([.add(ofPackage)]))
    let ofLeaf = try package.forged(by: client) { $0.leafNode.extensions = twice }
    world.refuse(.invalidExtensions, try forger.forge([.add(ofLeaf)]))
    world.refuse(.invalidExtensions, try forger.forge([.groupContextExtensions(twice)], path: forger.path()))
    let reInit = ReInit(groupID: [1], version: .mls10, cipherSuite: 1, extensions: twice)
    world.refuse(.invalidExtensions, try forger.forge([.reInit(reInit)]))
    #expect(throws: MLSError.invalidExtensions) {
      try Group.create(
        groupID: [1], cipherSuite: suite, extensions: twice, leaf: client.parameters, signer: client.signer,
        validator: BasicIdentities())
    }
  }

  @Test func `an external sender's credential is judged before it may send`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    func senders(_ identity: [UInt8]) -> Extension {
      let key = suite.signature.generateKey().publicKey
      return ExternalSenders([ExternalSender(signatureKey: key, credential: .basic(identity: identity))]).asExtension
    }
    let path = try forger.path(over: [.groupContextExtensions([senders([1])])])
    world.refuse(.invalidExternalSender, try forger.forge([.groupContextExtensions([senders([])])], path: path))
    #expect(throws: MLSError.invalidExternalSender) {
      try Group.create(
        groupID: [1], cipherSuite: suite, extensions: [senders([])], leaf: forger.client.parameters,
        signer: forger.client.signer, validator: BasicIdentities())
    }
  }

  @Test func `what a group is to require, all members support`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    func commit(_ list: [Extension]) throws -> [UInt8] {
      try forger.forge([.groupContextExtensions(list)], path: forger.versatilePath())
    }
    for lacking in [
      RequiredCapabilities(extensionTypes: [ExtensionType(rawValue: 0xF0BB)]),
      RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0BB)]),
      RequiredCapabilities(credentialTypes: [.x509]),
    ] {
      world.refuse(.invalidProposals(.requiredCapabilities), try commit([lacking.asExtension]))
    }
    let unknown = Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])
    world.refuse(.invalidProposals(.requiredCapabilities), try commit([unknown]))
  }

  @Test func `what a group is to require is held against the tree after the commit`() throws {
    var world = try World(suite, count: 2)
    var client = Client("new", suite)
    client.proposals = []
    try world.add([client], by: 0)
    let required = RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0A6)]).asExtension
    func commit(_ plan: CommitPlan, by committer: Int) throws {
      let member = world.members[committer]
      _ = try member.group.commit(plan, signer: member.client.signer, validator: BasicIdentities())
    }
    // Somebody lacks it who does not change, or who changes and still lacks it.
    #expect(throws: MLSError.invalidProposals(.requiredCapabilities)) { try commit(CommitPlan(extensions: [required]), by: 0) }
    #expect(throws: MLSError.invalidLeafNode(.requiredCapabilities)) { try commit(CommitPlan(extensions: [required]), by: 2) }
    client.proposals = [ProposalType(rawValue: 0xF0A6)]
    try world.commit(CommitPlan(extensions: [required], leaf: client.parameters), by: 2)
    try world.checkAgreement()
  }

  @Test func `a new list of extensions counts for the proposals beside it`() throws {
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    var client = Client("new", suite)
    client.proposals = []
    let add = Proposal.add(try client.bundle().keyPackage)
    let required = RequiredCapabilities(proposalTypes: [ProposalType(rawValue: 0xF0A6)]).asExtension
    let commit = try forger.forge([add, .groupContextExtensions([required])], path: forger.path())
    world.refuse(.invalidLeafNode(.requiredCapabilities), commit)
  }

  @Test func `a proposal of a type that some do not support waits until they are gone`() throws {
    var world = try World(suite, count: 2)
    var client = Client("new", suite)
    client.proposals = []
    try world.add([client], by: 0)
    let type = ProposalType(rawValue: 0xF0A6)
    let custom = Proposal.custom(type: type, content: [1])
    world.refuse(.invalidProposals(.unsupportedType), try world.members[0].forge([custom], path: world.members[0].path()))
    let commit = try world.commit(CommitPlan(removes: [LeafIndex(2)], custom: [(type, [1])]), by: 0)
    #expect(commit.changes.custom.map(\.content) == [[1]])
  }
}
