import CryptoSuite
import WireFormat

@testable import MLS

/// Frames what no honest member sends, with the keys of members: whoever holds a group's secrets can send as anybody whose
/// signature key they have.
struct Forger {
  /// Bits of `options`, beside the two lowest, which choose the member who sends.
  static let commit: UInt8 = 4
  static let proposal: UInt8 = 8
  /// Sent by somebody who is no member.
  static let newcomer: UInt8 = 16
  /// The leaves and key packages inside are signed again.
  static let resign: UInt8 = 32
  /// The sender is one of the `external_senders`.
  static let external: UInt8 = 64
  /// A commit gets a path that leads somewhere and the confirmation tag that belongs to it, so that whatever else it says
  /// can be accepted.
  static let confirmed: UInt8 = 128

  let group: Group
  let members: [SigningKey]
  let stranger: SigningKey
  let options: UInt8

  private var suite: CipherSuite { group.cipherSuite }
  private func has(_ option: UInt8) -> Bool { options & option != 0 }
  private var leaf: LeafIndex { LeafIndex(UInt32(options & 3)) }

  private var type: ContentType { has(Self.commit) ? .commit : has(Self.proposal) ? .proposal : .application }

  private var sender: Sender {
    if has(Self.external) { return .external(UInt32(options & 3)) }
    if has(Self.newcomer) { return type == .commit ? .newMemberCommit : .newMemberProposal }
    return .member(leaf)
  }

  private var signer: SigningKey {
    if has(Self.newcomer) { return stranger }
    return members[has(Self.external) ? 0 : Int(options & 3) % members.count]
  }

  private func body(_ bytes: [UInt8]) -> FramedContent.Body? {
    var reader = ByteReader(bytes.span)
    guard let body = try? FramedContent.Body(type, from: &reader) else { return nil }
    return has(Self.resign) ? resigned(body) : body
  }

  private func resigned(_ body: FramedContent.Body) -> FramedContent.Body {
    switch body {
    case .application: return body
    case .proposal(let proposal): return .proposal(resigned(proposal))
    case .commit(var commit):
      commit.proposals = commit.proposals.map { item in
        if case .proposal(let proposal) = item { .proposal(resigned(proposal)) } else { item }
      }
      if var path = commit.path {
        if has(Self.newcomer) { path.leafNode.signatureKey = stranger.publicKey }
        // Where a newcomer lands: the first blank leaf, here always the one after the last.
        let place = has(Self.newcomer) ? LeafIndex(UInt32(group.memberCount)) : leaf
        path.leafNode.forge(by: signer, groupID: group.groupID, at: place)
        commit.path = path
      }
      return .commit(commit)
    }
  }

  private func resigned(_ proposal: Proposal) -> Proposal {
    switch proposal {
    case .add(var keyPackage):
      keyPackage.forge(by: stranger)
      return .add(keyPackage)
    case .update(var leafNode):
      leafNode.forge(by: signer, groupID: group.groupID, at: leaf)
      return .update(leafNode)
    default: return proposal
    }
  }

  private func signed(_ body: FramedContent.Body, _ format: MessageFormat) -> AuthenticatedContent? {
    var body = body
    var step: Step?
    if has(Self.confirmed), case .commit(let commit) = body, let prepared = prepare(commit) {
      body = .commit(prepared.commit)
      step = prepared
    }
    let content = FramedContent(groupID: group.groupID, epoch: group.epoch, sender: sender, authenticatedData: [], body: body)
    var authenticated = try? content.sign(
      format: format, groupContext: group.groupContext.encoded, signer: signer, suite: suite)
    if case .commit = body {
      // Nobody can know the tag of a commit that cannot be applied; it is the last thing that is checked.
      let tag = authenticated.flatMap { step?.confirmationTag(of: $0) }
      authenticated?.auth.confirmationTag = tag ?? [UInt8](repeating: 1, count: suite.hash.byteCount)
    }
    return authenticated
  }

  /// A commit on its way into the epoch that it starts.
  private struct Step {
    var commit: Commit
    var next: ProvisionalState
    let initSecret: Secret
    let commitSecret: Secret?
    let pskSecret: Secret

    func confirmationTag(of authenticated: AuthenticatedContent) -> [UInt8]? {
      var next = next
      return
        (try? next.advance(
          commit: authenticated, initSecret: initSecret, commitSecret: commitSecret, pskSecret: pskSecret))?.state.confirmationTag
    }
  }

  /// Applies the proposals of a commit, and gives it a path if it has one or needs one.
  private func prepare(_ commit: Commit) -> Step? {
    guard let proposals = try? group.resolve(commit.proposals, committer: sender),
      let list = try? ProposalList(proposals, committer: sender, in: group.state),
      var next = try? ProvisionalState(applying: list, to: group.state, validator: Anyone()),
      let pskSecret = try? group.preSharedKeySecret(list.preSharedKeys, OneSecret())
    else { return nil }
    var initSecret = group.secrets.initSecret
    if let kemOutput = list.externalInit {
      guard let external = try? group.secrets.externalInitSecret(kemOutput, suite) else { return nil }
      initSecret = external
    }
    guard commit.path != nil || list.requiresPath else {
      return Step(commit: commit, next: next, initSecret: initSecret, commitSecret: nil, pskSecret: pskSecret)
    }
    let isExternal = sender == .newMemberCommit
    guard let place = isExternal ? try? next.tree.reserveLeaf() : leaf,
      let parameters = (commit.path?.leafNode ?? next.tree.leaf(at: place)).map(LeafParameters.init),
      let path = try? next.makePath(
        from: place, parameters: parameters, signer: signer, isExternal: isExternal, validator: Anyone())
    else { return nil }
    var commit = commit
    commit.path = path.sent
    return Step(
      commit: commit, next: next, initSecret: initSecret, commitSecret: path.made.commitSecret, pskSecret: pskSecret)
  }

  func publicMessage(_ bytes: [UInt8]) -> [UInt8]? {
    guard let body = body(bytes), let authenticated = signed(body, .publicMessage) else { return nil }
    let message = PublicMessage(
      protecting: authenticated, membershipKey: group.secrets.membershipKey, groupContext: group.groupContext.encoded,
      suite: suite)
    return MLSMessage.publicMessage(message).encoded
  }

  func privateMessage(_ bytes: [UInt8]) -> [UInt8]? {
    guard let body = body(bytes), let authenticated = signed(body, .privateMessage) else { return nil }
    var plaintext = ByteWriter()
    authenticated.content.body.encodeUntyped(into: &plaintext)
    authenticated.auth.encode(into: &plaintext)
    return seal(plaintext.bytes)
  }

  /// - Parameter bytes: an encoded `PrivateMessageContent` (RFC 9420 §6.3.1), or anything else.
  func privateContent(_ bytes: [UInt8]) -> [UInt8]? { seal(bytes) }

  private func seal(_ plaintext: [UInt8]) -> [UInt8]? {
    var tree = group.secretTree
    guard let (generation, key) = try? tree.advance(leaf, type, suite) else { return nil }
    let body: FramedContent.Body =
      switch type {
      case .application: .application([])
      case .proposal: .proposal(.remove(leaf))
      case .commit: .commit(Commit(proposals: [], path: nil))
      }
    let content = FramedContent(groupID: group.groupID, epoch: group.epoch, sender: .member(leaf), authenticatedData: [], body: body)
    let senderData = SenderData(leafIndex: leaf, generation: generation, reuseGuard: [1, 2, 3, 4])
    let message = try? PrivateMessage(
      sealing: plaintext, of: content, senderData: senderData, key: key, senderDataSecret: group.secrets.senderDataSecret,
      suite: suite)
    return message.map { MLSMessage.privateMessage($0).encoded }
  }

  /// Signs a GroupInfo by the member that it names, as far as it is one of ours.
  func groupInfo(_ bytes: [UInt8]) -> [UInt8]? {
    (try? GroupInfo(decoding: bytes)).map { MLSMessage.groupInfo(signed($0)).encoded }
  }

  /// A Welcome with this GroupInfo, confirmed and signed, for the owner of a key package.
  ///
  /// With the option `external` it has a pre-shared key, with `newcomer` a path secret.
  func welcome(_ bytes: [UInt8], for keyPackage: KeyPackage) -> Welcome? {
    guard var info = try? GroupInfo(decoding: bytes) else { return nil }
    // The signature is over the tag, and the tag over the tree hash: twice, so that both are right.
    info = signed(info)
    let secret = Secret([UInt8](repeating: 9, count: suite.hash.byteCount))
    let nonce = [UInt8](repeating: 8, count: suite.hash.byteCount)
    let psks = has(Self.external) ? [PreSharedKeyID(key: .external(id: [7]), nonce: nonce)] : []
    guard let pskSecret = try? Group.preSharedKeySecret(psks, OneSecret(), suite: suite) else { return nil }
    let schedule = KeySchedule(
      joinerSecret: secret, pskSecret: pskSecret, groupContext: info.groupContext.encoded, suite: suite)
    info.confirmationTag = schedule.secrets.confirmationTag(info.groupContext.confirmedTranscriptHash, suite)
    info = signed(info)
    return try? Welcome(
      info, newMembers: [(keyPackage, has(Self.newcomer) ? secret : nil)], schedule: schedule, preSharedKeys: psks,
      suite: suite)
  }

  private func signed(_ info: GroupInfo) -> GroupInfo {
    var info = info
    let signer = members[Int(info.signer.rawValue % UInt32(members.count))]
    info.signature = (try? suite.signWithLabel(signer, label: "GroupInfoTBS", content: info.toBeSigned)) ?? []
    // A changed tree changes its hash: let the tree itself be judged.
    if has(Self.resign), let tree = info.extensions.data(of: .ratchetTree),
      var decoded = try? RatchetTree(decoding: tree, suite: suite)
    {
      info.groupContext.treeHash = decoded.treeHash()
      info.signature = (try? suite.signWithLabel(signer, label: "GroupInfoTBS", content: info.toBeSigned)) ?? []
    }
    return info
  }
}
