import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// Welcomes: the other side of an offer.
extension DeviceState {
  /// Joins by a Welcome that opened under an offer of ours, if it leads to what the offer was for.
  mutating func join(_ welcome: [UInt8], by offer: OfferRecord, id offerID: OfferID, from server: ServerAddress, now: UInt64)
    throws(EngineError)
  {
    let secrets = offer.secrets
    guard
      let joined = try? Group.join(
        welcome: welcome, keyPackage: offer.keyPackage, psks: InvitationPSK(id: secrets.pskID, psk: secrets.psk),
        validator: SottoCredentials()),
      let id = ConversationID(joined.group.groupID), conversations[id].map({ $0.state == .ended || $0.epoch < joined.group.epoch }) ?? true,
      let data = joined.group.extensions.data(of: SottoLeaf.contextType), let context = try? ConversationContext(decoding: data),
      context.server.serverKey == server.serverKey, joined.group.extensions.contains(SottoLeaf.required),
      joined.group.cipherSuite == SottoLeaf.suite,
      let keysData = joined.groupInfoExtensions.data(of: SottoLeaf.keysType), let keys = try? ConversationKeys(decoding: keysData)
    else { return }
    var conversation = Conversation(
      id: id, group: joined.group, context: context, administratorKey: offer.administratorKey, keys: keys)
    let own = profile.log.identity
    let others = conversation.identities.filter { $0 != own }
    guard conversation.roster.count == joined.group.memberCount, conversation.roster.count <= SottoProtocol.Limits.conversationDeviceCount,
      let sender = conversation.device(at: joined.signerLeaf)
    else { return }

    // A wrap key says whose a frame is, so no two conversations have the same.
    let isTaken = conversations.values.contains { $0.id != id && $0.wrapKeys.contains { $0.secret == keys.wrapKey } }
    guard !isTaken, joined.group.members.allSatisfy({ Policy.fits($0.leafNode) }) else { return }
    if let before = conversations[id] {
      guard case .consent = offer.purpose else { return }
      let policy = Policy(before)
      guard before.state == .ended ? policy.continues(context) : policy.recognises(return: context, by: sender) else { return }
    }

    switch offer.purpose {
    case .invitation(let petname):
      // The key that only the link holds must be in the group's secrets.
      let usesSecret = joined.preSharedKeys.contains { if case .external(secrets.pskID) = $0.key { true } else { false } }
      guard context.kind == .direct, others == [sender.identity], usesSecret, context.role(of: own) == .owner else { return }
      for device in conversation.roster where device.identity != own {
        conversation.trackers[device.device] = SequenceTracker(author: device.identity, fromStart: true)
      }
      noteContact(sender, in: conversation, petname: petname)
    case .consent(let inviter):
      guard context.kind == .group, others.contains(inviter) else { return }
      for device in conversation.roster where device.leaf != joined.group.ownLeafIndex {
        conversation.trackers[device.device] = SequenceTracker(author: device.identity, fromStart: false)
      }
    }
    // Who is welcomed again was removed before, even if nothing was heard of it.
    if conversations[id].map({ $0.state != .ended }) ?? false { endRemoved(id, now: now) }
    if let before = conversations[id] { conversation.historyCount = before.historyCount }
    setConversation(conversation)
    // The private keys of the offer have done what they were for.
    setOffer(nil, offerID)
    scheduleReadLog(id)
    switch offer.purpose {
    case .invitation: events.append(.contactAppeared(sender.identity, id))
    case .consent: events.append(.joined(id))
    }
  }

  /// The person behind an invitation that was used: known by what they call themselves, until a human confirms them.
  private mutating func noteContact(_ device: RosterDevice, in conversation: Conversation, petname: String) {
    guard let member = conversation.group?.member(at: device.leaf), case .other(_, let content) = member.leafNode.credential,
      let log = try? DeviceLog(verifying: content), contacts[device.identity].map({ log.extends($0.log) }) ?? true
    else { return }
    var contact =
      contacts[device.identity]
      ?? ContactRecord(log: log, petname: petname, claimedName: device.name.text, isConfirmed: false, conversation: nil)
    contact.conversation = conversation.id
    if log.extends(contact.log) { contact.log = log }
    setContact(contact, device.identity)
  }
}
