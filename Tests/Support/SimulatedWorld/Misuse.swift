package import ConversationEngine
import CryptoSuite
import MLS
package import SottoProtocol
import WireFormat

/// What members and former members do who follow no rules. They hold real keys.
extension SimulatedWorld {
  package enum Misuse: CaseIterable, Sendable {
    /// No frame of the conversation at all.
    case randomEntry
    /// A frame under the right key with no MLS message in it.
    case garbageMessage
    /// A valid commit that the roles forbid.
    case forbiddenCommit
    /// Frames to the members' mailboxes instead of an entry.
    case garbageFrames
  }

  /// - Parameter slot: the slot to append at; nil for the one that the stolen state knows.
  /// - Returns: what the server answered.
  @discardableResult
  package func misuse(
    _ kind: Misuse, with stolen: ConversationEngine.Stolen, slot: UInt64? = nil, spoilsGroupInfo: Bool = false
  ) async throws -> Answer {
    let random = SeededRandom(seed: generator.next())
    let noise = random.bytes(512)
    let entry: [UInt8]
    switch kind {
    case .randomEntry: entry = noise
    case .garbageMessage: entry = try stolen.wrapKey.seal(random.bytes(200), random: random).bytes
    case .forbiddenCommit:
      let own = stolen.group.ownLeafIndex
      let others = stolen.roster.map(\.leaf).filter { $0 != own }
      guard let victim = others.first else { return .busy }
      let commit = try stolen.group.commit(
        CommitPlan(removes: [victim], includePending: false), signer: stolen.deviceKey, validator: AnyCredential())
      // Who is a thief of keys takes no care of them.
      entry = try stolen.wrapKey.seal(commit.message { _ in }, random: random).bytes
    case .garbageFrames:
      let frame = try stolen.wrapKey.seal(random.bytes(200), random: random).bytes
      return try await callServer(.send(id: SendID.random(using: random), frame: frame, recipients: stolen.recipients))
    }
    return try await callServer(
      .append(
        LogAppend(
          handle: stolen.handle, slot: slot ?? stolen.nextSlot, writeKey: stolen.writeKey, entry: entry, rotation: nil,
          groupInfo: spoilsGroupInfo ? noise : [], recipients: stolen.recipients)))
  }
}

extension SimulatedWorld {
  /// Asks everybody for these messages of theirs, whether there is a gap or not.
  package func ask(for sequences: [UInt64], with stolen: ConversationEngine.Stolen) async throws {
    let random = SeededRandom(seed: generator.next())
    let content = Content(
      id: MessageID.random(using: random), sequence: 0, sentAt: now, heads: [], epochAuthenticator: [], body: .resendRequest(sequences))
    let message = try stolen.group.protect(content.encoded, signer: stolen.deviceKey).message { _ in }
    let frame = try stolen.wrapKey.seal(message, random: random).bytes
    _ = try await callServer(.send(id: SendID.random(using: random), frame: frame, recipients: stolen.recipients))
  }
}

/// For who breaks rules with credentials of another kind.
private struct AnyCredential: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}
