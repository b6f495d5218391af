import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a group requires of components (draft-ietf-mls-extensions, "Negotiating Extensions and Components"), against leaves
/// by whichever way they come, all signed with their own keys.
struct RequiredComponentTests {
  private let suite = testedSuites[0]
  private let own = ComponentID(rawValue: 0x8001)

  /// A dictionary with lists of components, for a leaf or a group context.
  private func lists(_ known: [ComponentID], framing: [ComponentID]? = nil) -> Extension {
    var dictionary = AppDataDictionary([.appComponents: ComponentsList(known).encoded])
    if let framing { dictionary.entries[.safeAAD] = ComponentsList(framing).encoded }
    return dictionary.asExtension
  }

  @Test func `a group requires components of either kind`() throws {
    let client = Client("new", suite)
    let other = ComponentID(rawValue: 0x8002)
    func check(_ required: Extension, _ listed: [Extension]) throws {
      let package = try client.bundle().keyPackage.forged(by: client) { $0.leafNode.extensions = listed }
      let requirements = try LeafRequirements(suite: suite, groupID: [1], extensions: [required])
      try package.validate(requirements, now: nil, validator: BasicIdentities())
    }
    // What a leaf lists beside it, known or not, is nobody's business.
    let grease = ComponentID(rawValue: 0x1A1A)
    try check(lists([]), [])
    try check(lists([own]), [lists([grease, own, other])])
    try check(lists([], framing: []), [])
    try check(lists([own], framing: [own]), [lists([own], framing: [other, own])])
    for (required, listed) in [
      (lists([own]), []), (lists([own]), [lists([other])]), (lists([own]), [lists([], framing: [own])]),
      (lists([own, other]), [lists([own])]),
      // To support a component is not yet to frame what it authenticates.
      (lists([own], framing: [own]), [lists([own])]), (lists([], framing: [own]), [lists([own], framing: [other])]),
      // A number that nobody has defined is required like any other.
      (lists([grease]), [lists([own])]),
    ] as [(Extension, [Extension])] {
      #expect(throws: MLSError.invalidLeafNode(.requiredComponents)) { try check(required, listed) }
    }
  }

  @Test func `whoever comes or changes supports the components that the group requires`() throws {
    let world = try World(suite, count: 4, extensions: [lists([.lastResortKeyPackage])])
    let forger = world.members[0]
    let lacking = [lists([.appComponents, .safeAAD])]
    let expected = MLSError.invalidLeafNode(.requiredComponents)
    // Added; with the list, and without any.
    let client = Client("new", suite)
    let good = try client.bundle().keyPackage
    for list in [lacking, []] {
      let package = try good.forged(by: client) { $0.leafNode.extensions = list }
      world.refuse(expected, try forger.forge([.add(package)]))
    }
    world.refuse(.mismatch(.confirmationTag), try forger.forge([.add(good)]))
    // Updated.
    let member = world.members[2]
    var leaf = member.group.ownLeafNode
    leaf.encryptionKey = suite.hpke.generateKeyPair().publicKey
    leaf.source = .update
    leaf.extensions = lacking
    leaf = try leaf.signed(groupID: member.group.groupID, leafIndex: LeafIndex(2), by: member.client.signer, suite)
    var noted = world
    try noted.members[1].note(member.forge(.proposal(.update(leaf))))
    let reference = try #require(noted.members[1].group.pendingProposals.first).reference
    noted.refuse(expected, try forger.forge([.reference(reference)], path: forger.path()))
    // The committer itself.
    var path = try forger.path()
    path.leafNode.extensions = lacking
    world.refuse(expected, try forger.forge([Proposal](), path: forger.resign(path)))
    // From outside.
    let joiner = try ExternalForgery(world, Client("joiner", suite))
    guard case .commit = try world.members[1].receive(joiner.forged()) else { throw MLSError.unexpectedMessage }
    world.refuse(expected, try joiner.withLeaf { $0.extensions = lacking })
    // And one's own leaf, before anything is sent.
    var narrow = Client("narrow", suite)
    narrow.extensions = [lists([own])]
    #expect(throws: expected) {
      try Group.create(
        groupID: [1], cipherSuite: suite, extensions: [lists([own], framing: [own])], leaf: narrow.parameters,
        signer: narrow.signer, validator: BasicIdentities())
    }
  }

  @Test func `an outsider holds the members to the components that the group requires`() throws {
    let world = try World(suite, count: 3)
    let member = world.members[0]
    let joiner = Client("joiner", suite)
    func join(_ extensions: [Extension]) throws -> OutgoingCommit {
      let message = try member.group.groupInfo(signer: member.client.signer)
      guard case .groupInfo(var info) = try MLSMessage(decoding: message) else { throw MLSError.unexpectedMessage }
      info.groupContext.extensions = extensions
      info.signature = try suite.signWithLabel(member.client.signer, label: "GroupInfoTBS", content: info.toBeSigned)
      return try Group.joinExternally(
        groupInfo: MLSMessage.groupInfo(info).encoded, leaf: joiner.parameters, signer: joiner.signer,
        validator: BasicIdentities())
    }
    _ = try join([lists([.safeAAD])])
    #expect(throws: MLSError.invalidLeafNode(.requiredComponents)) { try join([lists([own])]) }
  }

  @Test func `a list of components that is none is refused wherever it counts`() throws {
    let expected = MLSError.malformed(.truncated(needed: 9, available: 0))
    let world = try World(suite, count: 2)
    let forger = world.members[0]
    let client = Client("new", suite)
    for component in [ComponentID.appComponents, .safeAAD] {
      let bad = AppDataDictionary([component: [9]]).asExtension
      let package = try client.bundle().keyPackage.forged(by: client) { $0.leafNode.extensions = [bad] }
      world.refuse(expected, try forger.forge([.add(package)]))
      world.refuse(expected, try forger.forge([.groupContextExtensions([bad])], path: forger.path()))
      // In a key package or group info it means nothing.
      let beside = try client.bundle().keyPackage.forged(by: client) { $0.extensions = [bad] }
      try beside.validate(cipherSuite: suite, validator: BasicIdentities())
    }
  }

  @Test func `the components that a group is to require, all members list`() throws {
    var world = try World(suite, count: 1)
    var clients = ["one", "two"].map { Client($0, suite) }
    for index in clients.indices { clients[index].extensions = [lists([own], framing: [own])] }
    try world.add(clients, by: 0)
    let creator = world.members[0]
    for required in [lists([own]), lists([], framing: [own])] {
      // The committer, too, lacks it; then it lists it by its path, and one member still does not.
      #expect(throws: MLSError.invalidLeafNode(.requiredComponents)) {
        try creator.group.commit(CommitPlan(extensions: [required]), signer: creator.client.signer, validator: BasicIdentities())
      }
      let versatile = world.members[1]
      #expect(throws: MLSError.invalidProposals(.requiredComponents)) {
        try versatile.group.commit(
          CommitPlan(extensions: [required]), signer: versatile.client.signer, validator: BasicIdentities())
      }
      let forged = try world.members[2].forge([.groupContextExtensions([required])], path: world.members[2].path())
      world.refuse(.invalidProposals(.requiredComponents), forged)
    }
    // What counts is the tree after the commit, in which the last one lists it.
    var leaf = creator.client.parameters
    leaf.extensions = [lists([own], framing: [own])]
    let plan = CommitPlan(extensions: [lists([own], framing: [own])], leaf: leaf)
    let commit = try creator.group.commit(plan, signer: creator.client.signer, validator: BasicIdentities())
    for member in world.members.dropFirst() {
      guard case .commit(let received) = try member.receive(commit.message) else { throw MLSError.unexpectedMessage }
      #expect(received.group?.epochAuthenticator == commit.group.epochAuthenticator)
    }
  }
}
