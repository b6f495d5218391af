import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a newcomer without the tree refuses (draft-ietf-mls-partial), made by members with real keys.
struct PartialJoinRuleTests {
  private let suite = testedSuites[0]
  private let validator = BasicIdentities()

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
      (
        [AppDataDictionary([.appComponents: ComponentsList([ComponentID(rawValue: 0x8001)]).encoded]).asExtension],
        .requiredComponents
      ),
    ] {
      try refused(.invalidLeafNode(rule)) { info, secrets in
        info.groupContext.extensions = list
        let schedule = KeySchedule(
          joinerSecret: secrets.joinerSecret, pskSecret: zeros, groupContext: info.groupContext.encoded, suite: suite)
        info.confirmationTag = schedule.secrets.confirmationTag(info.groupContext.confirmedTranscriptHash, suite)
      }
    }
  }
}
