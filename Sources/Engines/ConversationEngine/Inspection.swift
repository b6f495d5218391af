package import CryptoSuite
package import MLS
package import SottoProtocol
import WireFormat

/// What a simulation or a test looks at from inside, and what a thief of a device's memory would hold. Not part of the interface.
extension ConversationEngine {
  /// What the devices of one conversation must agree on, and what must not be left over.
  package struct Standing: Equatable {
    package var epoch: UInt64
    package var epochAuthenticator: [UInt8]
    package var devices: [PublicKey32]
    package var nextSlot: UInt64
    package var generation: UInt64
    /// Numbers of others' messages that are known to exist and have not come.
    package var missingCount: Int
    package var intentCount: Int
    package var holdsKeys: Bool
  }

  package func standing(in id: ConversationID) -> Standing? {
    guard let conversation = state.conversations[id] else { return nil }
    return Standing(
      epoch: conversation.epoch, epochAuthenticator: conversation.group?.epochAuthenticator ?? [],
      devices: conversation.roster.map(\.device),
      nextSlot: conversation.nextSlot, generation: conversation.generation,
      missingCount: conversation.trackers.values.reduce(0) { $0 + $1.missing(limit: SottoProtocol.Limits.resendCount).count },
      intentCount: conversation.intents.count, holdsKeys: conversation.group != nil || !conversation.wrapKeys.isEmpty)
  }

  /// Frames that wait for a commit or a Welcome.
  package var heldFrameCount: Int { state.heldFrames.count }

  /// Tasks that are not done.
  package var taskCount: Int { state.tasks.count }

  /// This device's signature key.
  package var device: PublicKey32? { PublicKey32(state.profile.deviceKey.publicKey) }

  package func mailbox(at server: PublicKey32) -> MailboxID? { state.servers[server]?.mailbox }

  /// The message that a piece of work sends to all, or again to who had no room, if it does.
  package func messageID(ofWork id: UInt64) -> MessageID? {
    switch state.tasks.first(where: { $0.id == id })?.kind {
    case .message(let message): return message.target == nil ? message.content.id : nil
    case .redelivery(let redelivery):
      guard let sequence = redelivery.sequences.first,
        let stored = try? store.record(DeviceState.sentContentKey(redelivery.conversation, sequence))
      else { return nil }
      return try? SentContent(decoding: stored).content.id
    default: return nil
    }
  }

  /// Whether this device encrypted a message of its own to another.
  package func isMeant(_ message: MessageID, for device: PublicKey32) -> Bool {
    let kept = (try? store.records(of: .sentContent)) ?? []
    return kept.contains { record in
      guard let sent = try? SentContent(decoding: record.value), sent.content.id == message else { return false }
      return sent.recipients.contains(device)
    }
  }

  /// What a member could misuse in one conversation.
  package struct Stolen: Sendable {
    package var handle: HandleID
    package var nextSlot: UInt64
    package var writeKey: Permission
    package var wrapKey: WrapKey
    package var recipients: [Recipient]
    package var group: Group
    package var deviceKey: SigningKey
    package var roster: [(leaf: LeafIndex, identity: IdentityID)]
    /// What a GroupInfo carries for who comes back.
    package var keysExtension: Extension
  }

  package func steal(from id: ConversationID) -> Stolen? {
    guard let conversation = state.conversations[id], let group = conversation.group, let wrapKey = conversation.wrapKeys.first else {
      return nil
    }
    let keys = ConversationKeys(
      generation: conversation.generation, nextSlot: conversation.nextSlot + 1, wrapKey: wrapKey.secret, writeKey: conversation.writeKey)
    return Stolen(
      handle: conversation.context.handle, nextSlot: conversation.nextSlot, writeKey: conversation.writeKey, wrapKey: wrapKey,
      recipients: conversation.recipients, group: group, deviceKey: state.profile.deviceKey,
      roster: conversation.roster.map { ($0.leaf, $0.identity) }, keysExtension: Extension(type: SottoLeaf.keysType, data: keys.encoded))
  }

  /// A value by which a search knows this device's doings wherever it lies.
  package struct Trace: Sendable {
    /// What it is: "identity", "write key".
    package var name: String
    package var bytes: [UInt8]
    /// A server is shown it in requests, and must not keep it; any other no server ever sees.
    package var isShown: Bool
  }

  /// What a search of a server is made with: who this is, what the conversations are known by, and their keys.
  package var traces: [Trace] {
    var traces: [Trace] = []
    func hide(_ name: String, _ bytes: [UInt8]?) { traces.append(Trace(name: name, bytes: bytes ?? [], isShown: false)) }
    func show(_ name: String, _ bytes: [UInt8]) { traces.append(Trace(name: name, bytes: bytes, isShown: true)) }
    hide("identity", identity.bytes)
    hide("device key", state.profile.deviceKey.publicKey)
    hide("private device key", state.profile.deviceKey.privateBytes.exposedBytes)
    for server in state.servers.values { show("mailbox id", server.mailbox.bytes) }
    for conversation in state.conversations.values {
      hide("MLS group id", conversation.id.bytes)
      hide("wrap key", conversation.wrapKeys.first?.secret.exposedBytes)
      hide("epoch authenticator", conversation.group?.epochAuthenticator)
      hide("tree hash", conversation.group?.treeHash)
      hide("leaf encryption key", conversation.group.map { Array($0.ownLeafNode.encryptionKey.prefix(32)) })
      show("log handle", conversation.context.handle.bytes)
      show("write key", conversation.writeKey.bytes)
      for recipient in conversation.recipients { show("delivery key", recipient.deliveryKey.bytes) }
    }
    return traces.filter { !$0.bytes.isEmpty }
  }
}
