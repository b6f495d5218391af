import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a partial member asks of a committer: its path, its leaf, its place, and the time.
struct PartialCommitterRuleTests {
  private let suite = testedSuites[0]
  private let validator = BasicIdentities()

  /// A slice that agrees with its own hash, but not with the path that should have made it.
  @Test func `a path binds the proof of its maker`() throws {
    let world = try MixedWorld(suite, full: 5, partial: 1)
    let commit = try world.full[1].group.commit(
      CommitPlan(encrypt: false), signer: world.full[1].client.signer, validator: validator)
    guard case .publicMessage(let message) = try MLSMessage(decoding: commit.message),
      case .commit(let content) = message.content.body, let path = content.path
    else { throw MLSError.unexpectedMessage }
    let good = try commit.group.membershipProof(of: LeafIndex(1))
    func refused(_ expected: MLSError, path: UpdatePath = path, _ edit: (inout MembershipProof) -> Void) throws {
      var proof = good
      edit(&proof)
      let slice = try TreeSlice(proof, of: proof.impliedTreeHash(suite), suite: suite)
      #expect(throws: expected) { try slice.check(path, suite: suite) }
    }
    try TreeSlice(good, of: commit.group.treeHash, suite: suite).check(path, suite: suite)
    try refused(.invalidPath(.wrongLength)) { $0.directPathNodes[2] = nil }
    func parent(_ level: Int, _ edit: @escaping (inout ParentNode) -> Void) -> (inout MembershipProof) -> Void {
      { proof in
        guard case .parent(var parent)? = proof.directPathNodes[level] else { return }
        edit(&parent)
        proof.directPathNodes[level] = .parent(parent)
      }
    }
    try refused(.invalidPath(.publicKeyMismatch), parent(1) { $0.encryptionKey[0] ^= 1 })
    try refused(.invalidPath(.publicKeyMismatch), parent(3) { $0.unmergedLeaves = [LeafIndex(2)] })
    try refused(.invalidPath(.parentHash), parent(3) { $0.parentHash = [1] })
    try refused(.invalidPath(.parentHash), parent(1) { $0.parentHash[0] ^= 1 })
    // A subtree beside the path is another one.
    for level in 0..<3 { try refused(.invalidPath(.parentHash)) { $0.copathHashes[level].bytes[0] ^= 1 } }
    // The same key twice, and one that is none, in path and proof alike.
    var twice = path
    twice.nodes[1].encryptionKey = twice.nodes[0].encryptionKey
    try refused(.invalidPath(.duplicateKey), path: twice, parent(2) { $0.encryptionKey = twice.nodes[0].encryptionKey })
    var none = path
    none.nodes[0].encryptionKey = [1, 2]
    try refused(.invalidPath(.invalidKey), path: none, parent(1) { $0.encryptionKey = [1, 2] })
  }

  @Test func `the committer's new leaf is as good as the old one`() throws {
    let world = try MixedWorld(suite, full: 3, partial: 1)
    let group = world.partial[0].group
    var participant = world.full[1]

    /// A commit of a path whose leaf is made by these parameters, right up to the confirmation.
    func annotated(
      _ parameters: LeafParameters, over proposals: [Proposal] = [], keepsKey: Bool = false, encrypt: Bool = true
    ) throws -> AnnotatedCommit {
      var tree = participant.group.state.tree
      let own = participant.group.ownLeafIndex
      let made = try tree.makePath(from: own, excluding: []) { (key, parentHash) throws(MLSError) in
        try LeafNode(
          encryptionKey: keepsKey ? participant.group.ownLeafNode.encryptionKey : key, parameters: parameters,
          source: .commit(parentHash: parentHash), groupID: group.groupID, leafIndex: own,
          signer: participant.client.signer, suite: suite)
      }
      let path = try made.encrypt(context: [])
      let message = try participant.forge(
        .commit(Commit(proposals: proposals.map { .proposal($0) }, path: path)), encrypt: encrypt)
      return try CommitAnnotator(
        message, committer: own, added: [], isExternal: false, before: participant.group.publicTree,
        after: PublicTree(tree)
      ).annotated(for: group.ownLeafIndex)
    }
    let parameters = participant.client.parameters
    #expect(throws: MLSError.crypto(.notAuthentic)) { try group.process(annotated(parameters), validator: validator) }
    var other = parameters
    other.credential = .basic(identity: [1, 2, 3])
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) {
      try group.process(annotated(other), validator: validator)
    }
    other = parameters
    other.credential = .basic(identity: [])
    #expect(throws: MLSError.invalidLeafNode(.credential)) { try group.process(annotated(other), validator: validator) }
    other = parameters
    other.capabilities.credentials = []
    #expect(throws: MLSError.invalidLeafNode(.credentialTypeNotSupported)) {
      try group.process(annotated(other), validator: validator)
    }
    other = parameters
    other.extensions = [Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])]
    #expect(throws: MLSError.invalidLeafNode(.extensionNotInCapabilities)) {
      try group.process(annotated(other), validator: validator)
    }
    #expect(throws: MLSError.invalidLeafNode(.sameEncryptionKey)) {
      try group.process(annotated(parameters, keepsKey: true), validator: validator)
    }
    // Extensions that the committer supports, and this member does not.
    other = parameters
    other.capabilities.extensions.append(ExtensionType(rawValue: 0xF0BB))
    let list = [Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])]
    #expect(throws: MLSError.invalidLeafNode(.groupExtensionNotSupported)) {
      try group.process(annotated(other, over: [.groupContextExtensions(list)]), validator: validator)
    }
    // Components that neither of them lists, or this member does not.
    let component = AppDataDictionary([.appComponents: ComponentsList([ComponentID(rawValue: 0x8001)]).encoded]).asExtension
    other = parameters
    other.extensions = [component]
    for leaf in [parameters, other] {
      #expect(throws: MLSError.invalidLeafNode(.requiredComponents)) {
        try group.process(annotated(leaf, over: [.groupContextExtensions([component])]), validator: validator)
      }
    }
    let senders = [Extension(type: .externalSenders, data: [9])]
    #expect(throws: MLSError.malformed(.truncated(needed: 9, available: 0))) {
      try group.process(annotated(parameters, over: [.groupContextExtensions(senders)]), validator: validator)
    }
    // The path is encrypted to whom the resolution index does not say.
    var keyless = group
    keyless.privateKeys = TreePrivateKeys(
      leaf: group.ownLeafIndex, leafKey: HPKEKeyPair(privateKey: .zeros(32), publicKey: [1]))
    #expect(throws: MLSError.invalidPath(.noSecretForUs)) {
      try keyless.process(annotated(parameters), validator: validator)
    }
    // One's own former state commits.
    participant.group = world.full[0].group
    participant.client = world.full[0].client
    var mine = group
    mine.state = PartialState(
      suite: suite, context: group.groupContext, leafCount: 4, ownLeaf: participant.group.ownLeafNode,
      confirmationTag: group.confirmationTag)
    let own = PartialGroup(
      state: mine.state, ownLeafIndex: LeafIndex(0), privateKeys: group.privateKeys, secrets: group.secrets,
      secretTree: group.secretTree, exporterTree: .empty, pending: [], pastEpochs: [], resumptionSecrets: [],
      reInit: nil, proven: [:], upgradeLog: nil)
    for encrypt in [true, false] {
      #expect(throws: MLSError.ownMessage) {
        try own.process(annotated(parameters, encrypt: encrypt), validator: validator)
      }
    }
  }

  @Test func `an external commit has no proof before, and takes only a place of its own`() throws {
    let world = try MixedWorld(suite, full: 3, partial: 2)
    let group = world.partial[0].group
    let before = world.full[0].group
    let info = try before.groupInfo(signer: world.full[0].client.signer)
    func join(_ client: Client, removing leaf: LeafIndex? = nil, psks: [PreSharedKeyID] = []) throws -> (
      commit: OutgoingCommit, annotated: AnnotatedCommit
    ) {
      let commit = try Group.joinExternally(
        groupInfo: info, leaf: client.parameters, signer: client.signer, removing: leaf, validator: AnyCredential())
      let annotator = try CommitAnnotator(
        commit.message, committer: commit.group.ownLeafIndex, added: [], isExternal: true, before: before.publicTree,
        after: commit.group.publicTree)
      return (commit, try annotator.annotated(for: group.ownLeafIndex))
    }
    let (commit, good) = try join(Client("joiner", suite))
    #expect(try group.process(good, allowsExternal: true, validator: validator).committer.leafIndex == commit.group.ownLeafIndex)
    // It is followed only by those who are told to: its maker chooses the new secrets, so the tag vouches for nothing.
    #expect(throws: MLSError.externalCommitNotAllowed) { try group.process(good, validator: validator) }
    #expect(throws: MLSError.externalCommitNotAllowed) {
      try group.process(annotatedCommit: good.encoded, validator: validator)
    }
    var changed = good
    changed.senderMembershipProof = try before.membershipProof(of: LeafIndex(0))
    #expect(throws: MLSError.invalidProof(.unexpected)) { try group.process(changed, allowsExternal: true, validator: validator) }
    changed = good
    changed.senderMembershipProofAfter = good.receiverMembershipProofAfter
    #expect(throws: MLSError.invalidProof(.senderIndex)) { try group.process(changed, allowsExternal: true, validator: validator) }
    changed.senderMembershipProofAfter = try commit.group.membershipProof(of: LeafIndex(1))
    #expect(throws: MLSError.invalidProof(.senderLeaf)) { try group.process(changed, allowsExternal: true, validator: validator) }
    changed = good
    changed.resolutionIndex = nil
    #expect(throws: MLSError.invalidProof(.resolutionIndex)) { try group.process(changed, allowsExternal: true, validator: validator) }

    // Somebody else cannot take the place of this member, nor of one that is known.
    let thief = try join(Client("thief", suite), removing: group.ownLeafIndex).annotated
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) { try group.process(thief, allowsExternal: true, validator: validator) }
    let other = try join(Client("thief", suite), removing: LeafIndex(2)).annotated
    _ = try group.process(other, allowsExternal: true, validator: validator)
    let proven = try group.prove(before.membershipProof(of: LeafIndex(2)), validator: validator).group
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) { try proven.process(other, allowsExternal: true, validator: validator) }
    // And a signature that is not by the new leaf.
    guard case .publicMessage(var message) = good.commit else { throw MLSError.unexpectedMessage }
    message.auth.signature[0] ^= 1
    changed = good
    changed.commit = .publicMessage(message)
    #expect(throws: MLSError.invalidSignature(.content)) { try group.process(changed, allowsExternal: true, validator: validator) }
  }

  @Test func `nothing is proposed or committed after a ReInit, nor in the last epoch`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let commit = try world.full[0].group.commit(
      CommitPlan(), signer: world.full[0].client.signer, validator: validator)
    var last = world.partial[0].group
    let annotated = try world.full[0].group.annotator(for: commit.message, commit).annotated(for: last.ownLeafIndex)
    var context = last.groupContext
    context.epoch = .max
    last.state = PartialState(
      suite: suite, context: context, leafCount: last.state.leafCount, ownLeaf: last.ownLeafNode,
      confirmationTag: last.confirmationTag)
    var former = world.full[0]
    former.group.state = PublicState(
      suite: suite, context: context, tree: former.group.state.tree, tally: former.group.state.tally,
      confirmationTag: last.confirmationTag)
    var changed = annotated
    changed.commit = try MLSMessage(decoding: former.forge([Proposal]()))
    #expect(throws: MLSError.groupEnded) { try last.process(changed, validator: validator) }

    let next = ReInit(groupID: [5, 5], version: .mls10, cipherSuite: suite.rawValue, extensions: [])
    try world.commit(CommitPlan(reInit: next))
    let group = world.partial[0].group
    let proposal = try world.proven(world.full[1].forge(.proposal(.remove(LeafIndex(2)))))
    #expect(throws: MLSError.groupEnded) { try group.process(senderAuthenticated: proposal, validator: validator) }
    changed.commit = try MLSMessage(decoding: world.full[1].forge([Proposal](), path: world.full[1].path()))
    changed.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    #expect(throws: MLSError.groupEnded) { try group.process(changed, validator: validator) }
    // What was said meanwhile is still read.
    #expect(try world.partial[0].read(world.proven(world.full[1].forge(.application([1])))).plaintext == [1])
  }
}
