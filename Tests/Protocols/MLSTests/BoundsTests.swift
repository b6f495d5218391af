import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// What a hostile member cannot make others hold, look for, or believe.
struct BoundsTests {
  private let suite = testedSuites[0]

  @Test func `a leaf has a size that every member can keep`() throws {
    var leaf = try Client("a", suite).bundle().keyPackage.leafNode
    let room = Limits.maxLeafByteCount - leaf.encoded.count
    // The vector's length takes three bytes more when it is long.
    leaf.credential = .basic(identity: [UInt8](repeating: 1, count: room + 1 - 3))
    #expect(leaf.encoded.count == Limits.maxLeafByteCount)
    #expect(try LeafNode(decoding: leaf.encoded) == leaf)
    leaf.signature.append(0)
    let size = leaf.encoded.count
    #expect(throws: WireError.lengthOverLimit(length: size, limit: Limits.maxLeafByteCount)) {
      try LeafNode(decoding: leaf.encoded)
    }
  }

  @Test func `a group context has a size that every message can bear`() throws {
    let type = ExtensionType(rawValue: 0xF0A5)
    let (limit, groupID) = (Limits.maxGroupContextByteCount, SystemRandom().bytes(32))
    func extensions(_ count: Int) -> [Extension] { [Extension(type: type, data: [UInt8](repeating: 1, count: count))] }
    let tooLong = MLSError.malformed(.lengthOverLimit(length: limit + 1, limit: limit))
    let client = Client("0", suite)
    func create(_ count: Int) throws -> Group {
      try Group.create(
        groupID: groupID, cipherSuite: suite, extensions: extensions(count), leaf: client.parameters, signer: client.signer,
        validator: BasicIdentities())
    }
    #expect(throws: tooLong) { try create(limit - groupID.count + 1) }
    #expect(try create(limit - groupID.count).extensions.count == 1)
    // Nobody follows a commit that makes it longer, and a longer name counts as well.
    let world = try World(suite, count: 2)
    let longer = extensions(limit - world.members[0].group.groupID.count + 1)
    world.refuse(
      tooLong, try world.members[0].forge([.groupContextExtensions(longer)], path: world.members[0].path()))
    #expect(throws: tooLong) {
      try LeafRequirements(suite: suite, groupID: [UInt8](repeating: 1, count: limit + 1), extensions: [])
    }
  }

  @Test func `what comes along with a message has a size`() throws {
    let limit = Limits.maxMessageByteCount / 8
    let tooLong = MLSError.malformed(.lengthOverLimit(length: limit + 1, limit: limit))
    let member = try World(suite, count: 2).members[0]
    let (group, signer) = (member.group, member.client.signer)
    let data = [UInt8](repeating: 0, count: limit + 1)
    let remove = Proposal.remove(LeafIndex(1))
    #expect(throws: tooLong) { try group.protect([1], padding: limit + 1, signer: signer) }
    #expect(throws: tooLong) { try group.protect([1], authenticatedData: data, signer: signer) }
    #expect(throws: tooLong) { try group.propose(remove, signer: signer, padding: limit + 1) }
    #expect(throws: tooLong) { try group.propose(remove, signer: signer, authenticatedData: data) }
    #expect(throws: tooLong) { try group.proposeUpdate(signer: signer, padding: limit + 1) }
    for plan in [CommitPlan(padding: limit + 1), CommitPlan(authenticatedData: data)] {
      #expect(throws: tooLong) { try group.commit(plan, signer: signer, validator: BasicIdentities()) }
    }
    let most = [UInt8](repeating: 0, count: Limits.maxMessageByteCount / 2 + 1)
    #expect(throws: MLSError.malformed(.lengthOverLimit(length: most.count, limit: most.count - 1))) {
      try group.protect(most, signer: signer)
    }
  }

  @Test func `a record of commits for an upgrade has a size`() throws {
    let content = [UInt8](repeating: 1, count: Limits.maxUpgradeByteCount / 2 - 1_000)
    let proposal = CommittedProposal(
      proposal: .custom(type: ProposalType(rawValue: 0xF0A6), content: content), sender: .member(LeafIndex(0)), reference: nil)
    var world = try MixedWorld(suite, full: 2, partial: 1)
    world.partial[0].group = world.partial[0].group.beginningUpgrade().group
    try world.commit(CommitPlan())
    var change = try #require(world.partial[0].group.upgradeLog?.changes.first)
    change.proposals = [proposal]
    let one = try #require(UpgradeLog().appending(change))
    let two = try #require(one.appending(change))
    #expect(two.appending(change) == nil)
    // Also after it was saved, and for one commit that names a long proposal again and again.
    #expect(try UpgradeLog(decoding: two.encoded).appending(change) == nil)
    change.proposals = [CommittedProposal](repeating: proposal, count: Limits.maxProposalsPerCommit)
    #expect(UpgradeLog().appending(change) == nil)
  }

  @Test func `a tree knows its size through every change`() throws {
    var world = try World(suite, count: 6)
    func check() throws {
      let tree = world.members[0].group.state.tree
      var sum = 0
      tree.forEachNode { _, subtree in sum += subtree.content.byteCount }
      #expect(tree.root.byteCount == sum)
      // What frames the nodes is all that the encoding has besides.
      let encoded = tree.encodedNodes.count
      #expect(sum < encoded && encoded < sum + 12 * 2 * tree.leafCount)
    }
    try check()
    try world.commit(CommitPlan(removes: [LeafIndex(2)]), by: 0)
    try check()
    try world.add([Client("late", suite)], by: 1, path: false)
    try check()
  }

  /// A tree of so many equal leaves that its parts can be one and the same.
  private func crowd(_ leaf: LeafNode, depth: Int) throws -> RatchetTree {
    var root = Subtree.leaf(try StoredLeaf(leaf))
    for height in 0..<depth {
      // Hashed on the way up, for otherwise every leaf would be.
      root = root.hashed(height: height, firstLeaf: 0, suite: suite)
      root = .joining(root, root, under: nil)
    }
    return RatchetTree(suite: suite, depth: depth, root: root, keys: KeyIndex())
  }

  @Test func `a tree has so many leaves and no more`() throws {
    let leaf = try Client("a", suite).bundle().keyPackage.leafNode
    var full = try crowd(leaf, depth: Limits.maxPathLength)
    #expect(full.memberCount == Limits.maxLeafCount)
    #expect(throws: MLSError.invalidTree(.tooLarge)) { try full.addLeaf(leaf) }
    // Whatever the length says, no more nodes are read than that.
    var encoded = ByteWriter()
    encoded.writeVector { (writer: inout ByteWriter) in
      writer.writeBytes([UInt8](repeating: 0, count: Limits.maxNodeCount + 1))
    }
    #expect(throws: MLSError.invalidTree(.tooLarge)) { try RatchetTree(decoding: encoded.bytes, suite: suite) }
  }

  @Test func `a tree has so many bytes and no more`() throws {
    let group = try World(suite, count: 1).members[0].group
    var leaf = group.ownLeafNode
    leaf.credential = .basic(identity: [UInt8](repeating: 1, count: 60_000))
    for (depth, isKept) in [(13, true), (14, false)] {
      var state = group.state
      state.tree = try crowd(leaf, depth: depth)
      #expect((state.tree.root.byteCount <= Limits.maxTreeByteCount) == isKept)
      let list = try ProposalList([], committer: .member(group.ownLeafIndex), in: state)
      var next = try ProvisionalState(applying: list, to: state, validator: BasicIdentities())
      if isKept {
        #expect(try next.provisionalContext().epoch == 1)
      } else {
        #expect(throws: MLSError.invalidTree(.tooLarge)) { try next.provisionalContext() }
      }
    }
  }

  @Test func `so many proposals wait for a commit and no more`() throws {
    var world = try World(suite, count: 2)
    let kind = ProposalType(rawValue: 0xF0A6)
    for number in 0..<2 {
      let content = [UInt8(number)]
      try world.members[0].note(world.members[1].forge(.proposal(.custom(type: kind, content: content)), encrypt: false))
    }
    let waiting = world.members[0].group.pending
    world.members[0].group.pending += [PendingProposal](repeating: waiting[1], count: Limits.maxPendingProposals - 3)
    let last = try world.members[1].forge(.proposal(.custom(type: kind, content: [2])), encrypt: false)
    guard case .proposal(_, let full) = try world.members[0].receive(last) else { throw MLSError.unexpectedMessage }
    world.members[0].group = full
    #expect(full.pendingProposals.count == Limits.maxPendingProposals)
    let more = try world.members[1].forge(.proposal(.custom(type: kind, content: [3])), encrypt: false)
    #expect(throws: MLSError.tooManyProposals) { try world.members[0].receive(more) }
    // One that waits already is no other.
    _ = try world.members[0].receive(last)
  }

  @Test func `a commit names so many pre-shared keys and no more`() throws {
    let world = try World(suite, count: 2)
    let ids = (0...Limits.maxPreSharedKeys).map { PreSharedKeyID.external(id: [UInt8($0 / 256), UInt8($0 % 256)], cipherSuite: suite) }
    let limit = Limits.maxPreSharedKeys
    world.refuse(
      .malformed(.lengthOverLimit(length: limit + 1, limit: limit)),
      try world.members[0].forge(ids.map { .preSharedKey($0) }))
    world.refuse(.missingPreSharedKey, try world.members[0].forge(ids.dropLast().map { .preSharedKey($0) }))
  }

  @Test func `a Welcome names so many pre-shared keys and no more`() throws {
    let id = PreSharedKeyID.external(id: [1], cipherSuite: suite)
    for count in [Limits.maxPreSharedKeys, Limits.maxPreSharedKeys + 1] {
      let secrets = GroupSecrets(
        joinerSecret: .zeros(32), pathSecret: nil, preSharedKeys: [PreSharedKeyID](repeating: id, count: count))
      if count == Limits.maxPreSharedKeys {
        #expect(try GroupSecrets(decoding: secrets.encoded) == secrets)
      } else {
        #expect(throws: WireError.lengthOverLimit(length: count, limit: Limits.maxPreSharedKeys)) {
          try GroupSecrets(decoding: secrets.encoded)
        }
      }
    }
  }

  @Test func `a leaf whose lists are full is judged and counted like any other`() throws {
    // As long as a peer can make them, and with numbers twice.
    let numbers = (0..<UInt16(Limits.maxCapabilities - 8)).map { 0x1000 + $0 }
    let full = numbers + numbers.prefix(6)
    let components = (0..<UInt16(Limits.maxComponents - 3)).map { ComponentID(rawValue: 0x9000 + $0) }
    let lists = AppDataDictionary([
      .appComponents: ComponentsList(components).encoded, .safeAAD: ComponentsList(components).encoded,
    ]).asExtension
    var client = Client("full", suite)
    client.extensions = [lists]
    var leaf = client.parameters
    leaf.capabilities.extensions += full.map { ExtensionType(rawValue: $0) }
    leaf.capabilities.proposals += full.map { ProposalType(rawValue: $0) }
    leaf.capabilities.credentials += full.map { CredentialType(rawValue: $0) }
    let types = (0..<UInt16(Limits.maxExtensions - 2)).map { Extension(type: ExtensionType(rawValue: 0x1000 + $0), data: []) }
    leaf.extensions += types
    let required = RequiredCapabilities(
      extensionTypes: numbers.map { ExtensionType(rawValue: $0) }, proposalTypes: numbers.map { ProposalType(rawValue: $0) },
      credentialTypes: numbers.map { CredentialType(rawValue: $0) })
    let group = try Group.create(
      groupID: [1], cipherSuite: suite, extensions: [required.asExtension] + types, leaf: leaf, signer: client.signer,
      validator: BasicIdentities())
    let ownLeaf = group.ownLeafNode
    #expect(try LeafNode(decoding: ownLeaf.encoded) == ownLeaf)

    let wanted = try ComponentLists(AppDataDictionary([.appComponents: ComponentsList(components).encoded]))
    var tally = MemberTally()
    let other = try Client("other", suite).bundle().keyPackage.leafNode
    tally.add(other)
    for _ in 0..<2 {
      tally.add(ownLeaf)
      #expect(tally.memberCount == 2 && !tally.allSupport(required) && !tally.allSupport(wanted))
      tally.remove(other)
      #expect(tally.memberCount == 1 && tally.allSupport(required) && tally.allSupport(wanted))
      tally.remove(ownLeaf)
      tally.add(other)
      #expect(!tally.allSupport(ProposalType(rawValue: numbers[0])) && !tally.allSupport(wanted))
    }
    // One short of what the group asks.
    for lacking: WritableKeyPath<RequiredCapabilities, [UInt16]> in [\.extensionNumbers, \.proposalNumbers, \.credentialNumbers] {
      var more = required
      more[keyPath: lacking][100] = 0x7000
      #expect(ownLeaf.capabilities.supports(required) && !ownLeaf.capabilities.supports(more))
    }
  }

  @Test func `lists of numbers are compared as by looking at every pair`() {
    var random = SeededGenerator(for: "lists of numbers")
    for _ in 0..<400 {
      func list() -> [ComponentID] {
        (0..<Int.random(in: 0..<40, using: &random)).map { _ in
          ComponentID(rawValue: UInt16.random(in: 0..<24, using: &random))
        }
      }
      let (have, want) = (list(), list())
      #expect(have.contains(allOf: want) == want.allSatisfy { code in have.contains { $0 == code } }, "\(random.seed)")
      #expect(have.contains(allOf: have))
      let once = have.distinct
      #expect(Set(once) == Set(have) && Set(once).count == once.count, "\(random.seed)")
    }
  }

  @Test func `a key that looks like another one costs nobody anything`() throws {
    var world = try World(suite, count: 4)
    let copied = world.members[2].group.ownLeafNode.encryptionKey
    let client = Client("lookalike", suite)
    // Nobody proves that a leaf's key is its own, so its last bytes can be anybody's.
    let package = try client.bundle().keyPackage.forged(by: client) {
      $0.leafNode.encryptionKey = $0.leafNode.encryptionKey.prefix(24) + copied.suffix(8)
    }
    try world.commit(CommitPlan(adds: [package]), by: 0)
    #expect(world.members.allSatisfy { $0.group.state.tree.keys.isExact })
  }

  @Test func `workers who leave work out verify nothing`() throws {
    struct Lazy: Workers {
      let parts: @Sendable (Int) -> [Int]
      func perform(_ count: Int, _ work: @Sendable (Int) -> Void) { for part in parts(count) { work(part) } }
    }
    let world = try World(suite, count: 70)
    let group = world.members[0].group
    let tree = group.state.tree
    for parts: @Sendable (Int) -> [Int] in [{ _ in [] }, { _ in [0] }, { _ in [0, 0] }, { _ in [1, 2] }] {
      #expect(throws: MLSError.invalidSignature(.leafNode)) {
        try tree.verifySignatures(tree.leaves, groupID: group.groupID, workers: Lazy(parts: parts))
      }
    }
    try tree.verifySignatures(tree.leaves, groupID: group.groupID, workers: Lazy { Array((0..<$0).reversed()) + [0, 9] })
  }

  @Test func `a message that was read while one's own commit was under way stays read`() throws {
    var world = try World(suite, count: 3)
    let first = try world.members[1].send([1])
    let second = try world.members[1].send([2])
    let mine = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    world.members[0].group = try #require(mine.groupIfLost)
    #expect(try world.members[0].read(first).plaintext == [1])

    world.members[0].group = mine.group.succeeding(world.members[0].group)
    #expect(throws: MLSError.replayedOrExpiredGeneration(0)) { try world.members[0].receive(first) }
    #expect(try world.members[0].read(second).plaintext == [2])
    // A state of another epoch has nothing to say about it.
    #expect(mine.group.succeeding(mine.group).archive() == mine.group.archive())

    // So it is with the epoch before.
    var others = Array(world.members[1...])
    for index in others.indices { try others[index].follow(mine) }
    let late = try others[0].send([3])
    let next = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    world.members[0].group = try #require(next.groupIfLost)
    let older = try others[1].send([4])
    #expect(try world.members[0].read(late).plaintext == [3])
    #expect(try world.members[0].read(older).plaintext == [4])
    world.members[0].group = next.group.succeeding(world.members[0].group)
    for (message, generation) in [(first, 0), (second, 1), (late, 0), (older, 0)] as [([UInt8], UInt32)] {
      #expect(throws: MLSError.replayedOrExpiredGeneration(generation)) { try world.members[0].receive(message) }
    }
  }
}

extension RequiredCapabilities {
  fileprivate var extensionNumbers: [UInt16] {
    get { extensionTypes.map(\.rawValue) }
    set { extensionTypes = newValue.map { ExtensionType(rawValue: $0) } }
  }
  fileprivate var proposalNumbers: [UInt16] {
    get { proposalTypes.map(\.rawValue) }
    set { proposalTypes = newValue.map { ProposalType(rawValue: $0) } }
  }
  fileprivate var credentialNumbers: [UInt16] {
    get { credentialTypes.map(\.rawValue) }
    set { credentialTypes = newValue.map { CredentialType(rawValue: $0) } }
  }
}
