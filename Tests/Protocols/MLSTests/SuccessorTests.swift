import CryptoSuite
import Synchronization
import Testing

@testable import MLS

/// Reinitialization and branching (RFC 9420 §11.2, §11.3).
struct SuccessorTests {
  @Test func `a group is replaced by one with another suite`() throws {
    let old = testedSuites[0]
    for suite in testedSuites {
      var world = try World(old, count: 4)
      let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [3])]
      let next = ReInit(groupID: [5, 5], version: .mls10, cipherSuite: suite.rawValue, extensions: list)
      #expect(throws: MLSError.invalidPlan) {
        try world.members[0].group.reinitialize(
          members: [], leaf: world.members[0].client.parameters, signer: world.members[0].client.signer,
          validator: BasicIdentities())
      }
      try world.commit(CommitPlan(reInit: next), by: 1)

      // Another member than the committer starts the new group.
      let clients = world.members.map { Client($0.client.name, suite) }
      let bundles = try clients.dropLast().map { try $0.bundle() }
      let starter = clients[3]
      func start(_ packages: [KeyPackage]) throws -> OutgoingCommit {
        try world.members[3].group.reinitialize(
          members: packages, leaf: starter.parameters, signer: starter.signer, validator: BasicIdentities())
      }
      #expect(throws: MLSError.invalidPlan) { try start(Array(bundles.dropLast().map(\.keyPackage))) }
      let stranger = try Client("stranger", suite).bundle().keyPackage
      #expect(throws: MLSError.invalidPlan) { try start([stranger] + bundles.dropFirst().map(\.keyPackage)) }
      let started = try start(bundles.map(\.keyPackage))
      #expect(started.group.epoch == 1)
      let welcome = try #require(started.welcome)
      for (bundle, member) in zip(bundles, world.members) {
        #expect(throws: MLSError.missingPreSharedKey) {
          try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities())
        }
        let joined = try Group.join(
          welcome: welcome, keyPackage: bundle,
          predecessor: .reinitialized(try Group(restoring: member.group.archive())),
          validator: BasicIdentities())
        #expect(joined.group.epochAuthenticator == started.group.epochAuthenticator)
        #expect(joined.group.extensions == list)
        #expect(joined.group.groupID == [5, 5])
      }
    }
  }

  @Test(arguments: testedSuites)
  func `some members branch off`(suite: CipherSuite) throws {
    let world = try World(suite, count: 4)
    func branch(_ packages: [KeyPackage]) throws -> OutgoingCommit {
      try world.members[0].group.branch(
        groupID: [8], members: packages, leaf: world.members[0].client.parameters,
        signer: world.members[0].client.signer, validator: BasicIdentities())
    }
    #expect(throws: MLSError.invalidPlan) { try branch([try Client("stranger", suite).bundle().keyPackage]) }
    let bundle = try world.members[2].client.bundle()
    let branched = try branch([bundle.keyPackage])
    let welcome = try #require(branched.welcome)
    let joined = try Group.join(
      welcome: welcome, keyPackage: bundle, predecessor: .branched(world.members[2].group), validator: BasicIdentities())
    #expect(joined.group.epochAuthenticator == branched.group.epochAuthenticator)
    #expect(joined.group.memberCount == 2)
    // Who was not in the old group, or has forgotten it, cannot take part.
    let other = try World(suite, count: 2)
    #expect(throws: MLSError.missingPreSharedKey) {
      try Group.join(
        welcome: welcome, keyPackage: bundle, predecessor: .branched(other.members[0].group), validator: BasicIdentities())
    }
  }

  @Test func `a false successor is refused`() throws {
    let suite = testedSuites[0]
    var world = try World(suite, count: 3)
    let bundle = try world.members[1].client.bundle()
    func forge(_ usage: ResumptionPSKUsage, groupID: [UInt8], adding others: [KeyPackage] = []) throws -> [UInt8] {
      let old = world.members[0]
      let first = try Group.create(
        groupID: groupID, cipherSuite: suite, leaf: old.client.parameters, signer: old.client.signer,
        validator: BasicIdentities())
      let key = PreSharedKeyID.Key.resumption(usage: usage, groupID: old.group.groupID, epoch: old.group.epoch)
      let commit = try first.commit(
        CommitPlan(
          adds: [bundle.keyPackage] + others,
          psks: [PreSharedKeyID(key: key, nonce: SystemRandom().bytes(suite.hash.byteCount))]),
        successorUsage: usage, signer: old.client.signer,
        psks: PredecessorKeys(group: old.group, others: NoPreSharedKeys()), validator: BasicIdentities())
      return try #require(commit.welcome)
    }
    func join(_ usage: ResumptionPSKUsage, groupID: [UInt8], adding others: [KeyPackage] = []) throws {
      let old = world.members[1].group
      _ = try Group.join(
        welcome: forge(usage, groupID: groupID, adding: others), keyPackage: bundle,
        predecessor: usage == .reinit ? .reinitialized(old) : .branched(old), validator: BasicIdentities())
    }
    try join(.branch, groupID: [7])
    let stranger = try Client("stranger", suite).bundle().keyPackage
    #expect(throws: MLSError.invalidSuccessor) { try join(.branch, groupID: [7], adding: [stranger]) }
    // No ReInit was committed.
    #expect(throws: MLSError.missingPreSharedKey) { try join(.reinit, groupID: [7]) }
    try world.commit(
      CommitPlan(reInit: ReInit(groupID: [7], version: .mls10, cipherSuite: suite.rawValue, extensions: [])), by: 0)
    let third = try world.members[2].client.bundle().keyPackage
    try join(.reinit, groupID: [7], adding: [third])
    #expect(throws: MLSError.invalidSuccessor) { try join(.reinit, groupID: [7]) }
    #expect(throws: MLSError.invalidSuccessor) { try join(.reinit, groupID: [6], adding: [third]) }
  }

  /// The Welcome for member 1 of a group that member 0 starts as the successor of theirs, whatever its parameters.
  private struct FalseStart {
    var usage = ResumptionPSKUsage.branch
    var suite = testedSuites[0]
    var groupID: [UInt8] = [7]
    var extensions: [Extension] = []
    var epoch: UInt64?
    /// How often the resumption key is named.
    var claims = 1
    /// Commits before the one that adds the members.
    var commitsBefore = 0

    func join(_ world: World, predecessor: Group? = nil, psks: any PSKProvider = NoPreSharedKeys()) throws {
      let old = world.members[0].group
      func client(_ index: Int) -> Client {
        var client = world.members[index].client
        client = Client(client.name, suite)
        client.signer = world.members[index].client.signer
        return client
      }
      let starter = client(0)
      let bundle = try client(1).bundle()
      var group = try Group.create(
        groupID: groupID, cipherSuite: suite, extensions: extensions, leaf: starter.parameters, signer: starter.signer,
        validator: BasicIdentities())
      for _ in 0..<commitsBefore {
        group = try group.commit(CommitPlan(), signer: starter.signer, validator: BasicIdentities()).group
      }
      let key = PreSharedKeyID.Key.resumption(usage: usage, groupID: old.groupID, epoch: epoch ?? old.epoch)
      let ids = (0..<claims).map { _ in PreSharedKeyID(key: key, nonce: SystemRandom().bytes(suite.hash.byteCount)) }
      let adds = [bundle.keyPackage] + (try world.members.indices.dropFirst(2).map { try client($0).bundle().keyPackage })
      let commit = try group.commit(
        CommitPlan(adds: adds, psks: ids), successorUsage: usage, signer: starter.signer,
        psks: PredecessorKeys(group: old, others: NoPreSharedKeys()), validator: BasicIdentities())
      let predecessor = predecessor ?? world.members[1].group
      _ = try Group.join(
        welcome: try #require(commit.welcome), keyPackage: bundle,
        predecessor: usage == .reinit ? .reinitialized(predecessor) : .branched(predecessor), psks: psks,
        validator: BasicIdentities())
    }
  }

  @Test func `who waits for a successor takes no group that does not claim to be it`() throws {
    let suite = testedSuites[0]
    var world = try World(suite, count: 2)
    // The old group ends, and member 1 waits for the one that was announced.
    let announced = ReInit(groupID: [7], version: .mls10, cipherSuite: suite.rawValue, extensions: [])
    try world.commit(CommitPlan(reInit: announced), by: 0)
    let (old, starter) = (world.members[0], world.members[0].client)
    let (waiting, bundle) = (world.members[1].group, try world.members[1].client.bundle())
    /// What member 0 can start of its own, with the very parameters that were announced; the Welcome for member 1.
    func start(_ usage: ResumptionPSKUsage?) throws -> [UInt8] {
      let first = try Group.create(
        groupID: [7], cipherSuite: suite, leaf: starter.parameters, signer: starter.signer, validator: BasicIdentities())
      let key = PreSharedKeyID.Key.resumption(
        usage: usage ?? .application, groupID: old.group.groupID, epoch: old.group.epoch)
      let ids = [PreSharedKeyID(key: key, nonce: SystemRandom().bytes(suite.hash.byteCount))]
      let commit = try first.commit(
        CommitPlan(adds: [bundle.keyPackage], psks: usage == nil ? [] : ids),
        successorUsage: usage == .application ? nil : usage,
        signer: starter.signer, psks: PredecessorKeys(group: old.group, others: NoPreSharedKeys()),
        validator: BasicIdentities())
      return try #require(commit.welcome)
    }
    func join(_ welcome: [UInt8], _ predecessor: Predecessor?) throws {
      // The application has the key, too.
      _ = try Group.join(
        welcome: welcome, keyPackage: bundle, predecessor: predecessor,
        psks: PredecessorKeys(group: waiting, others: NoPreSharedKeys()), validator: BasicIdentities())
    }
    let (plain, ordinary) = (try start(nil), try start(.application))
    let (branch, replacement) = (try start(.branch), try start(.reinit))
    for predecessor in [Predecessor.reinitialized(waiting), .branched(waiting)] {
      #expect(throws: MLSError.invalidSuccessor) { try join(plain, predecessor) }
      #expect(throws: MLSError.invalidSuccessor) { try join(ordinary, predecessor) }
    }
    #expect(throws: MLSError.invalidSuccessor) { try join(branch, .reinitialized(waiting)) }
    #expect(throws: MLSError.invalidSuccessor) { try join(replacement, .branched(waiting)) }
    for welcome in [branch, replacement] {
      #expect(throws: MLSError.missingPreSharedKey) { try join(welcome, nil) }
    }
    try join(plain, nil)
    try join(ordinary, nil)
    try join(branch, .branched(waiting))
    try join(replacement, .reinitialized(waiting))
    // Which of them it is can be read beforehand.
    for (welcome, usage) in [(branch, ResumptionPSKUsage.branch), (replacement, .reinit)] {
      let ids = try Group.preSharedKeys(in: welcome, keyPackage: bundle)
      #expect(
        ids.map(\.key) == [.resumption(usage: usage, groupID: waiting.groupID, epoch: waiting.epoch)])
    }
    #expect(try Group.preSharedKeys(in: plain, keyPackage: bundle).isEmpty)
  }

  @Test func `a branch begins in epoch 1 with the old suite, and names its origin once`() throws {
    let world = try World(testedSuites[0], count: 3)
    try FalseStart().join(world)
    #expect(throws: MLSError.invalidSuccessor) { try FalseStart(commitsBefore: 1).join(world) }
    #expect(throws: MLSError.invalidSuccessor) {
      try FalseStart(suite: .mls128X25519ChaCha20SHA256Ed25519).join(world)
    }
    #expect(throws: MLSError.invalidProposals(.resumptionUsage)) { try FalseStart(claims: 2).join(world) }
    // The key alone, which the application may have kept, does not make another group the origin.
    let other = try World(testedSuites[0], count: 3)
    let kept = PredecessorKeys(group: world.members[1].group, others: NoPreSharedKeys())
    #expect(throws: MLSError.missingPreSharedKey) {
      try FalseStart().join(world, predecessor: other.members[1].group, psks: kept)
    }
  }

  @Test func `a replacement has each client of an identity`() throws {
    let suite = testedSuites[0]
    var world = try World(suite, count: 1)
    try world.add([Client("both", suite), Client("both", suite)], by: 0)
    try world.commit(
      CommitPlan(reInit: ReInit(groupID: [7], version: .mls10, cipherSuite: suite.rawValue, extensions: [])), by: 0)
    let start = FalseStart(usage: .reinit)
    try start.join(world)
    var fewer = world
    fewer.members.removeLast()
    #expect(throws: MLSError.invalidSuccessor) { try start.join(fewer) }
    // Nor does a stranger make up the number.
    fewer.members.append(Participant(client: Client("stranger", suite), group: world.members[2].group))
    #expect(throws: MLSError.invalidSuccessor) { try start.join(fewer) }
    let packages = try ["both", "stranger"].map { try Client($0, suite).bundle().keyPackage }
    #expect(throws: MLSError.invalidPlan) {
      try world.members[0].group.reinitialize(
        members: packages, leaf: world.members[0].client.parameters, signer: world.members[0].client.signer,
        validator: BasicIdentities())
    }
  }

  /// Credentials that differ may be of one identity, and then each of them still counts once.
  @Test func `who comes with another credential is looked for among the others`() throws {
    struct FirstByte: CredentialValidator {
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
      func sameIdentity(old: Credential, new: Credential) -> Bool { name(old).first == name(new).first }
      private func name(_ credential: Credential) -> [UInt8] {
        if case .basic(let identity) = credential { identity } else { [] }
      }
    }
    func credentials(_ names: [[UInt8]]) -> [Credential] { names.map { .basic(identity: $0) } }
    let suite = testedSuites[0]
    var world = try World(suite, count: 1)
    // "0", and two devices of one person.
    try world.add([Client("a", suite), Client("ab", suite)], by: 0)
    let group = world.members[0].group
    let zero = UInt8(ascii: "0"), a = UInt8(ascii: "a")
    for (names, all, only) in [
      ([[zero], [a], [a, UInt8(ascii: "b")]], true, true), ([[a, 9], [zero, 9], [a, 8]], true, true),
      ([[zero], [a], [a]], true, true), ([[zero], [a]], false, true), ([[zero], [a, 9]], false, true),
      ([[zero], [a, 9], [7]], false, false), ([[zero], [a], [a, 9], [7]], true, false), ([[a, 9], [a, 8]], false, true),
    ] as [([[UInt8]], Bool, Bool)] {
      #expect(group.holdsAllMembers(credentials(names), FirstByte()) == all, "\(names)")
      #expect(group.holdsOnlyMembers(credentials(names), FirstByte()) == only, "\(names)")
    }
  }

  @Test func `finding the members of a large group again takes one look at each`() throws {
    final class Counter: CredentialValidator {
      let calls = Mutex(0)
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
      func sameIdentity(old: Credential, new: Credential) -> Bool {
        calls.withLock { $0 += 1 }
        return old == new
      }
    }
    let suite = testedSuites[0]
    let world = try World(suite, count: 40)
    let group = world.members[0].group
    let credentials = Array(group.members.map(\.credential).reversed())
    let counter = Counter()
    #expect(group.holdsAllMembers(credentials, counter) && group.holdsOnlyMembers(credentials, counter))
    #expect(counter.calls.withLock { $0 } == 2 * credentials.count)
  }

  @Test func `a replacement is what the ReInit announced, after the epoch that it ended`() throws {
    let suite = testedSuites[0]
    let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [3])]
    func ended(
      groupID: [UInt8] = [7], version: ProtocolVersion = .mls10, cipherSuite: UInt16? = nil, extensions: [Extension]
    ) throws -> World {
      var world = try World(suite, count: 3)
      let reInit = ReInit(
        groupID: groupID, version: version, cipherSuite: cipherSuite ?? suite.rawValue, extensions: extensions)
      try world.commit(CommitPlan(reInit: reInit), by: 0)
      return world
    }
    let good = FalseStart(usage: .reinit, extensions: list)
    let world = try ended(extensions: list)
    try good.join(world)
    for other in [
      try ended(groupID: [8], extensions: list), try ended(version: ProtocolVersion(rawValue: 2), extensions: list),
      try ended(cipherSuite: 3, extensions: list), try ended(extensions: []),
    ] {
      #expect(throws: MLSError.invalidSuccessor) { try good.join(other) }
    }
    var late = good
    late.commitsBefore = 1
    #expect(throws: MLSError.invalidSuccessor) { try late.join(world) }
    var former = good
    former.epoch = 1
    #expect(throws: MLSError.missingPreSharedKey) { try former.join(world) }
    // Some member does not come along.
    var fewer = world
    fewer.members.removeLast()
    #expect(throws: MLSError.invalidSuccessor) { try good.join(fewer) }
    // Nothing was announced.
    #expect(throws: MLSError.missingPreSharedKey) { try good.join(World(suite, count: 3)) }
  }
}
