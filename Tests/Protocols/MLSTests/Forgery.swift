import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What a member with a real signing key can send, but must not.
extension Participant {
  /// A commit of anything, properly signed and encrypted, with a confirmation tag that nobody can check before the rules.
  func forge(_ proposals: [ProposalOrRef], path: UpdatePath? = nil) throws -> [UInt8] {
    try forge(.commit(Commit(proposals: proposals, path: path)))
  }

  func forge(_ proposals: [Proposal], path: UpdatePath? = nil) throws -> [UInt8] {
    try forge(proposals.map { ProposalOrRef.proposal($0) }, path: path)
  }

  func forge(_ body: FramedContent.Body, encrypt: Bool = true) throws -> [UInt8] {
    var group = group
    return try group.protect(sign(body, encrypt: encrypt), encrypt: encrypt, padding: 0)
  }

  func sign(_ body: FramedContent.Body, encrypt: Bool = true) throws -> AuthenticatedContent {
    let content = FramedContent(
      groupID: group.groupID, epoch: group.epoch, sender: .member(group.ownLeafIndex), authenticatedData: [],
      body: body)
    var authenticated = try content.sign(
      format: encrypt ? .privateMessage : .publicMessage, groupContext: group.state.contextBytes,
      signer: client.signer, suite: client.suite)
    if case .commit = body {
      authenticated.auth.confirmationTag = [UInt8](repeating: 1, count: client.suite.hash.byteCount)
    }
    return authenticated
  }

  /// A good path of this member over these proposals, for a test to spoil.
  func path(over proposals: [Proposal] = [], parameters: LeafParameters? = nil, signer: SigningKey? = nil) throws
    -> UpdatePath
  {
    let committed = proposals.map {
      CommittedProposal(proposal: $0, sender: .member(group.ownLeafIndex), reference: nil)
    }
    let list = try ProposalList(committed, committer: .member(group.ownLeafIndex), in: group.state)
    var next = try ProvisionalState(applying: list, to: group.state, validator: AnyCredential())
    var tree = next.tree
    let own = group.ownLeafIndex
    let made = try tree.makePath(from: own, excluding: Set(next.addedLeaves)) { (key, parentHash) throws(MLSError) in
      try LeafNode(
        encryptionKey: key, parameters: parameters ?? client.parameters, source: .commit(parentHash: parentHash),
        groupID: group.groupID, leafIndex: own, signer: signer ?? client.signer, suite: client.suite)
    }
    next.tree = tree
    return try made.encrypt(context: next.provisionalContext().encoded)
  }

  /// A good path whose leaf supports what no other member does: extensions and proposals of the type 0xF0BB, certificates.
  func versatilePath() throws -> UpdatePath {
    var leaf = client.parameters
    leaf.capabilities.extensions.append(ExtensionType(rawValue: 0xF0BB))
    leaf.capabilities.proposals.append(ProposalType(rawValue: 0xF0BB))
    leaf.capabilities.credentials.append(.x509)
    return try path(parameters: leaf)
  }

  /// Signs a path's leaf again after a test has changed it.
  func resign(_ path: UpdatePath) throws -> UpdatePath {
    var path = path
    path.leafNode = try path.leafNode.signed(
      groupID: group.groupID, leafIndex: group.ownLeafIndex, by: client.signer, client.suite)
    return path
  }
}

extension LeafNode {
  func signed(groupID: [UInt8], leafIndex: LeafIndex, by signer: SigningKey, _ suite: CipherSuite) throws -> LeafNode {
    var leaf = self
    leaf.signature = try suite.signWithLabel(
      signer, label: "LeafNodeTBS", content: leaf.toBeSigned(groupID: groupID, leafIndex: leafIndex))
    return leaf
  }
}

extension KeyPackage {
  /// Changed by `edit` and signed again, leaf and package.
  func forged(by client: Client, _ edit: (inout KeyPackage) -> Void) throws -> KeyPackage {
    var package = self
    edit(&package)
    package.leafNode = try package.leafNode.signed(
      groupID: [], leafIndex: LeafIndex(0), by: client.signer, client.suite)
    package.signature = try client.suite.signWithLabel(
      client.signer, label: "KeyPackageTBS", content: package.toBeSigned)
    return package
  }
}

extension Participant {
  /// A public message of any sender, signed by any key, with the membership tag where one belongs.
  func forgePublic(
    _ body: FramedContent.Body, from sender: Sender? = nil, signer: SigningKey? = nil
  ) throws -> PublicMessage {
    let content = FramedContent(
      groupID: group.groupID, epoch: group.epoch, sender: sender ?? .member(group.ownLeafIndex), authenticatedData: [],
      body: body)
    var authenticated = try content.sign(
      format: .publicMessage, groupContext: group.state.contextBytes, signer: signer ?? client.signer,
      suite: client.suite)
    if case .commit = body {
      authenticated.auth.confirmationTag = [UInt8](repeating: 1, count: client.suite.hash.byteCount)
    }
    return PublicMessage(
      protecting: authenticated, membershipKey: group.secrets.membershipKey, groupContext: group.state.contextBytes,
      suite: client.suite)
  }

  /// A private message that claims to come from a leaf, under that leaf's own first key, but signed by this member.
  func seal(_ body: FramedContent.Body, from leaf: LeafIndex? = nil, padding: [UInt8] = []) throws -> [UInt8] {
    let signed = try sign(body)
    var tree = group.secretTree
    let (generation, key) = try tree.advance(leaf ?? group.ownLeafIndex, signed.content.contentType, client.suite)
    var plaintext = ByteWriter()
    signed.content.body.encodeUntyped(into: &plaintext)
    signed.auth.encode(into: &plaintext)
    plaintext.writeBytes(padding)
    let senderData = SenderData(
      leafIndex: leaf ?? group.ownLeafIndex, generation: generation, reuseGuard: [0, 0, 0, 0])
    return MLSMessage.privateMessage(
      try PrivateMessage(
        sealing: plaintext.bytes, of: signed.content, senderData: senderData, key: key,
        senderDataSecret: group.secrets.senderDataSecret, suite: client.suite)
    ).encoded
  }
}

extension World {
  /// Member 1 must refuse a message with exactly this error, and keep its state.
  func refuse(
    _ expected: MLSError, _ message: [UInt8], validator: any CredentialValidator = BasicIdentities(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let group = members[1].group
    let before = group.archive()
    #expect(throws: expected, sourceLocation: sourceLocation) { try group.process(message, validator: validator) }
    #expect(group.archive() == before, sourceLocation: sourceLocation)
  }
}

/// A good external commit, with the keys to spoil it and sign it again.
struct ExternalForgery {
  let world: World
  let joiner: Client
  let leafIndex: LeafIndex
  private let message: PublicMessage
  private let commit: Commit

  init(_ world: World, _ joiner: Client, removing ownOldLeaf: LeafIndex? = nil) throws {
    let member = world.members[0]
    let good = try Group.joinExternally(
      groupInfo: member.group.groupInfo(signer: member.client.signer), leaf: joiner.parameters, signer: joiner.signer,
      removing: ownOldLeaf, validator: AnyCredential())
    guard case .publicMessage(let message) = try MLSMessage(decoding: good.message),
      case .commit(let commit) = message.content.body
    else { throw MLSError.unexpectedMessage }
    self.world = world
    self.joiner = joiner
    self.message = message
    self.commit = commit
    leafIndex = good.group.ownLeafIndex
  }

  /// The commit as `edit` leaves it, signed by the joiner or somebody else.
  func forged(by signer: SigningKey? = nil, _ edit: (inout Commit) throws -> Void = { _ in }) throws -> [UInt8] {
    var changed = commit
    try edit(&changed)
    var content = message.content
    content.body = .commit(changed)
    var signed = try content.sign(
      format: .publicMessage, groupContext: world.members[0].group.state.contextBytes, signer: signer ?? joiner.signer,
      suite: world.suite)
    signed.auth.confirmationTag = message.auth.confirmationTag
    return MLSMessage.publicMessage(PublicMessage(content: content, auth: signed.auth, membershipTag: nil)).encoded
  }

  /// The commit with the joiner's leaf as `edit` leaves it, both signed again.
  func withLeaf(by signer: SigningKey? = nil, _ edit: (inout LeafNode) -> Void) throws -> [UInt8] {
    try forged(by: signer) { commit in
      var path = try #require(commit.path)
      edit(&path.leafNode)
      path.leafNode = try path.leafNode.signed(
        groupID: world.members[0].group.groupID, leafIndex: leafIndex, by: signer ?? joiner.signer, world.suite)
      commit.path = path
    }
  }
}
