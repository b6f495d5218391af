import CryptoSuite
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
          welcome: welcome, keyPackage: bundle, predecessor: try Group(restoring: member.group.archive()),
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
      welcome: welcome, keyPackage: bundle, predecessor: world.members[2].group, validator: BasicIdentities())
    #expect(joined.group.epochAuthenticator == branched.group.epochAuthenticator)
    #expect(joined.group.memberCount == 2)
    // Who was not in the old group, or has forgotten it, cannot take part.
    let other = try World(suite, count: 2)
    #expect(throws: MLSError.missingPreSharedKey) {
      try Group.join(
        welcome: welcome, keyPackage: bundle, predecessor: other.members[0].group, validator: BasicIdentities())
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
    func join(_ welcome: [UInt8]) throws -> JoinedGroup {
      try Group.join(
        welcome: welcome, keyPackage: bundle, predecessor: world.members[1].group, validator: BasicIdentities())
    }
    _ = try join(forge(.branch, groupID: [7]))
    let stranger = try Client("stranger", suite).bundle().keyPackage
    #expect(throws: MLSError.invalidSuccessor) { try join(forge(.branch, groupID: [7], adding: [stranger])) }
    // No ReInit was committed.
    #expect(throws: MLSError.missingPreSharedKey) { try join(forge(.reinit, groupID: [7])) }
    try world.commit(
      CommitPlan(reInit: ReInit(groupID: [7], version: .mls10, cipherSuite: suite.rawValue, extensions: [])), by: 0)
    let third = try world.members[2].client.bundle().keyPackage
    _ = try join(forge(.reinit, groupID: [7], adding: [third]))
    #expect(throws: MLSError.invalidSuccessor) { try join(forge(.reinit, groupID: [7])) }
    #expect(throws: MLSError.invalidSuccessor) { try join(forge(.reinit, groupID: [6], adding: [third])) }
  }
}
