import CryptoSuite
import MLS
public import SottoProtocol

extension ConversationEngine {
  /// Makes an invitation; its link comes as `.invitationReady` once the server holds the bundle.
  ///
  /// - Parameter petname: what this device's owner calls who is invited.
  public mutating func invite(petname: String?, now: UInt64) throws(EngineError) -> OfferID {
    try transact { (state) throws(EngineError) in
      guard let server = state.homeServer else { throw .noMailbox }
      let petname = try petname.map { (text) throws(EngineError) in try state.checkedName(text) } ?? ""
      var offer = try state.makeOffer(.invitation(petname: petname), server: server.address, now: now)
      // Sealed once: another ciphertext of the same bundle would be another blob to the server, and the link good for two.
      offer.blob = try state.sealedBundle(offer)
      state.setOffer(offer, offer.secrets.capabilityHash)
      let id = offer.secrets.capabilityHash
      state.addTask(.vouchers(server: server.address.serverKey, for: .offer(id)))
      state.addTask(.publish(server: server.address.serverKey, offer: id))
      return id
    }
  }

  /// Accepts somebody's invitation; the conversation comes as `.accepted`.
  ///
  /// - Throws: `.ownInvitation`.
  public mutating func accept(_ link: InvitationLink, now: UInt64) throws(EngineError) -> LinkID {
    try transact { (state) throws(EngineError) in
      let id = link.secrets.capabilityHash
      guard state.offers[id] == nil else { throw .ownInvitation }
      guard !state.hasTask(.link(id), where: { _ in true }) else { return id }
      let registration = state.ensureMailbox(at: link.server, voucher: link.voucher)
      state.addTask(.claim(server: link.server, seed: link.secrets.seed, id: ClaimID.random(using: state.random)), after: registration)
      return id
    }
  }

  /// A human says that this contact is who they mean; from now on messages can be sent to them.
  public mutating func confirm(_ contact: IdentityID, petname: String?, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      guard var record = state.contacts[contact] else { throw .noSuchContact }
      record.isConfirmed = true
      if let petname { record.petname = try state.checkedName(petname) }
      state.setContact(record, contact)
    }
  }

  /// Remembers whether the safety numbers were compared.
  public mutating func setVerified(_ contact: IdentityID, _ isVerified: Bool) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      guard var record = state.contacts[contact] else { throw .noSuchContact }
      record.isVerified = isVerified
      state.setContact(record, contact)
    }
  }

  /// Queues a text.
  ///
  /// - Throws: `.badLength`, `.notActive`, `.unconfirmed`.
  public mutating func send(text: String, to id: ConversationID, now: UInt64) throws(EngineError) -> MessageID {
    try transact { (state) throws(EngineError) in
      let count = text.utf8.count
      guard (1...SottoProtocol.Limits.textByteCount).contains(count) else {
        throw .badLength(byteCount: count, limit: SottoProtocol.Limits.textByteCount)
      }
      let conversation = try state.activeConversation(id)
      try state.requireConfirmed(conversation)
      return try state.queueMessage(.text(text), in: id, entry: .text(text), now: now)
    }
  }

  /// Makes a group with this person as its owner and asks others into it.
  public mutating func createGroup(title: String, inviting: [IdentityID], now: UInt64) throws(EngineError) -> ConversationID {
    try transact { (state) throws(EngineError) in
      let title = try state.checkedName(title)
      guard let server = state.homeServer else { throw .noMailbox }
      let id = try state.createConversation(kind: .group, title: title, server: server.address, others: [], now: now).id
      for identity in inviting { try state.inviteToGroup(identity, id, now: now) }
      return id
    }
  }

  /// Asks a contact into a group; they are added when they have agreed.
  public mutating func add(_ contact: IdentityID, to id: ConversationID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in try state.inviteToGroup(contact, id, now: now) }
  }

  /// Removes a person with all devices from a group.
  public mutating func remove(_ member: IdentityID, from id: ConversationID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      var conversation = try state.activeConversation(id)
      let own = state.profile.log.identity
      guard conversation.context.kind == .group, member != own else { throw .notPermitted }
      let role = conversation.context.role(of: own)
      guard let least = conversation.context.leastRole(forProposal: 3), role >= least else { throw .notPermitted }
      if let open = conversation.invited.first(where: { $0.value == member }), conversation.devices(of: member).isEmpty {
        conversation.invited[open.key] = nil
        state.setConversation(conversation, messageKeysOnly: true)
        return
      }
      guard !conversation.devices(of: member).isEmpty else { throw .notMember }
      guard role >= conversation.context.role(of: member) else { throw .notPermitted }
      state.addIntent(.remove(member), to: id)
    }
  }

  /// Leaves a group: tells the others, whose administrators' clients take this person out.
  public mutating func leave(_ id: ConversationID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      var conversation = try state.activeConversation(id)
      let own = state.profile.log.identity
      guard conversation.context.kind == .group else { throw .notPermitted }
      let others = conversation.identities.filter { $0 != own }
      if others.isEmpty {
        state.end(id)
        return
      }
      let canRemoveUs = others.contains { conversation.context.role(of: $0) >= max(.administrator, conversation.context.role(of: own)) }
      guard canRemoveUs else { throw .lastOwner }
      _ = try state.queueMessage(.leave, in: id, entry: .memberLeft(own), now: now)
      state.addTask(.leave(id), notBefore: now + DeviceState.leavePatience)
      guard let queued = state.conversations[id] else { return }
      conversation = queued
      conversation.state = .leaving
      conversation.intents = []
      conversation.invited = [:]
      state.setConversation(conversation, messageKeysOnly: true)
    }
  }

  /// Agrees to join a group; it comes as `.joined` when an administrator's device has added this one, or as `.consentFailed`.
  public mutating func acceptGroup(_ invitation: MessageID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      guard let record = state.openGroupInvitation(invitation) else { throw .noSuchInvitation }
      try state.requireConfirmed(try state.activeConversation(record.conversation))
      state.ensureMailbox(at: record.invitation.server, voucher: record.invitation.voucher)
      try state.agree(to: invitation, of: record.from, in: record.conversation, server: record.invitation.server, now: now)
    }
  }

  /// Declines to join a group.
  public mutating func refuseGroup(_ invitation: MessageID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      guard let record = state.openGroupInvitation(invitation) else { throw .noSuchInvitation }
      guard let conversation = state.conversations[record.conversation] else { throw .noSuchConversation }
      try state.requireConfirmed(conversation)
      state.setGroupInvitation(nil, invitation)
      guard conversation.state == .active else { return }
      _ = try state.queueMessage(.refusal(group: invitation), in: record.conversation, entry: nil, now: now)
    }
  }

  /// Gives this device fresh keys in a conversation: heals it after a theft of the old ones.
  public mutating func updateKeys(_ id: ConversationID, now: UInt64) throws(EngineError) {
    try transact { (state) throws(EngineError) in
      _ = try state.activeConversation(id)
      state.addIntent(.update, to: id)
    }
  }
}

extension DeviceState {
  func checkedName(_ text: String) throws(EngineError) -> String {
    guard let name = MemberName(text) else { throw .badLength(byteCount: text.utf8.count, limit: SottoProtocol.Limits.nameByteCount) }
    return name.text
  }

  func activeConversation(_ id: ConversationID) throws(EngineError) -> Conversation {
    guard let conversation = conversations[id] else { throw .noSuchConversation }
    guard conversation.state == .active, conversation.group != nil else { throw .notActive }
    return conversation
  }

  /// In a conversation of two, nothing is sent before a human has confirmed the other.
  func requireConfirmed(_ conversation: Conversation) throws(EngineError) {
    guard conversation.context.kind == .direct else { return }
    for identity in conversation.identities where identity != profile.log.identity {
      guard contacts[identity]?.isConfirmed == true else { throw .unconfirmed }
    }
  }

  /// This device's mailbox at the server at which its person began.
  var homeServer: ServerRecord? {
    guard let record = profile.home.flatMap({ servers[$0] }), record.isRegistered else { return nil }
    return record
  }

  mutating func inviteToGroup(_ identity: IdentityID, _ id: ConversationID, now: UInt64) throws(EngineError) {
    var group = try activeConversation(id)
    let own = profile.log.identity
    guard group.context.kind == .group, let least = group.context.leastRole(forProposal: 1), group.context.role(of: own) >= least else {
      throw .notPermitted
    }
    guard let contact = contacts[identity] else { throw .noSuchContact }
    guard let direct = contact.conversation, let conversation = conversations[direct], conversation.state == .active else {
      throw .notActive
    }
    guard contact.isConfirmed else { throw .unconfirmed }
    guard group.devices(of: identity).isEmpty else { throw .alreadyMember }
    guard group.roster.count < SottoProtocol.Limits.conversationDeviceCount else {
      throw .tooManyDevices(limit: SottoProtocol.Limits.conversationDeviceCount)
    }
    // One open invitation a person: the newer one stands.
    for (open, invitee) in group.invited where invitee == identity { group.invited[open] = nil }
    let invitation = MessageID.random(using: random)
    group.invited[invitation] = identity
    setConversation(group, messageKeysOnly: true)
    if conversation.context.server.serverKey == group.context.server.serverKey {
      // Both have mailboxes at that server: nothing to register.
      let voucher = Permission(trusted: [UInt8](repeating: 0, count: Permission.byteCount))
      try sendGroupInvitation(invitation, to: identity, group: id, voucher: voucher, now: now)
    } else {
      addTask(.vouchers(server: group.context.server.serverKey, for: .groupInvitation(id, invitee: identity, id: invitation)))
    }
  }

  mutating func sendGroupInvitation(
    _ invitation: MessageID, to identity: IdentityID, group id: ConversationID, voucher: Permission, now: UInt64
  )
    throws(EngineError)
  {
    guard let group = conversations[id], group.state == .active, group.invited[invitation] == identity,
      let direct = contacts[identity]?.conversation, conversations[direct]?.state == .active
    else { return }
    let content = GroupInvitation(id: invitation, title: group.context.title, server: group.context.server, voucher: voucher)
    _ = try queueMessage(.groupInvitation(content), in: direct, entry: nil, now: now)
  }

  /// Queues a content for everybody in a conversation.
  ///
  /// - Parameter entry: what our own history shows of it; nil for what is no message to a person.
  mutating func queueMessage(
    _ body: ContentBody, in id: ConversationID, entry: HistoryEntry.Kind?, now: UInt64
  ) throws(EngineError) -> MessageID {
    _ = try activeConversation(id)
    return queueUnchecked(body, in: id, entry: entry, now: now)
  }

  /// Queues a content, also while we are leaving.
  @discardableResult
  mutating func queueUnchecked(
    _ body: ContentBody, in id: ConversationID, entry: HistoryEntry.Kind?, now: UInt64
  ) -> MessageID {
    guard var conversation = conversations[id] else { preconditionFailure("the caller has looked the conversation up") }
    conversation.ownSequence += 1
    let content = Content(
      id: MessageID.random(using: random), sequence: conversation.ownSequence, sentAt: now, heads: [], epochAuthenticator: [], body: body)
    var position: UInt64?
    if let entry {
      let shown = HistoryEntry(
        position: conversation.historyCount, id: content.id, author: profile.log.identity, sentAt: now, kind: entry, delivery: .waiting)
      position = shown.position
      conversation.historyCount += 1
      writeHistory(shown, in: id)
    }
    setConversation(conversation, messageKeysOnly: true)
    keepSentContent(SentContent(content: content, recipients: []), in: id)
    // Who has not been welcomed yet would have to hold what comes, and may have no way back to us.
    let welcome = conversation.context.kind == .direct ? tasks.first { $0.isWelcome(to: id) }?.id : nil
    addTask(.message(OutgoingMessage(conversation: id, content: content, target: nil, position: position)), after: welcome)
    return content.id
  }

  /// Queues a content for one device, uncounted.
  mutating func queueTargeted(_ body: ContentBody, in id: ConversationID, to device: PublicKey32, notBefore: UInt64 = 0, now: UInt64) {
    let content = Content(
      id: MessageID.random(using: random), sequence: 0, sentAt: now, heads: [], epochAuthenticator: [], body: body)
    addTask(.message(OutgoingMessage(conversation: id, content: content, target: device, position: nil)), notBefore: notBefore)
  }

  mutating func addIntent(_ intent: Conversation.Intent, to id: ConversationID) {
    guard var conversation = conversations[id], !conversation.intents.contains(intent) else { return }
    conversation.intents.append(intent)
    setConversation(conversation, messageKeysOnly: true)
    scheduleAppend(id)
  }

  mutating func scheduleAppend(_ id: ConversationID, notBefore: UInt64 = 0) {
    if let conversation = conversations[id], conversation.suspectedEpoch == conversation.epoch {
      // Before it commits, this device must know that the others are where it is.
      scheduleRejoin(id, now: notBefore)
    }
    guard !hasTask(.log(id), where: { if case .append = $0 { true } else { false } }) else { return }
    addTask(.append(id), notBefore: notBefore)
  }

  mutating func scheduleReadLog(_ id: ConversationID) {
    // One that is under way may have been answered before what it is now needed for: so a second one waits behind it.
    let waiting = tasks.filter { if case .readLog(id) = $0.kind { true } else { false } }
    if waiting.count < 2 { addTask(.readLog(id)) }
  }

  /// Ends a conversation for this device: its keys are erased, its history stays.
  mutating func end(_ id: ConversationID) {
    guard var conversation = conversations[id], conversation.state != .ended else { return }
    let server = conversation.context.server.serverKey
    if let leaf = conversation.group?.ownLeafIndex, let own = conversation.device(at: leaf) {
      // Whoever is still in it can write to this device no more.
      withdraw([own.delivery.recipient.deliveryKey.hash], at: server)
    }
    conversation.state = .ended
    conversation.group = nil
    conversation.wrapKeys = []
    conversation.intents = []
    conversation.pending = nil
    conversation.invited = [:]
    setConversation(conversation)
    removeTasks { $0.conversation == id }
  }
}
