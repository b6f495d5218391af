public import CryptoSuite
import WireFormat

/// One member's state of an MLS group (RFC 9420).
///
/// A value: nothing here changes in place. Whatever moves the group on returns a new value that shares its structure with
/// the old one; the caller persists the new value's ``archive()`` together with its position in the log, and only then
/// adopts it. Secrets that a message consumed are gone from the new value, so drop the old one.
public struct Group: Sendable {
  var state: PublicState
  /// The place of this member; it never changes.
  public let ownLeafIndex: LeafIndex
  var privateKeys: TreePrivateKeys
  var secrets: EpochSecrets
  var secretTree: SecretTree
  var exporterTree: ExporterTree
  /// In the order received.
  var pending: [PendingProposal]
  /// Newest first.
  var pastEpochs: [PastEpoch]
  /// Newest first; the current epoch's own is in `secrets`.
  var resumptionSecrets: [ResumptionSecret]
  /// A committed ReInit, after which this group is only read.
  var reInit: ReInit?

  /// The first state of a newcomer or creator.
  init(state: PublicState, ownLeafIndex: LeafIndex, privateKeys: TreePrivateKeys, schedule: KeySchedule) {
    self.state = state
    self.ownLeafIndex = ownLeafIndex
    self.privateKeys = privateKeys
    secrets = schedule.secrets
    secretTree = SecretTree(encryptionSecret: schedule.encryptionSecret, leafCount: state.tree.leafCount)
    exporterTree = ExporterTree(secret: schedule.applicationExportSecret)
    pending = []
    pastEpochs = []
    resumptionSecrets = []
    reInit = nil
  }

  init(
    restoring state: PublicState, ownLeafIndex: LeafIndex, privateKeys: TreePrivateKeys, secrets: EpochSecrets,
    secretTree: SecretTree, exporterTree: ExporterTree, pending: [PendingProposal], pastEpochs: [PastEpoch],
    resumptionSecrets: [ResumptionSecret], reInit: ReInit?
  ) {
    self.state = state
    self.ownLeafIndex = ownLeafIndex
    self.privateKeys = privateKeys
    self.secrets = secrets
    self.secretTree = secretTree
    self.exporterTree = exporterTree
    self.pending = pending
    self.pastEpochs = pastEpochs
    self.resumptionSecrets = resumptionSecrets
    self.reInit = reInit
  }

  var suite: CipherSuite { state.suite }
}

// MARK: - Looking at the group

extension Group {
  /// The group's name, the same in all epochs.
  public var groupID: [UInt8] { state.context.groupID }
  /// The current epoch: 0 for a new group, one more with each commit.
  public var epoch: UInt64 { state.context.epoch }
  /// The group's suite, the same in all epochs.
  public var cipherSuite: CipherSuite { state.suite }
  /// The extensions of the group context.
  public var extensions: [Extension] { state.context.extensions }
  /// What the members agree on in this epoch (RFC 9420 §8.1).
  public var groupContext: GroupContext { state.context }
  /// The hash of the ratchet tree (RFC 9420 §7.8).
  public var treeHash: [UInt8] { state.context.treeHash }
  /// The hash of all commits so far (RFC 9420 §8.2); empty in epoch 0.
  public var confirmedTranscriptHash: [UInt8] { state.context.confirmedTranscriptHash }
  /// How many members there are.
  public var memberCount: Int { state.tally.memberCount }

  /// All members, in the order of their leaves. Visits the whole tree.
  public var members: [Member] {
    state.tree.leaves.map { Member(leafIndex: $0.index, leafNode: $0.node) }
  }

  /// The member at this leaf; nil where it is blank.
  public func member(at index: LeafIndex) -> Member? {
    state.tree.leaf(at: index).map { Member(leafIndex: index, leafNode: $0) }
  }

  /// The member with this signature key.
  public func member(withSignatureKey key: [UInt8]) -> Member? {
    state.tree.leafIndex(ofSignatureKey: key).flatMap { member(at: $0) }
  }

  /// This member's own leaf.
  public var ownLeafNode: LeafNode {
    guard let leafNode = state.tree.leaf(at: ownLeafIndex) else {
      preconditionFailure("a group value exists only for a member, whose leaf is in the tree")
    }
    return leafNode
  }

  /// The key of this member's own leaf, without decoding the rest of it.
  var ownSignatureKey: [UInt8] { state.tree.storedLeaf(at: ownLeafIndex)?.signatureKey ?? [] }

  /// Proposals received or sent in this epoch, which wait for a commit.
  public var pendingProposals: [ReceivedProposal] {
    pending.map { ReceivedProposal(sender: $0.sender, proposal: $0.proposal, reference: $0.reference) }
  }

  /// The parameters of the group that replaces this one, once a ReInit was committed.
  public var successor: ReInit? { reInit }

  /// Equal for all members that are in the same state (RFC 9420 §8.7). May be shown and compared; it reveals nothing.
  public var epochAuthenticator: [UInt8] { secrets.epochAuthenticator.exposedBytes }

  /// A secret for use outside MLS, bound to this epoch (RFC 9420 §8.5). It can be derived again as long as the epoch lasts;
  /// where whoever takes the device later must not get it, use ``safeExportSecret(for:)``.
  ///
  /// - Parameter count: bytes, at most 255 times the hash's length.
  /// - Throws: `.crypto(.invalidLength)` for another count.
  public func export(label: String, context: [UInt8], count: Int) throws(MLSError) -> Secret {
    defer { eraseStack() }
    return try secrets.export(label: label, context: context, count: count, suite)
  }

  /// The secret of a component of the application in this epoch, which can be taken once (draft-ietf-mls-extensions,
  /// "Exported Secrets"). Equal for all members; nobody can derive it from a state that is saved afterwards.
  ///
  /// - Returns: the secret, as many bytes as the suite's hash, which is handed out once the state without it is stored.
  /// - Throws: `.exportSecretSpent` the second time.
  public func safeExportSecret(for component: ComponentID) throws(MLSError) -> ExportedSecret<Group> {
    defer { eraseStack() }
    var next = self
    let secret = try next.exporterTree.take(component, suite)
    return ExportedSecret(secret: secret, group: next)
  }

  /// The secret that proves membership in this epoch (RFC 9420 §8.6), for a ``PSKProvider`` of another group.
  public var resumptionPSK: Secret { secrets.resumptionPSK }

  /// The tree as the `ratchet_tree` extension carries it (RFC 9420 §12.4.3.3).
  public func exportRatchetTree() -> [UInt8] { state.tree.encodedNodes }

  /// A group info of this epoch, as an ``MLSMessage`` (RFC 9420 §12.4.3).
  ///
  /// - Parameters:
  ///   - includeExternalPub: lets whoever holds the result join by an external commit.
  ///   - extensions: further ones.
  /// - Throws: `.wrongSigner` unless `signer` is the key of one's own leaf, `.invalidExtensions` when a type comes twice,
  ///   `.crypto` when the library below fails.
  public func groupInfo(
    signer: SigningKey, includeRatchetTree: Bool = true, includeExternalPub: Bool = true,
    extensions: [Extension] = []
  ) throws(MLSError) -> [UInt8] {
    defer { eraseStack() }
    guard signer.publicKey == ownSignatureKey else { throw .wrongSigner }
    let info = try GroupInfo(
      of: state, secrets: secrets, signer: signer, at: ownLeafIndex, includeRatchetTree: includeRatchetTree,
      includeExternalPub: includeExternalPub, extensions: extensions)
    return MLSMessage.groupInfo(info).encoded
  }
}

// MARK: - Keys of several epochs

extension Group {
  /// This state, which a commit of one's own has led to, after other messages were read while the commit was under way.
  ///
  /// It keeps the epoch that ended, for messages that come late, as it was when the commit was made. Without this, keys
  /// that were used up since then would be back: a message could be read twice, and whoever takes the device could read it.
  ///
  /// - Parameter current: the state that led on from ``OutgoingCommit/groupIfLost``; another one changes nothing.
  public func succeeding(_ current: Group) -> Group {
    guard let ended = pastEpochs.first, ended.epoch == current.epoch, ended.groupContext == current.contextBytes else {
      return self
    }
    var next = self
    for index in next.pastEpochs.indices {
      let epoch = next.pastEpochs[index].epoch
      if epoch == current.epoch {
        next.pastEpochs[index].secretTree = current.secretTree
      } else if let seen = current.pastEpochs.first(where: { $0.epoch == epoch }) {
        next.pastEpochs[index].secretTree = seen.secretTree
      }
    }
    return next
  }
}

extension GroupMember {
  /// The secrets of these pre-shared keys, in the same order (RFC 9420 §8.4).
  func preSharedKeySecret(_ ids: [PreSharedKeyID], _ provider: any PSKProvider) throws(MLSError) -> Secret {
    var keys: [(id: PreSharedKeyID, secret: Secret)] = []
    for id in ids {
      guard let secret = ownResumptionSecret(id) ?? provider.secret(for: id) else { throw .missingPreSharedKey }
      keys.append((id, secret))
    }
    return try PreSharedKeySecret.chain(keys, suite: suite)
  }

  func ownResumptionSecret(_ id: PreSharedKeyID) -> Secret? {
    guard case .resumption(_, let groupID, let epoch) = id.key, groupID == self.groupID else { return nil }
    if epoch == self.epoch { return secrets.resumptionPSK }
    return resumptionSecrets.first { $0.epoch == epoch }?.secret
  }
}

extension Group {
  /// The group after a commit: the epoch that it ends joins the past ones.
  func advanced(
    to state: PublicState, schedule: KeySchedule, privateKeys: TreePrivateKeys,
    replacedLeaves: [LeafIndex: LeafNode?], reInit: ReInit?
  ) -> Group {
    var next = self
    next.endEpoch(
      schedule, leafCount: state.tree.leafCount, privateKeys: privateKeys, replacedLeaves: replacedLeaves, reInit: reInit)
    next.state = state
    return next
  }
}
