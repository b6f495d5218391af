import CryptoSuite
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
