import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// The checks of a newcomer (RFC 9420 §12.4.3.1), against Welcomes that a member made and signed.
struct JoinRuleTests {
  private let suite = testedSuites[0]

  /// A good Welcome, opened, for a test to spoil and close again.
  private struct OpenWelcome {
    var secrets: GroupSecrets
    var info: GroupInfo
    var signer: SigningKey
    var bundle: KeyPackageBundle

    /// Changes the tree that comes along, and makes the tree hash fit again.
    mutating func changeTree(_ change: (inout [Node?]) throws -> Void) throws {
      let position = try #require(info.extensions.firstIndex { $0.type == .ratchetTree })
      let encoded = info.extensions[position].data
      var reader = ByteReader(encoded.span)
      var list = try reader.readNested()
      var nodes: [Node?] = []
      while !list.isAtEnd { nodes.append(try list.readOptional(of: Node.self)) }
      try change(&nodes)
      var writer = ByteWriter()
      writer.writeVector { (writer: inout ByteWriter) in for node in nodes { writer.writeOptional(node) } }
      info.extensions[position].data = writer.bytes
      var tree = try RatchetTree(decoding: writer.bytes, suite: bundle.cipherSuite)
      info.groupContext.treeHash = tree.treeHash()
    }

    func closed(signs: Bool = true) throws -> [UInt8] {
      let suite = bundle.cipherSuite
      var info = info
      if signs {
        info.signature = try suite.signWithLabel(signer, label: "GroupInfoTBS", content: info.toBeSigned)
      }
      let zeros = Secret.zeros(suite.hash.byteCount)
      let key = WelcomeKey(joinerSecret: secrets.joinerSecret, pskSecret: zeros, suite: suite)
      let sealed = try suite.aead.seal(info.encoded, key: key.key, nonce: key.nonce, aad: [])
      let ciphertext = try suite.encryptWithLabel(
        publicKey: bundle.initKey.publicKey, label: "Welcome", context: sealed, plaintext: secrets.encoded)
      let entry = EncryptedGroupSecrets(newMember: bundle.reference, encryptedGroupSecrets: ciphertext)
      return MLSMessage.welcome(
        Welcome(cipherSuite: suite.rawValue, secrets: [entry], encryptedGroupInfo: sealed)
      ).encoded
    }
  }

  private func open(_ world: World, _ bundle: KeyPackageBundle, path: Bool = true) throws -> OpenWelcome {
    let commit = try world.members[0].group.commit(
      CommitPlan(adds: [bundle.keyPackage], forcePath: path), signer: world.members[0].client.signer,
      validator: BasicIdentities())
    guard case .welcome(let welcome) = try MLSMessage(decoding: #require(commit.welcome)) else {
      throw MLSError.unexpectedMessage
    }
    let secrets = try welcome.groupSecrets(for: bundle)
    let info = try welcome.groupInfo(
      joinerSecret: secrets.joinerSecret, pskSecret: .zeros(suite.hash.byteCount), suite: suite)
    return OpenWelcome(secrets: secrets, info: info, signer: world.members[0].client.signer, bundle: bundle)
  }

  @Test func `a newcomer checks the group before it joins`() throws {
    let world = try World(suite, count: 4)
    let bundle = try Client("new", suite).bundle()
    let good = try open(world, bundle)
    func join(_ welcome: [UInt8], tree: [UInt8]? = nil) throws -> JoinedGroup {
      try Group.join(welcome: welcome, keyPackage: bundle, ratchetTree: tree, validator: BasicIdentities())
    }
    func refused(
      _ expected: MLSError, signs: Bool = true, sourceLocation: SourceLocation = #_sourceLocation,
      _ edit: (inout OpenWelcome) throws -> Void
    ) throws {
      var changed = good
      try edit(&changed)
      let welcome = try changed.closed(signs: signs)
      #expect(throws: expected, sourceLocation: sourceLocation) { try join(welcome) }
    }
    _ = try join(good.closed())
    try refused(.invalidSignature(.groupInfo), signs: false) { $0.info.signature[0] ^= 1 }
    try refused(.invalidSignature(.groupInfo)) { $0.info.signer = LeafIndex(1) }
    try refused(.invalidTree(.blankLeaf)) { $0.info.signer = LeafIndex(77) }
    try refused(.mismatch(.confirmationTag)) { $0.info.confirmationTag[0] ^= 1 }
    try refused(.mismatch(.confirmationTag)) { $0.info.confirmationTag = [] }
    try refused(.mismatch(.confirmationTag)) { $0.info.groupContext.epoch += 1 }
    try refused(.mismatch(.treeHash)) { $0.info.groupContext.treeHash[0] ^= 1 }
    try refused(.mismatch(.treeHash)) { $0.info.groupContext.treeHash = [] }
    try refused(.unsupportedVersion(2)) { $0.info.groupContext.version = ProtocolVersion(rawValue: 2) }
    try refused(.unsupportedCipherSuite(3)) { $0.info.groupContext.cipherSuite = 3 }
    try refused(.invalidLeafNode(.groupExtensionNotSupported)) {
      $0.info.groupContext.extensions = [Extension(type: ExtensionType(rawValue: 0xF0BB), data: [])]
    }
    try refused(.invalidLeafNode(.requiredCapabilities)) {
      $0.info.groupContext.extensions = [RequiredCapabilities(credentialTypes: [.x509]).asExtension]
    }
    try refused(.invalidLeafNode(.requiredComponents)) {
      let list = ComponentsList([ComponentID(rawValue: 0x8001)])
      $0.info.groupContext.extensions = [AppDataDictionary([.appComponents: list.encoded]).asExtension]
    }
    try refused(.invalidExtensions) { $0.info.extensions += $0.info.extensions }
    try refused(.invalidExtensions) { $0.info.groupContext.extensions = $0.info.extensions + $0.info.extensions }
    let stranger = ExternalSender(signatureKey: [1], credential: .basic(identity: []))
    try refused(.invalidExternalSender) { $0.info.groupContext.extensions = [ExternalSenders([stranger]).asExtension] }
    try refused(.malformed(.trailingBytes(count: 1))) {
      let data = ExternalSenders([]).encoded + [0]
      $0.info.groupContext.extensions = [Extension(type: .externalSenders, data: data)]
    }
    try refused(.invalidPath(.publicKeyMismatch)) { $0.secrets.pathSecret = .zeros(32) }
    try refused(.invalidPath(.noSecretForUs)) { $0.secrets.pathSecret = .zeros(31) }
    try refused(.missingPreSharedKey) { $0.secrets.preSharedKeys = [.external(id: [1], cipherSuite: suite)] }
    for usage in [ResumptionPSKUsage.reinit, .branch] {
      try refused(.missingPreSharedKey) {
        let key = PreSharedKeyID.Key.resumption(usage: usage, groupID: [1], epoch: 1)
        $0.secrets.preSharedKeys = [PreSharedKeyID(key: key, nonce: [UInt8](repeating: 1, count: 32))]
      }
    }
    try refused(.invalidProposals(.preSharedKeyNonce)) {
      $0.secrets.preSharedKeys = [PreSharedKeyID(key: .external(id: [1]), nonce: [1])]
    }
    let tree = try #require(good.info.extensions.data(of: .ratchetTree))
    try refused(.missingRatchetTree) { $0.info.extensions = [] }
    var bare = good
    bare.info.extensions = []
    _ = try join(bare.closed(), tree: tree)
    #expect(throws: MLSError.mismatch(.treeHash)) {
      try join(bare.closed(), tree: world.members[1].group.exportRatchetTree())
    }
  }

  @Test func `a Welcome opens whole or not at all`() throws {
    let world = try World(suite, count: 2)
    let bundle = try Client("new", suite).bundle()
    guard case .welcome(let good) = try MLSMessage(decoding: open(world, bundle).closed()) else {
      throw MLSError.unexpectedMessage
    }
    func refused(_ edit: (inout Welcome) -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
      var welcome = good
      edit(&welcome)
      #expect(throws: MLSError.crypto(.notAuthentic), sourceLocation: sourceLocation) {
        try Group.join(
          welcome: MLSMessage.welcome(welcome).encoded, keyPackage: bundle, validator: BasicIdentities())
      }
    }
    let secrets = good.secrets[0].encryptedGroupSecrets
    for index in secrets.ciphertext.indices { refused { $0.secrets[0].encryptedGroupSecrets.ciphertext[index] ^= 1 } }
    for index in 0..<31 { refused { $0.secrets[0].encryptedGroupSecrets.kemOutput[index] ^= 1 } }
    // They are encrypted under the group info, which so cannot be another one.
    refused { $0.encryptedGroupInfo[0] ^= 1 }

    // A group info that is not the one under the joiner's key.
    var message = good
    message.encryptedGroupInfo[0] ^= 1
    let plaintext = try good.groupSecrets(for: bundle).encoded
    message.secrets[0].encryptedGroupSecrets = try suite.encryptWithLabel(
      publicKey: bundle.initKey.publicKey, label: "Welcome", context: message.encryptedGroupInfo, plaintext: plaintext)
    #expect(throws: MLSError.crypto(.notAuthentic)) {
      try Group.join(welcome: MLSMessage.welcome(message).encoded, keyPackage: bundle, validator: BasicIdentities())
    }
    message = good
    message.secrets[0].encryptedGroupSecrets = try suite.encryptWithLabel(
      publicKey: bundle.initKey.publicKey, label: "Welcome", context: good.encryptedGroupInfo, plaintext: plaintext + [0])
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try Group.join(welcome: MLSMessage.welcome(message).encoded, keyPackage: bundle, validator: BasicIdentities())
    }
  }

  @Test func `a group info for outsiders comes with its tree`() throws {
    let member = try World(suite, count: 2).members[0]
    let joiner = Client("joiner", suite)
    let info = try member.group.groupInfo(signer: member.client.signer, includeRatchetTree: false)
    func join(_ tree: [UInt8]?) throws {
      _ = try Group.joinExternally(
        groupInfo: info, ratchetTree: tree, leaf: joiner.parameters, signer: joiner.signer, validator: BasicIdentities())
    }
    #expect(throws: MLSError.missingRatchetTree) { try join(nil) }
    try join(member.group.exportRatchetTree())
  }

  @Test func `who was not given the secret of a path cannot follow the next one`() throws {
    var world = try World(suite, count: 3)
    let bundle = try Client("new", suite).bundle()
    // By the neighbour of the place that the newcomer takes, so that its path renews the node above both.
    let commit = try world.commit(CommitPlan(adds: [bundle.keyPackage]), by: 2)
    let next = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    guard case .welcome(var welcome) = try MLSMessage(decoding: #require(commit.welcome)) else {
      throw MLSError.unexpectedMessage
    }
    func follow() throws -> Received {
      let message = MLSMessage.welcome(welcome).encoded
      let joined = try Group.join(welcome: message, keyPackage: bundle, validator: BasicIdentities())
      return try joined.group.process(next.message, validator: BasicIdentities())
    }
    guard case .commit(let received) = try follow() else { throw MLSError.unexpectedMessage }
    #expect(received.group?.epochAuthenticator == next.group.epochAuthenticator)
    // The committer keeps it to itself: the newcomer has no key but its leaf's.
    var secrets = try welcome.groupSecrets(for: bundle)
    secrets.pathSecret = nil
    welcome.secrets[0].encryptedGroupSecrets = try suite.encryptWithLabel(
      publicKey: bundle.initKey.publicKey, label: "Welcome", context: welcome.encryptedGroupInfo,
      plaintext: secrets.encoded)
    #expect(throws: MLSError.invalidPath(.noSecretForUs)) { try follow() }
  }

  @Test func `a Welcome is for the key package that was added`() throws {
    let world = try World(suite, count: 2)
    let bundle = try Client("new", suite).bundle()
    var welcome = try open(world, bundle)
    let stranger = try Client("stranger", suite).bundle()
    let message = try welcome.closed()
    #expect(throws: MLSError.notForThisKeyPackage) {
      try Group.join(welcome: message, keyPackage: stranger, validator: BasicIdentities())
    }
    // A member hands the secrets to somebody who is not in the tree.
    welcome.bundle = stranger
    let leaked = try welcome.closed()
    #expect(throws: MLSError.invalidTree(.ownLeafMissing)) {
      try Group.join(welcome: leaked, keyPackage: stranger, validator: BasicIdentities())
    }
    let other = try KeyPackageBundle.generate(
      cipherSuite: .mls128X25519ChaCha20SHA256Ed25519,
      leaf: Client("other", .mls128X25519ChaCha20SHA256Ed25519).parameters,
      lifetime: Lifetime(notBefore: 0, notAfter: 1), signer: suite.signature.generateKey())
    #expect(throws: MLSError.unsupportedCipherSuite(1)) {
      try Group.join(welcome: message, keyPackage: other, validator: BasicIdentities())
    }
  }

  @Test func `the leaf in the tree is the key package's own to the last byte`() throws {
    let world = try World(suite, count: 2)
    let client = Client("new", suite)
    let added = try client.bundle()
    var welcome = try open(world, added)
    _ = try Group.join(welcome: welcome.closed(), keyPackage: added, validator: BasicIdentities())
    // The same keys in another package of the same client.
    let other = try KeyPackageBundle(
      cipherSuite: suite,
      keyPackage: added.keyPackage.forged(by: client) {
        $0.leafNode.source = .keyPackage(Lifetime(notBefore: 100, notAfter: 300))
      }, initKey: added.initKey, leafKey: added.leafKey)
    welcome.bundle = other
    let message = try welcome.closed()
    #expect(throws: MLSError.invalidTree(.ownLeafMissing)) {
      try Group.join(welcome: message, keyPackage: other, validator: BasicIdentities())
    }
  }

  @Test func `every leaf of the tree follows the rules of a leaf`() throws {
    var world = try World(suite, count: 4)
    // No path has been made since this one came, so no parent hash covers its leaf.
    let late = Client("late", suite)
    try world.add([late], by: 0, path: false)
    let bundle = try Client("new", suite).bundle()
    let good = try open(world, bundle, path: false)
    _ = try Group.join(welcome: good.closed(), keyPackage: bundle, validator: BasicIdentities())
    func refused(
      _ expected: MLSError, signer: SigningKey? = nil, validator: any CredentialValidator = BasicIdentities(),
      sourceLocation: SourceLocation = #_sourceLocation, _ edit: (inout LeafNode) -> Void
    ) throws {
      var changed = good
      try changed.changeTree { nodes in
        guard case .leaf(var leaf) = nodes[8] else { throw MLSError.unexpectedMessage }
        edit(&leaf)
        nodes[8] = .leaf(
          try leaf.signed(
            groupID: world.members[0].group.groupID, leafIndex: LeafIndex(4), by: signer ?? late.signer, suite))
      }
      let welcome = try changed.closed()
      #expect(throws: expected, sourceLocation: sourceLocation) {
        try Group.join(welcome: welcome, keyPackage: bundle, validator: validator)
      }
    }
    let member = world.members[3]
    try refused(.invalidLeafNode(.credential)) { $0.credential = .basic(identity: []) }
    try refused(.invalidLeafNode(.credentialTypeNotSupported), validator: AnyCredential()) {
      $0.credential = .x509(certificates: [[1]])
      $0.capabilities.credentials = [.basic, .x509]
    }
    try refused(.invalidLeafNode(.invalidKey)) { $0.encryptionKey = [1] }
    try refused(.invalidLeafNode(.duplicateEncryptionKey)) {
      $0.encryptionKey = member.group.ownLeafNode.encryptionKey
    }
    try refused(.invalidLeafNode(.duplicateSignatureKey), signer: member.client.signer) {
      $0.signatureKey = member.client.signer.publicKey
    }
    try refused(.invalidSignature(.leafNode), signer: member.client.signer) { _ in }
    // And the good one is good, but for the confirmation tag over another tree.
    try refused(.mismatch(.confirmationTag)) { $0.source = .keyPackage(Lifetime(notBefore: 1, notAfter: 300)) }
  }

  @Test func `a group info for outsiders holds the group's key and nothing behind it`() throws {
    let member = try World(suite, count: 2).members[0]
    let joiner = Client("joiner", suite)
    func join(_ extensions: [Extension]) throws -> OutgoingCommit {
      let info = try member.group.groupInfo(
        signer: member.client.signer, includeExternalPub: false, extensions: extensions)
      return try Group.joinExternally(
        groupInfo: info, leaf: joiner.parameters, signer: joiner.signer, validator: BasicIdentities())
    }
    let key = try member.group.secrets.externalKeyPair(suite).publicKey
    _ = try join([Extension(type: .externalPub, data: ExternalPub(key).encoded)])
    #expect(throws: MLSError.missingExternalPub) { try join([]) }
    #expect(throws: MLSError.malformed(.trailingBytes(count: 1))) {
      try join([Extension(type: .externalPub, data: ExternalPub(key).encoded + [0])])
    }
    #expect(throws: MLSError.crypto(.invalidKey)) {
      try join([Extension(type: .externalPub, data: ExternalPub([UInt8](repeating: 0, count: 32)).encoded)])
    }
  }

  @Test func `a key package bundle is saved and read back`() throws {
    for suite in testedSuites + [.xWing(number: 8)] {
      let bundle = try Client("a", suite).bundle(lastResort: true)
      #expect(bundle.keyPackage.isLastResort)
      let stored = bundle.secretEncoding
      #expect(try KeyPackageBundle(secretEncoding: stored) == bundle)
      #expect(throws: MLSError.invalidArchive) {
        try KeyPackageBundle(secretEncoding: Secret(stored.exposedBytes + [0]))
      }
      for count in stride(from: 0, to: stored.byteCount, by: 7) {
        let cut = Secret(Array(stored.exposedBytes.prefix(count)))
        #expect(throws: MLSError.invalidArchive) { try KeyPackageBundle(secretEncoding: cut) }
      }
      try bundle.keyPackage.validate(cipherSuite: suite, now: 150, validator: BasicIdentities())
      #expect(throws: MLSError.invalidLeafNode(.lifetime)) {
        try bundle.keyPackage.validate(cipherSuite: suite, now: 99, validator: BasicIdentities())
      }
    }
  }

  @Test func `descriptions of states show no content`() throws {
    let world = try World(suite, count: 2)
    let group = world.members[0].group
    #expect("\(group)" == "Group(epoch 1, 2 members, own leaf 0)")
    #expect(String(reflecting: group.archive()).hasPrefix("GroupArchive("))
    #expect(Mirror(reflecting: group).children.isEmpty)
  }
}
