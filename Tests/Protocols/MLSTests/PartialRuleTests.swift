import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a partial member refuses (draft-ietf-mls-partial), made by members with real keys, and by whoever annotates.
struct PartialRuleTests {
  private let suite = testedSuites[0]
  private let validator = BasicIdentities()

  // MARK: Joining

  @Test func `a newcomer holds the Welcome to its proofs`() throws {
    let world = try MixedWorld(suite, full: 5, partial: 0)
    let client = Client("new", suite)
    let bundle = try client.bundle()
    let commit = try world.full[1].group.commit(
      CommitPlan(adds: [bundle.keyPackage], ratchetTreeInWelcome: false), signer: world.full[1].client.signer,
      validator: validator)
    let good = try commit.group.annotatedWelcome(#require(commit.welcome), for: bundle.keyPackage)
    func join(_ welcome: AnnotatedWelcome) throws -> JoinedPartialGroup {
      try PartialGroup.join(welcome: welcome.encoded, keyPackage: bundle, validator: validator)
    }
    func refused(_ expected: MLSError, _ edit: (inout AnnotatedWelcome) throws -> Void) throws {
      var changed = good
      try edit(&changed)
      #expect(throws: expected) { try join(changed) }
    }
    #expect(try join(good).group.epochAuthenticator == commit.group.epochAuthenticator)
    // Of another member, of the tree before, of the newcomer itself.
    try refused(.invalidProof(.senderIndex)) {
      $0.welcome.senderMembershipProof = try commit.group.membershipProof(of: LeafIndex(2))
    }
    try refused(.invalidProof(.treeHash)) {
      $0.welcome.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    }
    try refused(.invalidProof(.receiverLeaf)) {
      $0.joinerMembershipProof = try commit.group.membershipProof(of: LeafIndex(2))
    }
    try refused(.invalidProof(.treeHash)) { $0.joinerMembershipProof.copathHashes[1].bytes[3] ^= 1 }
    try refused(.notForThisKeyPackage) { $0.welcome.message.secrets = [] }
    try refused(.unsupportedCipherSuite(3)) { $0.welcome.message.cipherSuite = 3 }
    try refused(.crypto(.notAuthentic)) { $0.welcome.message.encryptedGroupInfo[0] ^= 1 }
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try PartialGroup.join(welcome: good.encoded + [0], keyPackage: bundle, validator: validator)
    }
    #expect(throws: MLSError.notForThisKeyPackage) {
      try PartialGroup.join(welcome: good.encoded, keyPackage: try client.bundle(), validator: validator)
    }
    #expect(throws: MLSError.notForThisKeyPackage) {
      try commit.group.annotatedWelcome(#require(commit.welcome), for: try client.bundle().keyPackage)
    }
  }

  @Test func `a newcomer checks the group info that a member made and signed`() throws {
    let world = try MixedWorld(suite, full: 4, partial: 0)
    let client = Client("new", suite)
    let bundle = try client.bundle()
    let commit = try world.full[0].group.commit(
      CommitPlan(adds: [bundle.keyPackage], ratchetTreeInWelcome: false), signer: world.full[0].client.signer,
      validator: validator)
    let annotated = try commit.group.annotatedWelcome(#require(commit.welcome), for: bundle.keyPackage)
    let secrets = try annotated.welcome.message.groupSecrets(for: bundle)
    let zeros = Secret.zeros(suite.hash.byteCount)
    let info = try annotated.welcome.message.groupInfo(
      joinerSecret: secrets.joinerSecret, pskSecret: zeros, suite: suite)

    /// The Welcome with other content, signed and encrypted again.
    func welcome(_ info: GroupInfo, _ secrets: GroupSecrets, signs: Bool) throws -> Welcome {
      var info = info
      if signs {
        info.signature = try suite.signWithLabel(
          world.full[0].client.signer, label: "GroupInfoTBS", content: info.toBeSigned)
      }
      let key = WelcomeKey(joinerSecret: secrets.joinerSecret, pskSecret: zeros, suite: suite)
      let sealed = try suite.aead.seal(info.encoded, key: key.key, nonce: key.nonce, aad: [])
      let ciphertext = try suite.encryptWithLabel(
        publicKey: bundle.initKey.publicKey, label: "Welcome", context: sealed, plaintext: secrets.encoded)
      let entry = EncryptedGroupSecrets(newMember: bundle.reference, encryptedGroupSecrets: ciphertext)
      return Welcome(cipherSuite: suite.rawValue, secrets: [entry], encryptedGroupInfo: sealed)
    }
    func refused(
      _ expected: MLSError, signs: Bool = true, _ edit: (inout GroupInfo, inout GroupSecrets) -> Void
    ) throws {
      var (changedInfo, changedSecrets) = (info, secrets)
      edit(&changedInfo, &changedSecrets)
      var changed = annotated
      changed.welcome.message = try welcome(changedInfo, changedSecrets, signs: signs)
      #expect(throws: expected) { try PartialGroup.join(changed, keyPackage: bundle, validator: validator) }
    }
    try refused(.invalidSignature(.groupInfo), signs: false) { info, _ in info.signature[0] ^= 1 }
    try refused(.invalidProof(.senderIndex)) { info, _ in info.signer = LeafIndex(1) }
    try refused(.invalidProof(.treeHash)) { info, _ in info.groupContext.treeHash[0] ^= 1 }
    try refused(.mismatch(.confirmationTag)) { info, _ in info.confirmationTag[0] ^= 1 }
    try refused(.mismatch(.confirmationTag)) { info, _ in info.groupContext.epoch += 1 }
    try refused(.unsupportedVersion(2)) { info, _ in info.groupContext.version = ProtocolVersion(rawValue: 2) }
    try refused(.unsupportedCipherSuite(3)) { info, _ in info.groupContext.cipherSuite = 3 }
    let doubled = Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])
    try refused(.invalidExtensions) { info, _ in info.extensions += [doubled, doubled] }
    try refused(.invalidPath(.publicKeyMismatch)) { _, secrets in secrets.pathSecret = .zeros(32) }
    try refused(.invalidPath(.noSecretForUs)) { _, secrets in secrets.pathSecret = .zeros(31) }
    // Whoever knows the keys of the group before cannot tell whether this one has its members.
    struct Everything: PSKProvider {
      func secret(for id: PreSharedKeyID) -> Secret? { .zeros(32) }
    }
    for usage in [ResumptionPSKUsage.reinit, .branch] {
      let key = PreSharedKeyID.Key.resumption(usage: usage, groupID: [1], epoch: 1)
      var changed = annotated
      var changedSecrets = secrets
      changedSecrets.preSharedKeys = [PreSharedKeyID(key: key, nonce: [UInt8](repeating: 1, count: 32))]
      changed.welcome.message = try welcome(info, changedSecrets, signs: true)
      #expect(throws: MLSError.missingPreSharedKey) {
        try PartialGroup.join(changed, keyPackage: bundle, psks: Everything(), validator: validator)
      }
    }
    let senders = Extension(type: .externalSenders, data: [9])
    try refused(.malformed(.truncated(needed: 9, available: 0))) { info, _ in
      info.groupContext.extensions = [senders]
    }
    // A newcomer cannot have made the path that welcomes it.
    var own = annotated
    own.welcome.senderMembershipProof = own.joinerMembershipProof
    var ownInfo = info
    ownInfo.signer = own.joinerMembershipProof.leafIndex
    ownInfo.signature = try suite.signWithLabel(client.signer, label: "GroupInfoTBS", content: ownInfo.toBeSigned)
    own.welcome.message = try welcome(ownInfo, secrets, signs: false)
    #expect(throws: MLSError.invalidPath(.noSecretForUs)) {
      try PartialGroup.join(own, keyPackage: bundle, validator: validator)
    }
    // Both leaves are judged: the signer's, and one's own.
    for name in ["0", "new"] {
      #expect(throws: MLSError.invalidLeafNode(.credential)) {
        try PartialGroup.join(annotated, keyPackage: bundle, validator: AllBut(name: name))
      }
    }
    // A tree that is deeper on one side, with one hash for two sizes.
    let signerLeaf = world.full[0].group.ownLeafNode
    let weird = WeirdTree(left: commit.group.ownLeafNode, right: bundle.keyPackage.leafNode, suite)
    #expect(signerLeaf.signatureKey == commit.group.ownLeafNode.signatureKey)
    var uneven = annotated
    var unevenInfo = info
    unevenInfo.groupContext.treeHash = weird.treeHash
    uneven.welcome.message = try welcome(unevenInfo, secrets, signs: true)
    uneven.welcome.senderMembershipProof = weird.shallowProof
    uneven.joinerMembershipProof = weird.deepProof
    #expect(throws: MLSError.invalidProof(.differentTrees)) {
      try PartialGroup.join(uneven, keyPackage: bundle, validator: validator)
    }
    // A group that asks for what the newcomer does not support, with a right tag.
    for (list, rule) in [
      ([Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])], MLSError.LeafNodeRule.groupExtensionNotSupported),
      ([RequiredCapabilities(credentialTypes: [.x509]).asExtension], .requiredCapabilities),
    ] {
      try refused(.invalidLeafNode(rule)) { info, secrets in
        info.groupContext.extensions = list
        let schedule = KeySchedule(
          joinerSecret: secrets.joinerSecret, pskSecret: zeros, groupContext: info.groupContext.encoded, suite: suite)
        info.confirmationTag = schedule.secrets.confirmationTag(info.groupContext.confirmedTranscriptHash, suite)
      }
    }
  }

  /// Both proofs lead to one hash, which a malicious member made from a tree that is deeper on one side.
  @Test func `two proofs of trees of different sizes are refused although their hashes agree`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    let group = world.partial[0].group
    #expect(group.ownLeafIndex == LeafIndex(2))
    let weird = WeirdTree(left: world.full[0].group.ownLeafNode, right: group.ownLeafNode, suite)
    let commit = try world.full[0].group.commit(
      CommitPlan(adds: [world.newClient().bundle().keyPackage], forcePath: false), signer: world.full[0].client.signer,
      validator: validator)
    var annotated = try world.full[0].group.annotator(for: commit).annotated(for: LeafIndex(2))
    annotated.treeHashAfter = weird.treeHash
    annotated.senderMembershipProofAfter = weird.shallowProof
    annotated.receiverMembershipProofAfter = weird.deepProof
    #expect(throws: MLSError.invalidProof(.differentTrees)) { try group.process(annotated, validator: validator) }
  }

  // MARK: Commits

  @Test(arguments: [true, false])
  func `a commit is held to its annotations`(encrypt: Bool) throws {
    // Two partial members beside each other below the root's other half, so that several ciphertexts are for one node.
    var world = try MixedWorld(suite, full: 4, partial: 4)
    try world.commit(CommitPlan(removes: [world.partial[3].group.ownLeafIndex]))
    let group = world.partial[0].group
    let before = world.full[0].group
    let plan = CommitPlan(encrypt: encrypt)
    let commit = try before.commit(plan, signer: world.full[0].client.signer, validator: validator)
    let annotator = try before.annotator(for: commit)
    let good = try annotator.annotated(for: group.ownLeafIndex)
    let after = commit.group
    func refused(_ expected: MLSError, _ edit: (inout AnnotatedCommit) throws -> Void) throws {
      var changed = good
      try edit(&changed)
      #expect(throws: expected) { try group.process(annotatedCommit: changed.encoded, validator: validator) }
    }
    _ = try group.process(annotatedCommit: good.encoded, validator: validator)

    // The proof of the sender before.
    try refused(.invalidProof(.missing)) { $0.senderMembershipProof = nil }
    try refused(.invalidProof(.senderIndex)) { $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(1)) }
    try refused(.invalidProof(.treeHash)) { $0.senderMembershipProof = try after.membershipProof(of: LeafIndex(0)) }
    // The tree after.
    try refused(.invalidProof(.treeHash)) { $0.treeHashAfter[0] ^= 1 }
    try refused(.invalidProof(.treeHash)) { $0.treeHashAfter = before.treeHash }
    try refused(.invalidProof(.treeHash)) {
      $0.senderMembershipProofAfter = try before.membershipProof(of: LeafIndex(0))
    }
    try refused(.invalidProof(.senderIndex)) {
      $0.senderMembershipProofAfter = try after.membershipProof(of: LeafIndex(1))
    }
    try refused(.invalidProof(.treeHash)) {
      $0.receiverMembershipProofAfter = try before.membershipProof(of: group.ownLeafIndex)
    }
    try refused(.invalidProof(.receiverLeaf)) {
      $0.receiverMembershipProofAfter = try after.membershipProof(of: world.partial[1].group.ownLeafIndex)
    }
    // The ciphertext.
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = nil }
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = 1000 }
    try refused(.invalidProof(.resolutionIndex)) { $0.resolutionIndex = .max }
    let others = try world.partial[1...].map { try annotator.annotated(for: $0.group.ownLeafIndex).resolutionIndex }
    let other = try #require(others.compactMap { $0 }.first { $0 != good.resolutionIndex })
    try refused(.crypto(.notAuthentic)) { $0.resolutionIndex = other }
    // Another commit of the same epoch has another tree.
    let rival = try before.commit(plan, signer: world.full[0].client.signer, validator: validator)
    try refused(.invalidProof(.senderLeaf)) {
      $0.treeHashAfter = rival.group.treeHash
      $0.senderMembershipProofAfter = try rival.group.membershipProof(of: LeafIndex(0))
      $0.receiverMembershipProofAfter = try rival.group.membershipProof(of: group.ownLeafIndex)
    }
    // Something else than a commit, and trailing bytes.
    let text = try world.full[0].send([1])
    try refused(.unexpectedMessage) { $0.commit = try MLSMessage(decoding: text) }
    try refused(.unexpectedMessage) { $0.commit = .keyPackage(try world.full[0].client.bundle().keyPackage) }
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try group.process(annotatedCommit: good.encoded + [0], validator: validator)
    }
    // Without its annotations it is no message for a partial member, and after it was taken it belongs to the past.
    #expect(throws: MLSError.unexpectedMessage) {
      try group.process(senderAuthenticated: world.proven(commit.message), validator: validator)
    }
    try world.follow(commit, by: 0)
    #expect(throws: MLSError.pastEpoch(group.epoch)) {
      try world.partial[0].group.process(good, validator: validator)
    }
    let next = try after.commit(plan, signer: world.full[0].client.signer, validator: validator)
    let ahead = try after.annotator(for: next).annotated(for: group.ownLeafIndex)
    #expect(throws: MLSError.futureEpoch(group.epoch + 1)) { try group.process(ahead, validator: validator) }
    // The annotator's own limits.
    #expect(throws: MLSError.ownMessage) { try annotator.annotated(for: LeafIndex(0)) }
    #expect(throws: MLSError.invalidTree(.blankLeaf)) { try annotator.annotated(for: LeafIndex(99)) }
  }

  /// Only the confirmation tag tells a false tree from the true one where no path binds it.
  @Test func `a tree hash that the committer did not mean is refused`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let before = world.full[0].group
    let group = world.partial[0].group
    func add() throws -> OutgoingCommit {
      try before.commit(
        CommitPlan(adds: [world.newClient().bundle().keyPackage], forcePath: false),
        signer: world.full[0].client.signer, validator: validator)
    }
    let (commit, rival) = (try add(), try add())
    let good = try before.annotator(for: commit).annotated(for: group.ownLeafIndex)
    var changed = try before.annotator(for: rival).annotated(for: group.ownLeafIndex)
    _ = try group.process(good, validator: validator)
    _ = try group.process(changed, validator: validator)
    changed.commit = good.commit
    #expect(throws: MLSError.mismatch(.confirmationTag)) { try group.process(changed, validator: validator) }
    // A resolution index where there is no path.
    changed = good
    changed.resolutionIndex = 0
    #expect(throws: MLSError.invalidProof(.resolutionIndex)) { try group.process(changed, validator: validator) }
  }

  @Test func `a commit that a member made against the rules is refused`() throws {
    let world = try MixedWorld(suite, full: 4, partial: 2)
    let group = world.partial[0].group
    let committer = world.full[1]
    let commit = try committer.group.commit(
      CommitPlan(encrypt: false), signer: committer.client.signer, validator: validator)
    let annotator = try committer.group.annotator(for: commit)
    let good = try annotator.annotated(for: group.ownLeafIndex)
    guard case .publicMessage(let message) = good.commit, case .commit(let content) = message.content.body else {
      throw MLSError.unexpectedMessage
    }
    let path = try #require(content.path)

    /// The commit with other content, signed by the committer.
    func made(_ content: Commit, by signer: SigningKey? = nil, tag: [UInt8]? = nil) throws -> MLSMessage {
      var changed = message.content
      changed.body = .commit(content)
      var signed = try changed.sign(
        format: .publicMessage, groupContext: group.contextBytes, signer: signer ?? committer.client.signer,
        suite: suite)
      signed.auth.confirmationTag = tag ?? message.auth.confirmationTag
      return .publicMessage(
        PublicMessage(
          protecting: signed, membershipKey: group.secrets.membershipKey, groupContext: group.contextBytes,
          suite: suite))
    }
    func refused(
      _ expected: MLSError, sourceLocation: SourceLocation = #_sourceLocation, _ message: () throws -> MLSMessage
    ) throws {
      var changed = good
      changed.commit = try message()
      #expect(throws: expected, sourceLocation: sourceLocation) { try group.process(changed, validator: validator) }
    }
    _ = try group.process(good, validator: validator)
    // Framing.
    try refused(.mismatch(.membershipTag)) {
      var changed = message
      changed.membershipTag?[0] ^= 1
      return .publicMessage(changed)
    }
    try refused(.invalidSignature(.content)) { try made(content, by: world.full[2].client.signer) }
    try refused(.mismatch(.confirmationTag)) { try made(content, tag: [UInt8](repeating: 1, count: 32)) }
    try refused(.mismatch(.confirmationTag)) { try made(content, tag: []) }
    try refused(.unexpectedMessage) {
      try MLSMessage(decoding: committer.forge(.proposal(.remove(LeafIndex(2))), encrypt: false))
    }
    // Proposals.
    func with(_ proposals: [Proposal], path: UpdatePath? = path) throws -> MLSMessage {
      try made(Commit(proposals: proposals.map { .proposal($0) }, path: path))
    }
    try refused(.unknownProposal) {
      try made(Commit(proposals: [.reference(ProposalRef([1, 2]))], path: path))
    }
    try refused(.invalidProposals(.removeOfCommitter)) { try with([.remove(LeafIndex(1))]) }
    try refused(.invalidProposals(.removeOfBlankLeaf)) { try with([.remove(LeafIndex(8))]) }
    try refused(.invalidProposals(.conflictingChanges)) { try with([.remove(LeafIndex(2)), .remove(LeafIndex(2))]) }
    try refused(.invalidProposals(.updateByCommitter)) { try with([.update(committer.group.ownLeafNode)]) }
    try refused(.invalidProposals(.senderNotAllowed)) { try with([.externalInit(kemOutput: [1])]) }
    let psk = PreSharedKeyID.external(id: [1], cipherSuite: suite)
    try refused(.invalidProposals(.duplicatePreSharedKey)) { try with([.preSharedKey(psk), .preSharedKey(psk)]) }
    try refused(.invalidProposals(.preSharedKeyNonce)) {
      try with([.preSharedKey(PreSharedKeyID(key: psk.key, nonce: [1]))])
    }
    try refused(.missingPreSharedKey) { try with([.preSharedKey(psk)]) }
    try refused(.invalidProposals(.multipleGroupContextExtensions)) {
      try with([.groupContextExtensions([]), .groupContextExtensions([])])
    }
    let list = [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])]
    try refused(.invalidExtensions) { try with([.groupContextExtensions(list + list)]) }
    try refused(.invalidLeafNode(.groupExtensionNotSupported)) {
      try with([.groupContextExtensions([Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])])])
    }
    try refused(.invalidProposals(.unsupportedType)) {
      try with([.custom(type: ProposalType(rawValue: 0xF0BB), content: [])])
    }
    let reInit = ReInit(groupID: [1], version: .mls10, cipherSuite: 1, extensions: [])
    try refused(.invalidProposals(.reInitNotAlone)) { try with([.reInit(reInit), .preSharedKey(psk)]) }
    // Without a path the annotations have no index, so give them none.
    var pathless = good
    pathless.resolutionIndex = nil
    pathless.commit = try with([.remove(LeafIndex(2))], path: nil)
    #expect(throws: MLSError.invalidProposals(.pathMissing)) { try group.process(pathless, validator: validator) }
    pathless.commit = try with([.preSharedKey(psk)], path: nil)
    #expect(throws: MLSError.invalidProof(.senderLeaf)) { try group.process(pathless, validator: validator) }
    // The path.
    func with(_ edit: (inout UpdatePath) -> Void) throws -> MLSMessage {
      var changed = path
      edit(&changed)
      return try made(Commit(proposals: [], path: changed))
    }
    try refused(.invalidPath(.wrongLength)) { try with { $0.nodes.removeLast() } }
    try refused(.invalidPath(.wrongLength)) { try with { $0.nodes.append($0.nodes[0]) } }
    try refused(.invalidPath(.publicKeyMismatch)) { try with { $0.nodes.swapAt(0, 1) } }
    try refused(.invalidProof(.resolutionIndex)) {
      try with { for index in $0.nodes.indices { $0.nodes[index].encryptedPathSecrets = [] } }
    }
    try refused(.crypto(.notAuthentic)) {
      try with { for index in $0.nodes.indices { $0.nodes[index].encryptedPathSecrets[0].ciphertext[0] ^= 1 } }
    }
    try refused(.invalidProof(.senderLeaf)) {
      try with {
        $0.leafNode.extensions = []; $0.leafNode.signature[0] ^= 1
      }
    }
  }

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
    #expect(try group.process(good, validator: validator).committer.leafIndex == commit.group.ownLeafIndex)
    var changed = good
    changed.senderMembershipProof = try before.membershipProof(of: LeafIndex(0))
    #expect(throws: MLSError.invalidProof(.unexpected)) { try group.process(changed, validator: validator) }
    changed = good
    changed.senderMembershipProofAfter = good.receiverMembershipProofAfter
    #expect(throws: MLSError.invalidProof(.senderIndex)) { try group.process(changed, validator: validator) }
    changed.senderMembershipProofAfter = try commit.group.membershipProof(of: LeafIndex(1))
    #expect(throws: MLSError.invalidProof(.senderLeaf)) { try group.process(changed, validator: validator) }
    changed = good
    changed.resolutionIndex = nil
    #expect(throws: MLSError.invalidProof(.resolutionIndex)) { try group.process(changed, validator: validator) }

    // Somebody else cannot take the place of this member, nor of one that is known.
    let thief = try join(Client("thief", suite), removing: group.ownLeafIndex).annotated
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) { try group.process(thief, validator: validator) }
    let other = try join(Client("thief", suite), removing: LeafIndex(2)).annotated
    _ = try group.process(other, validator: validator)
    let proven = try group.prove(before.membershipProof(of: LeafIndex(2)), validator: validator).group
    #expect(throws: MLSError.invalidLeafNode(.identityChanged)) { try proven.process(other, validator: validator) }
    // And a signature that is not by the new leaf.
    guard case .publicMessage(var message) = good.commit else { throw MLSError.unexpectedMessage }
    message.auth.signature[0] ^= 1
    changed = good
    changed.commit = .publicMessage(message)
    #expect(throws: MLSError.invalidSignature(.content)) { try group.process(changed, validator: validator) }
  }

  @Test func `nothing is proposed or committed after a ReInit, nor in the last epoch`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let commit = try world.full[0].group.commit(
      CommitPlan(), signer: world.full[0].client.signer, validator: validator)
    var last = world.partial[0].group
    let annotated = try world.full[0].group.annotator(for: commit).annotated(for: last.ownLeafIndex)
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

  // MARK: Messages

  @Test func `authenticated data is framed where the group asks for it`() throws {
    var world = try MixedWorld(suite, full: 2, partial: 1)
    let dictionary = AppDataDictionary([.safeAAD: ComponentsList([]).encoded])
    try world.commit(CommitPlan(extensions: [dictionary.asExtension]))
    let group = world.partial[0].group
    func message(_ data: [UInt8], _ body: FramedContent.Body) throws -> [UInt8] {
      let content = FramedContent(
        groupID: group.groupID, epoch: group.epoch, sender: .member(LeafIndex(1)), authenticatedData: data, body: body)
      var signed = try content.sign(
        format: .privateMessage, groupContext: group.contextBytes, signer: world.full[1].client.signer, suite: suite)
      if case .commit = body { signed.auth.confirmationTag = [1] }
      var sender = world.full[1].group
      return try sender.protect(signed, encrypt: true, padding: 0)
    }
    let framed = SafeAAD([ComponentID(rawValue: 0x8001): [1]]).encoded
    let good = try world.proven(message(framed, .application([1])))
    let bad = try world.proven(message([1, 2, 3], .application([1])))
    _ = try group.process(senderAuthenticated: good, validator: validator)
    #expect(throws: MLSError.invalidFraming) { try group.process(senderAuthenticated: bad, validator: validator) }
    let commit = try message([1, 2, 3], .commit(Commit(proposals: [], path: nil)))
    let proof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    let annotated = AnnotatedCommit(
      commit: try MLSMessage(decoding: commit), senderMembershipProof: proof, treeHashAfter: group.treeHash,
      resolutionIndex: nil, senderMembershipProofAfter: proof, receiverMembershipProofAfter: proof)
    #expect(throws: MLSError.invalidFraming) { try group.process(annotated, validator: validator) }
    try world.commit(CommitPlan(authenticatedData: framed))
    #expect(throws: MLSError.invalidFraming) {
      try world.partial[0].group.process(senderAuthenticated: bad, validator: validator)
    }
    _ = try world.partial[0].group.process(senderAuthenticated: good, validator: validator)
  }

  @Test func `a message is held to the proof of its sender`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 2)
    let group = world.partial[0].group
    let before = world.full[0].group
    let message = try world.full[1].send([1])
    let good = try before.senderAuthenticated(message)
    guard case .privateMessage(let bare) = good.message else { throw MLSError.unexpectedMessage }
    func refused(_ expected: MLSError, _ edit: (inout SenderAuthenticatedMessage<MLSMessage>) throws -> Void) throws {
      var changed = good
      try edit(&changed)
      #expect(throws: expected) { try group.process(senderAuthenticated: changed.encoded, validator: validator) }
    }
    _ = try group.process(senderAuthenticated: good.encoded, validator: validator)
    guard
      case .application(let read, _) = try group.process(
        SenderAuthenticatedMessage(message: bare, senderMembershipProof: good.senderMembershipProof),
        validator: validator)
    else { throw MLSError.unexpectedMessage }
    #expect(read.plaintext == [1])
    try refused(.invalidProof(.senderIndex)) { $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(2)) }
    try refused(.invalidProof(.treeHash)) { $0.senderMembershipProof.copathHashes[0].bytes[0] ^= 1 }
    // A member's own leaf cannot stand for another's: index and content are both in the hash.
    try refused(.invalidProof(.treeHash)) {
      $0.senderMembershipProof = try before.membershipProof(of: LeafIndex(2))
      $0.senderMembershipProof.leafIndex = LeafIndex(1)
    }
    try refused(.unexpectedMessage) { $0.message = .keyPackage(try world.full[0].client.bundle().keyPackage) }
    try refused(.wrongGroup) {
      var changed = bare
      changed.groupID = [1]
      $0.message = .privateMessage(changed)
    }
    try refused(.futureEpoch(group.epoch + 1)) {
      var changed = bare
      changed.epoch += 1
      $0.message = .privateMessage(changed)
    }
    let own = try before.senderAuthenticated(world.partial[0].send([2])).encoded
    #expect(throws: MLSError.ownMessage) { try group.process(senderAuthenticated: own, validator: validator) }
    // Content that another member signed.
    let foreign = try Participant(client: world.full[2].client, group: world.full[1].group).forge(.application([1]))
    #expect(throws: MLSError.invalidSignature(.content)) {
      try group.process(senderAuthenticated: before.senderAuthenticated(foreign).encoded, validator: validator)
    }
    let open = try world.full[1].forge(.application([1]), encrypt: false)
    #expect(throws: MLSError.invalidFraming) {
      try group.process(senderAuthenticated: before.senderAuthenticated(open).encoded, validator: validator)
    }
    // A credential that the application does not accept.
    struct Nobody: CredentialValidator {
      func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { false }
      func sameIdentity(old: Credential, new: Credential) -> Bool { false }
    }
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try group.process(senderAuthenticated: good.encoded, validator: Nobody())
    }

    // Late, the proof is of the epoch of the message and of no other.
    let later = try world.full[1].send([3])
    let proof = try world.full[0].group.senderAuthenticated(later)
    let ownLate = try world.proven(world.partial[1].send([5]))
    let lateProposal = try world.proven(world.full[2].forge(.proposal(.remove(LeafIndex(0)))))
    try world.commit(CommitPlan(), by: 1)
    #expect(throws: MLSError.ownMessage) {
      try world.partial[1].group.process(senderAuthenticated: ownLate, validator: validator)
    }
    #expect(throws: MLSError.pastEpoch(group.epoch)) {
      try world.partial[1].group.process(senderAuthenticated: lateProposal, validator: validator)
    }
    #expect(throws: MLSError.pastEpoch(group.epoch)) { try world.full[0].group.senderAuthenticated(later) }
    var changed = proof
    changed.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(1))
    #expect(throws: MLSError.invalidProof(.treeHash)) {
      try world.partial[1].group.process(changed, validator: validator)
    }
    changed.senderMembershipProof = try before.membershipProof(of: LeafIndex(2))
    #expect(throws: MLSError.invalidProof(.senderIndex)) {
      try world.partial[1].group.process(changed, validator: validator)
    }
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try world.partial[1].group.process(proof, validator: Nobody())
    }
    #expect(try world.partial[1].read(proof.encoded).plaintext == [3])

    // Who was removed is in no tree of the new epoch, whatever keys it still has.
    let removed = world.full[2]
    try world.commit(CommitPlan(removes: [removed.group.ownLeafIndex]))
    var ghost = world.full[0]
    ghost.client = removed.client
    let content = FramedContent(
      groupID: group.groupID, epoch: ghost.group.epoch, sender: .member(LeafIndex(2)), authenticatedData: [],
      body: .application([1]))
    let signed = try content.sign(
      format: .privateMessage, groupContext: ghost.group.contextBytes, signer: removed.client.signer, suite: suite)
    let (generation, key) = try ghost.group.secretTree.advance(LeafIndex(2), .application, suite)
    let spoken = try PrivateMessage(
      protecting: signed, sender: LeafIndex(2), generation: generation, key: key,
      senderDataSecret: ghost.group.secrets.senderDataSecret, padding: 0, reuseGuard: [1, 2, 3, 4], suite: suite)
    for epoch in [before, removed.group] {
      let authenticated = SenderAuthenticatedMessage(
        message: spoken, senderMembershipProof: try epoch.membershipProof(of: LeafIndex(2)))
      #expect(throws: MLSError.invalidProof(.treeHash)) {
        try world.partial[0].group.process(authenticated, validator: validator)
      }
    }
  }

  @Test func `a proposal is held to the proof of its sender, and kept once`() throws {
    var world = try MixedWorld(suite, full: 3, partial: 1)
    let group = world.partial[0].group
    let sent = try world.full[1].group.propose(
      .remove(LeafIndex(2)), signer: world.full[1].client.signer, encrypt: false)
    let proven = try world.proven(sent.message)
    guard
      case .proposal(let received, let once) = try group.process(senderAuthenticated: proven, validator: validator),
      case .proposal(_, let twice) = try once.process(senderAuthenticated: proven, validator: validator)
    else { throw MLSError.unexpectedMessage }
    #expect(received.proposal == .remove(LeafIndex(2)))
    #expect(twice.pendingProposals == once.pendingProposals)
    #expect(once.pendingProposals.count == 1)
    #expect(throws: MLSError.invalidLeafNode(.credential)) {
      try group.process(senderAuthenticated: proven, validator: AllBut(name: "1"))
    }
    // Not without the proof, nor with another's.
    #expect(throws: MLSError.invalidProof(.missing)) {
      try group.process(externalProposal: sent.message, validator: validator)
    }
    var changed = try SenderAuthenticatedMessage<MLSMessage>(decoding: proven)
    changed.senderMembershipProof = try world.full[0].group.membershipProof(of: LeafIndex(0))
    #expect(throws: MLSError.invalidProof(.senderIndex)) { try group.process(changed, validator: validator) }
    // One from outside has no proof to give.
    let newcomer = world.newClient()
    let request = try ExternalProposal.requestToJoin(
      with: newcomer.bundle().keyPackage, groupID: group.groupID, epoch: group.epoch, signer: newcomer.signer,
      cipherSuite: suite)
    _ = try group.process(externalProposal: request, validator: validator)
    changed.message = try MLSMessage(decoding: request)
    #expect(throws: MLSError.invalidProof(.unexpected)) { try group.process(changed, validator: validator) }
    #expect(throws: MLSError.invalidSender) { try world.full[0].group.senderAuthenticated(request) }
    // A commit that names it is refused by whoever has not seen it.
    try world.full[0].note(sent.message)
    let commit = try world.full[0].group.commit(
      CommitPlan(), signer: world.full[0].client.signer, validator: validator)
    let annotated = try world.full[0].group.annotator(for: commit).annotated(for: group.ownLeafIndex)
    #expect(throws: MLSError.unknownProposal) { try group.process(annotated, validator: validator) }
    #expect(try once.process(annotated, validator: validator).group?.epochAuthenticator == commit.group.epochAuthenticator)
  }
}

/// Accepts everybody but one.
private struct AllBut: CredentialValidator {
  var name: String

  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
    credential != .basic(identity: Array(name.utf8))
  }

  func sameIdentity(old: Credential, new: Credential) -> Bool { old == new }
}

/// What no honest member makes: one leaf right below the root, and the other two levels below.
private struct WeirdTree {
  let treeHash: [UInt8]
  /// Of the left leaf, in a tree of two.
  let shallowProof: MembershipProof
  /// Of the right leaf, in a tree of four.
  let deepProof: MembershipProof

  init(left: LeafNode, right: LeafNode, _ suite: CipherSuite) {
    let leftHash = Subtree.leafHash(StoredLeaf(decodable: left.encoded), index: 0, suite: suite)
    let own = Subtree.leafHash(StoredLeaf(decodable: right.encoded), index: 2, suite: suite)
    let beside = Subtree.leafHash(nil, index: 3, suite: suite)
    let rightHash = Subtree.parentNodeHash(nil, left: own, right: beside, suite: suite)
    treeHash = Subtree.parentNodeHash(nil, left: leftHash, right: rightHash, suite: suite)
    shallowProof = MembershipProof(
      leafIndex: LeafIndex(0), leafCount: 2, directPathNodes: [.leaf(left), nil],
      copathHashes: [CopathHash(rightHash)])
    deepProof = MembershipProof(
      leafIndex: LeafIndex(2), leafCount: 4, directPathNodes: [.leaf(right), nil, nil],
      copathHashes: [CopathHash(beside), CopathHash(leftHash)])
  }
}

extension MembershipProof {
  /// The hash that this proof leads to, whatever it says.
  func impliedTreeHash(_ suite: CipherSuite) -> [UInt8] {
    guard case .leaf(let leaf)? = directPathNodes.first else { return [] }
    var hash = Subtree.leafHash(StoredLeaf(decodable: leaf.encoded), index: leafIndex.rawValue, suite: suite)
    for (level, node) in directPathNodes.dropFirst().enumerated() {
      let parent: ParentNode? = if case .parent(let parent)? = node { parent } else { nil }
      let isRight = leafIndex.rawValue >> UInt32(level) & 1 == 1
      let beside = copathHashes[level].bytes
      hash = Subtree.parentNodeHash(parent, left: isRight ? beside : hash, right: isRight ? hash : beside, suite: suite)
    }
    return hash
  }
}
