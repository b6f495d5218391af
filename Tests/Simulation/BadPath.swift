import ConversationEngine
import CryptoSuite
import SottoProtocol
import WireFormat

@testable import MLS

/// A commit of fresh keys in which one other member's path secret is noise: valid for everybody else (docs/protocol.md §10).
///
/// - Returns: nil when there is nobody to spoil it for.
func commitWithBadPath(_ stolen: ConversationEngine.Stolen) throws -> LogAppend? {
  let group = stolen.group
  let own = group.ownLeafIndex
  let sender = Sender.member(own)
  guard let victim = group.members.last(where: { $0.leafIndex != own }), group.memberCount > 2 else { return nil }
  let validator = AnyIdentity()
  var next = try ProvisionalState(
    applying: ProposalList([], committer: sender, in: group.state), to: group.state, validator: validator)
  var path = try next.makePath(
    from: own, parameters: LeafParameters(group.ownLeafNode), signer: stolen.deviceKey, isExternal: false, validator: validator)
  for (number, step) in path.made.steps.enumerated() {
    for (index, key) in step.recipients.enumerated() where key == victim.leafNode.encryptionKey {
      let good = path.sent.nodes[number].encryptedPathSecrets[index]
      path.sent.nodes[number].encryptedPathSecrets[index] = HPKECiphertext(
        kemOutput: good.kemOutput, ciphertext: good.ciphertext.map { $0 ^ 0x55 })
    }
  }
  let content = FramedContent(
    groupID: group.groupID, epoch: group.epoch, sender: sender, authenticatedData: [],
    body: .commit(Commit(proposals: [], path: path.sent)))
  var authenticated = try content.sign(
    format: .privateMessage, groupContext: group.state.contextBytes, signer: stolen.deviceKey, suite: group.suite)
  let (state, schedule) = try next.advance(
    commit: authenticated, initSecret: group.secrets.initSecret, commitSecret: path.made.commitSecret,
    pskSecret: try group.preSharedKeySecret([], NoPreSharedKeys()))
  authenticated.auth.confirmationTag = state.confirmationTag
  var current = group
  let message = try current.protect(authenticated, encrypt: true, padding: 0)
  let after = current.advanced(
    to: state, schedule: schedule, privateKeys: path.made.privateKeys.pruned(for: state.tree),
    replacedLeaves: next.replacedLeaves, reInit: nil)
  let random = SystemRandom()
  let info = try after.groupInfo(signer: stolen.deviceKey, extensions: [stolen.keysExtension])
  return LogAppend(
    handle: stolen.handle, slot: stolen.nextSlot, writeKey: stolen.writeKey,
    entry: try stolen.wrapKey.seal(message, random: random).bytes, rotation: nil,
    groupInfo: try stolen.wrapKey.seal(info, random: random).bytes, recipients: stolen.recipients)
}

private struct AnyIdentity: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}
