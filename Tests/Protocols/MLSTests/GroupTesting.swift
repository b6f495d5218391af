import CryptoSuite
import Testing

@testable import MLS

/// Takes basic credentials only, and holds a member to its identity.
struct BasicIdentities: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
    if case .basic(let identity) = credential { !identity.isEmpty } else { false }
  }

  func sameIdentity(old: Credential, new: Credential) -> Bool { old == new }
}

/// Somebody with a signature key, in a group or not yet.
struct Client {
  let suite: CipherSuite
  let name: String
  var signer: SigningKey
  var proposals = [ProposalType(rawValue: 0xF0A6), .selfRemove]
  /// The credential types that it lists.
  var credentials: [CredentialType] = [.basic]
  /// Those of its leaf.
  var extensions: [Extension] = []

  init(_ name: String, _ suite: CipherSuite) {
    self.suite = suite
    self.name = name
    signer = suite.signature.generateKey()
  }

  var parameters: LeafParameters {
    LeafParameters(
      credential: .basic(identity: Array(name.utf8)),
      capabilities: Capabilities(
        cipherSuites: [suite.rawValue, 0x0A0A],
        extensions: [ExtensionType(rawValue: 0xF0A5), .appDataDictionary], proposals: proposals, credentials: credentials),
      extensions: extensions)
  }

  func bundle(lastResort: Bool = false) throws -> KeyPackageBundle {
    try KeyPackageBundle.generate(
      cipherSuite: suite, leaf: parameters, lifetime: Lifetime(notBefore: 100, notAfter: 200),
      lastResort: lastResort, signer: signer)
  }
}

/// A client and its state of the group.
struct Participant {
  var client: Client
  var group: Group

  func receive(_ message: [UInt8], psks: any PSKProvider = NoPreSharedKeys()) throws -> Received {
    try group.process(message, psks: psks, validator: BasicIdentities())
  }

  /// Takes a commit that keeps this member, and goes on from its archive.
  mutating func follow(_ commit: OutgoingCommit, psks: any PSKProvider = NoPreSharedKeys()) throws {
    guard case .commit(let received) = try receive(commit.message, psks: psks) else {
      throw MLSError.unexpectedMessage
    }
    #expect(received.changes == commit.changes)
    #expect(received.epoch == commit.group.epoch)
    group = try Group(restoring: try #require(received.group).archive())
    #expect(group.epochAuthenticator == commit.group.epochAuthenticator)
    #expect(group.treeHash == commit.group.treeHash)
  }

  mutating func send(_ text: [UInt8], padding: Int = 0) throws -> [UInt8] {
    let sent = try group.protect(text, authenticatedData: [9], padding: padding, signer: client.signer)
    group = sent.group
    return sent.message
  }

  /// Reads an application message and takes the state after it.
  mutating func read(_ message: [UInt8]) throws -> ApplicationMessage {
    guard case .application(let received, let next) = try receive(message) else { throw MLSError.unexpectedMessage }
    group = next
    return received
  }

  /// Takes a proposal of somebody else.
  mutating func note(_ message: [UInt8]) throws {
    guard case .proposal(_, let next) = try receive(message) else { throw MLSError.unexpectedMessage }
    group = try Group(restoring: next.archive())
  }
}

/// All members of one group, who see every message.
struct World {
  let suite: CipherSuite
  var members: [Participant]

  /// A group of so many, made by one commit.
  init(
    _ suite: CipherSuite, count: Int, extensions: [Extension] = [], credentials: [CredentialType] = [.basic]
  ) throws {
    self.suite = suite
    func client(_ index: Int) -> Client {
      var client = Client("\(index)", suite)
      client.credentials = credentials
      return client
    }
    let creator = client(0)
    let group = try Group.create(
      groupID: SystemRandom().bytes(32), cipherSuite: suite, extensions: extensions, leaf: creator.parameters,
      signer: creator.signer, validator: BasicIdentities())
    members = [Participant(client: creator, group: group)]
    if count > 1 { try add((1..<count).map(client), by: 0) }
  }

  /// Commits a plan by one member and lets all others follow; returns the commit.
  @discardableResult
  mutating func commit(
    _ plan: CommitPlan, by committer: Int, psks: any PSKProvider = NoPreSharedKeys()
  ) throws -> OutgoingCommit {
    let commit = try members[committer].group.commit(
      plan, signer: members[committer].client.signer, psks: psks, validator: BasicIdentities())
    let removed = Set(commit.changes.removed.map(\.leafIndex))
    for index in members.indices where index != committer {
      if removed.contains(members[index].group.ownLeafIndex) {
        guard case .commit(let received) = try members[index].receive(commit.message, psks: psks) else {
          throw MLSError.unexpectedMessage
        }
        #expect(received.removedSelf)
      } else {
        try members[index].follow(commit, psks: psks)
      }
    }
    members[committer].group = try Group(restoring: commit.group.archive())
    if let newSigner = plan.newSigner { members[committer].client.signer = newSigner }
    members.removeAll { removed.contains($0.group.ownLeafIndex) }
    return commit
  }

  /// Adds clients by one commit, and lets them join.
  mutating func add(_ clients: [Client], by committer: Int, path: Bool = true) throws {
    let bundles = try clients.map { try $0.bundle() }
    let commit = try commit(CommitPlan(adds: bundles.map(\.keyPackage), forcePath: path), by: committer)
    let welcome = try #require(commit.welcome)
    for (client, bundle) in zip(clients, bundles) {
      let joined = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities())
      #expect(joined.group.epochAuthenticator == commit.group.epochAuthenticator)
      members.append(Participant(client: client, group: try Group(restoring: joined.group.archive())))
    }
  }

  /// Whether all have the same state and can read each other.
  mutating func checkAgreement() throws {
    let first = members[0].group
    for member in members {
      #expect(member.group.epoch == first.epoch)
      #expect(member.group.epochAuthenticator == first.epochAuthenticator)
      #expect(member.group.exportRatchetTree() == first.exportRatchetTree())
      #expect(member.group.memberCount == members.count)
      #expect(member.group.ownLeafNode.signatureKey == member.client.signer.publicKey)
      let exported = try member.group.export(label: "test", context: [1], count: 40)
      #expect(try exported == first.export(label: "test", context: [1], count: 40))
    }
    for sender in [0, members.count - 1] {
      let message = try members[sender].send([1, 2, 3], padding: 17)
      for index in members.indices where index != sender {
        #expect(try members[index].read(message).plaintext == [1, 2, 3])
      }
    }
  }
}

/// The suites that round trips run with.
let testedSuites: [CipherSuite] = [
  .mls128X25519AES128SHA256Ed25519, .mls128P256AES128SHA256P256, .mls128X25519ChaCha20SHA256Ed25519, .sottoXWing,
]
