import CryptoSuite

/// What a full and a partial member have in common: the secrets of an epoch, one's own keys, and the proposals that wait.
protocol GroupMember: Sendable {
  var suite: CipherSuite { get }
  var groupContext: GroupContext { get }
  /// The context's encoding, which goes into every signature of the epoch.
  var contextBytes: [UInt8] { get }
  var confirmationTag: [UInt8] { get }
  var ownLeafIndex: LeafIndex { get }
  var ownSignatureKey: [UInt8] { get }
  var privateKeys: TreePrivateKeys { get }
  var secrets: EpochSecrets { get }
  var secretTree: SecretTree { get set }
  var exporterTree: ExporterTree { get set }
  var pending: [PendingProposal] { get set }
  var pastEpochs: [PastEpoch] { get }
  var resumptionSecrets: [ResumptionSecret] { get }
  var reInit: ReInit? { get }
}

extension GroupMember {
  var groupID: [UInt8] { groupContext.groupID }
  var epoch: UInt64 { groupContext.epoch }
}

extension Group: GroupMember {
  var contextBytes: [UInt8] { state.contextBytes }
  var confirmationTag: [UInt8] { state.confirmationTag }
}
