import CryptoSuite
import WireFormat

@testable import MLS

extension Structure {
  /// Append only: an input names a structure by its place.
  static let mls: [Structure] = [
    .wire(MLSMessage.self), .wire(KeyPackage.self), keyPackageBundle, .wire(Welcome.self), .wire(GroupInfo.self),
    .wire(GroupContext.self), .wire(GroupSecrets.self), .wire(EncryptedGroupSecrets.self), .wire(PublicMessage.self),
    .wire(PrivateMessage.self), .wire(FramedContent.self), .wire(AuthenticatedContent.self), .wire(SenderData.self),
    .wire(Commit.self), .wire(Proposal.self), .wire(ReInit.self), .wire(LeafNode.self), .wire(ParentNode.self),
    .wire(UpdatePath.self), .wire(Credential.self), .wire(Capabilities.self), .wire(Lifetime.self), .wire(Extension.self),
    .wire(RequiredCapabilities.self), .wire(ExternalSenders.self), .wire(ExternalPub.self), .wire(PreSharedKeyID.self),
    archive, keyPackage,
    .wire(Node.self), .wire(UpdatePathNode.self), .wire(HPKECiphertext.self), .wire(ExternalSender.self),
    .wire(ProposalOrRef.self), .wire(Sender.self), .wire(AppDataDictionary.self), .wire(SafeAAD.self),
    .wire(ComponentsList.self), .wire(MembershipProof.self), .wire(AnnotatedWelcome.self), .wire(AnnotatedCommit.self),
    .wire(SenderAuthenticatedMessage<MLSMessage>.self), .wire(SenderAuthenticatedMessage<Welcome>.self),
    .wire(SenderAuthenticatedMessage<GroupInfo>.self), .wire(SenderAuthenticatedMessage<PublicMessage>.self),
    .wire(SenderAuthenticatedMessage<PrivateMessage>.self), partialArchive,
  ]

  /// Two vectors, the parts of an archive: what can be restored is saved the same again, and the group can be used.
  private static let archive = Structure("archive") { (bytes) throws(BrokenProperty) -> Bool in
    var reader = ByteReader(bytes.span)
    guard let publicPart = try? reader.readVector(), let secretPart = try? reader.readSecret() else { return false }
    guard let group = try? Group(restoring: GroupArchive(publicPart: publicPart, secretPart: secretPart)) else { return false }
    try group.checkArchive()
    _ = try? group.export(label: "test", context: [], count: 32)
    let signer = LiveGroup.suite.signature.generateKey()
    _ = try? group.groupInfo(signer: signer)
    _ = try? group.protect([1], signer: signer)
    _ = try? group.commit(CommitPlan(), signer: signer, validator: Anyone())
    return true
  }

  /// The same of a member who has no tree.
  private static let partialArchive = Structure("partial archive") { (bytes) throws(BrokenProperty) -> Bool in
    var reader = ByteReader(bytes.span)
    guard let publicPart = try? reader.readVector(), let secretPart = try? reader.readSecret() else { return false }
    guard let group = try? PartialGroup(restoring: GroupArchive(publicPart: publicPart, secretPart: secretPart)) else { return false }
    try group.checkArchive()
    _ = try? group.export(label: "test", context: [], count: 32)
    let signer = LiveGroup.suite.signature.generateKey()
    _ = try? group.protect([1], signer: signer)
    _ = try? group.proposeUpdate(signer: signer)
    return true
  }

  /// Not to be had as bytes: what is read from a secret is written as the same.
  private static let keyPackageBundle = Structure("KeyPackageBundle") { (bytes) throws(BrokenProperty) -> Bool in
    let stored = Secret(bytes)
    guard let bundle = try? KeyPackageBundle(secretEncoding: stored) else { return false }
    try BrokenProperty.unless(bundle.secretEncoding == stored, "a key package bundle has a second encoding")
    return true
  }

  /// A key package with its signatures made right: no judgement on it traps.
  private static let keyPackage = Structure("signed key package") { (bytes) throws(BrokenProperty) -> Bool in
    guard var package = try? KeyPackage(decoding: bytes) else { return false }
    let suite = CipherSuite(rawValue: package.cipherSuite) ?? LiveGroup.suite
    // Slow curves would hold up the others.
    guard suite == LiveGroup.suite, let signer = try? Self.signer() else { return false }
    package.forge(by: signer)
    let verdict = Result { () throws(MLSError) in try package.validate(cipherSuite: suite, now: 1_000, validator: Anyone()) }
    if case .success = verdict {
      try BrokenProperty.unless(package.leafNode.source != .update, "a leaf of another source makes a key package")
      try BrokenProperty.unless(package.initKey != package.leafNode.encryptionKey, "one key does for two")
    }
    return true
  }

  static func signer() throws(CryptoError) -> SigningKey {
    try SigningKey(.ed25519, privateKey: Secret([UInt8](repeating: 3, count: 32)))
  }

  static func mlsSeeds() throws -> [(name: String, bytes: [UInt8])] {
    var world = try SeedWorld()
    let sealed = try world.groups[0].protect([1, 2, 3], authenticatedData: [4], signer: world.clients[0].signer).message
    let bundle = try SeedClient("eve").bundle()
    let commit = try world.groups[0].commit(
      CommitPlan(adds: [bundle.keyPackage], encrypt: false), signer: world.clients[0].signer, validator: Anyone())
    let info = try world.groups[0].groupInfo(signer: world.clients[0].signer)
    let psk = PreSharedKeyID.external(id: [1, 2], cipherSuite: LiveGroup.suite)
    guard case .publicMessage(let publicMessage) = try MLSMessage(decoding: commit.message),
      case .commit(let commitBody) = publicMessage.content.body, let path = commitBody.path,
      case .privateMessage(let privateMessage) = try MLSMessage(decoding: sealed),
      case .welcome(let welcome) = try MLSMessage(decoding: world.welcome), let secrets = welcome.secrets.first,
      case .groupInfo(let groupInfo) = try MLSMessage(decoding: info)
    else { throw BrokenProperty("a message is taken for another kind") }
    try world.commit(by: 2)
    let archive = world.groups[1].archive()
    var archived = ByteWriter()
    archived.writeVector(archive.publicPart)
    archived.writeVector(archive.secretPart)
    let partial = world.groups[1].downgraded().archive()
    var partialArchived = ByteWriter()
    partialArchived.writeVector(partial.publicPart)
    partialArchived.writeVector(partial.secretPart)
    let full = world.groups[0]
    let proof = try full.membershipProof(of: LeafIndex(2))
    let empty = try full.commit(CommitPlan(), signer: world.clients[0].signer, validator: Anyone())
    let annotated = try full.annotator(for: empty.message, empty).annotated(for: LeafIndex(1))
    let reInit = ReInit(groupID: [9], version: .mls10, cipherSuite: 1, extensions: [])
    let authenticated = AuthenticatedContent(
      format: .publicMessage, content: publicMessage.content, auth: publicMessage.auth)
    let parent = ParentNode(encryptionKey: [1, 2], parentHash: [3], unmergedLeaves: [LeafIndex(1), LeafIndex(2)])
    let groupSecrets = GroupSecrets(joinerSecret: Secret([1, 2]), pathSecret: Secret([3]), preSharedKeys: [psk])
    let values: [(String, any WireEncodable)] = [
      ("MLSMessage", MLSMessage.welcome(welcome)), ("KeyPackage", bundle.keyPackage),
      ("Welcome", welcome), ("GroupInfo", groupInfo), ("GroupContext", world.groups[0].groupContext),
      ("GroupSecrets", groupSecrets), ("EncryptedGroupSecrets", secrets), ("PublicMessage", publicMessage),
      ("PrivateMessage", privateMessage), ("FramedContent", publicMessage.content),
      ("AuthenticatedContent", authenticated), ("Commit", commitBody), ("Proposal", Proposal.add(bundle.keyPackage)),
      ("ReInit", reInit), ("LeafNode", path.leafNode), ("ParentNode", parent), ("UpdatePath", path),
      ("Credential", Credential.x509(certificates: [[1, 2], [3]])), ("Capabilities", path.leafNode.capabilities),
      ("Extension", Extension(type: .applicationID, data: [1, 2])),
      ("RequiredCapabilities", RequiredCapabilities(extensionTypes: [.applicationID], credentialTypes: [.basic])),
      ("ExternalSenders", ExternalSenders([ExternalSender(signatureKey: [1], credential: .basic(identity: [2]))])),
      ("PreSharedKeyID", psk), ("signed key package", bundle.keyPackage),
      ("Node", Node.leaf(path.leafNode)), ("ProposalOrRef", ProposalOrRef.proposal(.selfRemove)), ("Sender", Sender.external(1)),
      ("AppDataDictionary", AppDataDictionary([.appComponents: ComponentsList([.safeAAD]).encoded, .safeAAD: []])),
      ("SafeAAD", SafeAAD([.lastResortKeyPackage: [1]])), ("ComponentsList", ComponentsList([.appComponents, .safeAAD])),
      ("MembershipProof", proof), ("AnnotatedCommit", annotated),
      (
        "AnnotatedWelcome",
        AnnotatedWelcome(
          welcome: SenderAuthenticatedMessage(message: welcome, senderMembershipProof: proof), joinerMembershipProof: proof)
      ),
      (
        "SenderAuthenticatedMessage<MLSMessage>",
        SenderAuthenticatedMessage(message: MLSMessage.privateMessage(privateMessage), senderMembershipProof: proof)
      ),
      ("SenderAuthenticatedMessage<GroupInfo>", SenderAuthenticatedMessage(message: groupInfo, senderMembershipProof: proof)),
      ("SenderAuthenticatedMessage<PublicMessage>", SenderAuthenticatedMessage(message: publicMessage, senderMembershipProof: proof)),
    ]
    return try values.map { try seed($0.0, $0.1.encoded, of: mls) } + [
      seed("KeyPackageBundle", bundle.secretEncoding.exposedBytes, of: mls),
      seed("archive", archived.bytes, of: mls), seed("partial archive", partialArchived.bytes, of: mls),
    ]
  }
}

extension KeyPackage {
  /// Puts the signer's key into the leaf, and signs leaf and package.
  mutating func forge(by signer: SigningKey) {
    leafNode.signatureKey = signer.publicKey
    leafNode.forge(by: signer, groupID: [], at: LeafIndex(0))
    signature = (try? LiveGroup.suite.signWithLabel(signer, label: "KeyPackageTBS", content: toBeSigned)) ?? []
  }
}

extension LeafNode {
  mutating func forge(by signer: SigningKey, groupID: [UInt8], at leaf: LeafIndex) {
    let content = toBeSigned(groupID: groupID, leafIndex: leaf)
    signature = (try? LiveGroup.suite.signWithLabel(signer, label: "LeafNodeTBS", content: content)) ?? []
  }
}

extension PartialGroup {
  /// What was saved is restored to the same.
  func checkArchive() throws(BrokenProperty) {
    let archive = archive()
    guard let restored = try? PartialGroup(restoring: archive) else { throw BrokenProperty("an archive cannot be restored") }
    try BrokenProperty.unless(restored.archive() == archive, "an archive is restored to something else")
  }
}

extension Group {
  /// What was saved is restored to the same.
  func checkArchive() throws(BrokenProperty) {
    let archive = archive()
    guard let restored = try? Group(restoring: archive) else { throw BrokenProperty("an archive cannot be restored") }
    try BrokenProperty.unless(restored.archive() == archive, "an archive is restored to something else")
  }
}
