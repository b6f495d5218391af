import CryptoSuite

/// What a full and a partial member have in common: the secrets of an epoch, one's own keys, and the proposals that wait.
protocol GroupMember: Sendable {
  var suite: CipherSuite { get }
  var groupContext: GroupContext { get }
  /// The context's encoding, which goes into every signature of the epoch.
  var contextBytes: [UInt8] { get }
  var confirmationTag: [UInt8] { get }
  var ownLeafIndex: LeafIndex { get }
  var ownLeafNode: LeafNode { get }
  var ownSignatureKey: [UInt8] { get }
  var privateKeys: TreePrivateKeys { get set }
  var secrets: EpochSecrets { get set }
  var secretTree: SecretTree { get set }
  var exporterTree: ExporterTree { get set }
  var pending: [PendingProposal] { get set }
  /// Newest first.
  var pastEpochs: [PastEpoch] { get set }
  /// Newest first.
  var resumptionSecrets: [ResumptionSecret] { get set }
  var reInit: ReInit? { get set }
}

extension GroupMember {
  var groupID: [UInt8] { groupContext.groupID }
  var epoch: UInt64 { groupContext.epoch }

  /// Checks that a message is of this group, and of no epoch to come.
  func checkAddress(groupID: [UInt8], epoch: UInt64) throws(MLSError) {
    guard groupID == self.groupID else { throw .wrongGroup }
    guard epoch <= self.epoch else { throw .futureEpoch(epoch) }
  }

  /// Takes the secrets of the epoch that follows a commit; the one that it ends joins the past ones. The state of the new
  /// epoch is set afterwards.
  ///
  /// - Parameters:
  ///   - leafCount: of the tree after the commit.
  ///   - replacedLeaves: what the commit changed, as it was before.
  mutating func endEpoch(
    _ schedule: KeySchedule, leafCount: Int, privateKeys: TreePrivateKeys, replacedLeaves: [LeafIndex: LeafNode?],
    reInit: ReInit?
  ) {
    let past = PastEpoch(
      epoch: epoch, groupContext: contextBytes, replacedLeaves: replacedLeaves,
      senderDataSecret: secrets.senderDataSecret, secretTree: secretTree)
    pastEpochs = [past] + pastEpochs.prefix(Limits.pastEpochs - 1)
    let resumption = ResumptionSecret(epoch: epoch, secret: secrets.resumptionPSK)
    resumptionSecrets = [resumption] + resumptionSecrets.prefix(Limits.resumptionEpochs - 1)
    self.privateKeys = privateKeys
    secrets = schedule.secrets
    secretTree = SecretTree(encryptionSecret: schedule.encryptionSecret, leafCount: leafCount)
    exporterTree = ExporterTree(secret: schedule.applicationExportSecret)
    pending = []
    self.reInit = reInit
  }
}

extension Group: GroupMember {
  var contextBytes: [UInt8] { state.contextBytes }
  var confirmationTag: [UInt8] { state.confirmationTag }
}
