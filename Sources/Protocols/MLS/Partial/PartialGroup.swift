public import CryptoSuite
import WireFormat

/// The state of a member who has no ratchet tree (draft-ietf-mls-partial).
///
/// It holds the group's secrets and the keys of its own path, and asks for a proof wherever a full member would look
/// into the tree. It reads and sends, but makes no commits. It has not seen the roster: it knows that the group has
/// *some* tree with this hash, and the members in ``provenMembers``; an application says so to its user until the
/// member has upgraded.
///
/// A value, as ``Group`` is: whatever moves the group on returns a new value; the caller persists its ``archive()`` and
/// only then adopts it.
public struct PartialGroup: Sendable {
  var state: PartialState
  /// The place of this member; it never changes.
  public let ownLeafIndex: LeafIndex
  var privateKeys: TreePrivateKeys
  var secrets: EpochSecrets
  var secretTree: SecretTree
  var exporterTree: ExporterTree
  /// In the order received.
  var pending: [PendingProposal]
  /// Newest first; their lists of replaced leaves are empty.
  var pastEpochs: [PastEpoch]
  /// Newest first.
  var resumptionSecrets: [ResumptionSecret]
  /// A committed ReInit, after which this group is only read.
  var reInit: ReInit?
  /// Leaves proven to be in this epoch's tree, and found valid.
  var proven: [LeafIndex: LeafNode]
  /// What commits did to the tree since an upgrade was begun.
  var upgradeLog: UpgradeLog?

  var suite: CipherSuite { state.suite }
}

extension PartialGroup {
  /// The first state of a newcomer.
  init(state: PartialState, ownLeafIndex: LeafIndex, privateKeys: TreePrivateKeys, schedule: KeySchedule) {
    self.init(
      state: state, ownLeafIndex: ownLeafIndex, privateKeys: privateKeys, secrets: schedule.secrets,
      secretTree: SecretTree(encryptionSecret: schedule.encryptionSecret, leafCount: state.leafCount),
      exporterTree: ExporterTree(secret: schedule.applicationExportSecret), pending: [],
      pastEpochs: [], resumptionSecrets: [], reInit: nil, proven: [:], upgradeLog: nil)
  }

  /// The group after a commit: the epoch that it ends joins the past ones.
  func advanced(
    to state: PartialState, schedule: KeySchedule, privateKeys: TreePrivateKeys, proven: [LeafIndex: LeafNode],
    reInit: ReInit?
  ) -> PartialGroup {
    var next = self
    next.endEpoch(schedule, leafCount: state.leafCount, privateKeys: privateKeys, replacedLeaves: [:], reInit: reInit)
    next.state = state
    next.proven = proven
    return next
  }
}

extension PartialGroup: GroupMember {
  var contextBytes: [UInt8] { state.contextBytes }
  var confirmationTag: [UInt8] { state.confirmationTag }
  var ownSignatureKey: [UInt8] { state.ownLeaf.signatureKey }
}

// MARK: - Looking at the group

extension PartialGroup {
  /// The group's name, the same in all epochs.
  public var groupID: [UInt8] { state.context.groupID }
  /// The current epoch.
  public var epoch: UInt64 { state.context.epoch }
  /// The group's suite, the same in all epochs.
  public var cipherSuite: CipherSuite { state.suite }
  /// The extensions of the group context.
  public var extensions: [Extension] { state.context.extensions }
  /// What the members agree on in this epoch (RFC 9420 §8.1).
  public var groupContext: GroupContext { state.context }
  /// The hash of the ratchet tree (RFC 9420 §7.8), which this member has not seen.
  public var treeHash: [UInt8] { state.context.treeHash }
  /// The hash of all commits so far (RFC 9420 §8.2).
  public var confirmedTranscriptHash: [UInt8] { state.context.confirmedTranscriptHash }

  /// This member's own leaf.
  public var ownLeafNode: LeafNode { state.ownLeaf }

  /// The members whose leaves have been proven in this epoch, in the order of their leaves. Others are in the group
  /// too, unseen; nothing tells who or how many.
  public var provenMembers: [Member] {
    proven.sorted { $0.key < $1.key }.map { Member(leafIndex: $0.key, leafNode: $0.value) }
  }

  /// Checks a proof by itself, say to show a part of the roster.
  ///
  /// - Returns: the member, and the state that counts it among ``provenMembers``.
  /// - Throws: `.invalidProof`, and `.invalidLeafNode` for a leaf or credential that is not good.
  public func prove(
    _ proof: MembershipProof, validator: any CredentialValidator
  ) throws(MLSError) -> (member: Member, group: PartialGroup) {
    let slice = try TreeSlice(proof, of: treeHash, suite: suite)
    var next = self
    try next.take(slice, validator: validator)
    return (Member(leafIndex: slice.leafIndex, leafNode: slice.leafNode), next)
  }

  /// Checks a proven leaf as a joining full member would, and remembers it for this epoch.
  mutating func take(_ slice: TreeSlice, validator: any CredentialValidator) throws(MLSError) {
    guard proven[slice.leafIndex] != slice.leafNode else { return }
    try state.requirements().check(slice.leafNode, at: slice.leafIndex, in: .tree, validator: validator)
    if proven.count < Limits.maxProvenMembers { proven[slice.leafIndex] = slice.leafNode }
  }

  /// Proposals received or sent in this epoch, which wait for a commit.
  public var pendingProposals: [ReceivedProposal] {
    pending.map { ReceivedProposal(sender: $0.sender, proposal: $0.proposal, reference: $0.reference) }
  }

  /// The parameters of the group that replaces this one, once a ReInit was committed.
  public var successor: ReInit? { reInit }

  /// Equal for all members that are in the same state, full and partial (RFC 9420 §8.7).
  public var epochAuthenticator: [UInt8] { secrets.epochAuthenticator.exposedBytes }

  /// A secret for use outside MLS, bound to this epoch (RFC 9420 §8.5). It can be derived again as long as the epoch
  /// lasts; see ``safeExportSecret(for:)``.
  ///
  /// - Parameter count: bytes, at most 255 times the hash's length.
  /// - Throws: `.crypto(.invalidLength)` for another count.
  public func export(label: String, context: [UInt8], count: Int) throws(MLSError) -> Secret {
    defer { eraseStack() }
    return try secrets.export(label: label, context: context, count: count, suite)
  }

  /// The secret of a component of the application in this epoch, which can be taken once (draft-ietf-mls-extensions,
  /// "Exported Secrets"). Equal for all members, full and partial.
  ///
  /// - Returns: the secret, as many bytes as the suite's hash, which is handed out once the state without it is stored.
  /// - Throws: `.exportSecretSpent` the second time.
  public func safeExportSecret(for component: ComponentID) throws(MLSError) -> ExportedSecret<PartialGroup> {
    defer { eraseStack() }
    var next = self
    let secret = try next.exporterTree.take(component, suite)
    return ExportedSecret(secret: secret, group: next)
  }

  /// The secret that proves membership in this epoch (RFC 9420 §8.6), for a ``PSKProvider`` of another group.
  public var resumptionPSK: Secret { secrets.resumptionPSK }
}

extension PartialGroup: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String {
    "PartialGroup(epoch \(epoch), \(proven.count) proven members, own leaf \(ownLeafIndex.rawValue))"
  }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
