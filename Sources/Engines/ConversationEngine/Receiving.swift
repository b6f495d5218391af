import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// From an envelope to what it means here. Nothing in it is trusted before MLS has verified it; what cannot be used is dropped without a trace,
/// and what cannot be used yet is held.
extension DeviceState {
  /// Frames held at once that a wrap key names: a burst of some conversations' messages that overtook their commit.
  private static let heldFrameCount = 256
  /// Frames held at once that nothing here names: whoever may write to this mailbox can send such, and the oldest give way.
  private static let heldUnknownFrameCount = 64
  /// Invitations of one person that wait for an answer.
  private static let groupInvitationCount = 16
  /// How long a frame is held, milliseconds: as long as a server would keep it.
  private static let heldFrameTime = UInt64(SottoProtocol.Limits.expiryDays) * 86_400_000

  mutating func receive(sealed: [UInt8], from server: ServerAddress, store: any DeviceStore, now: UInt64) throws(EngineError) {
    guard let record = servers[server.serverKey],
      let envelope = try? Envelope(opening: sealed, with: record.sealKey, mailbox: record.mailbox)
    else { return }
    if try !process(envelope, from: record.address, store: store, now: now) {
      // A commit may not have reached this mailbox: the logs hold every entry. They are read when a frame comes, not each time it is tried again,
      // or a frame that never opens would keep this device reading.
      readLogs(at: record.address, for: envelope)
      if case .send = envelope.source { hold(envelope, from: record.address, now: now) }
    }
    try retryHeldFrames(store: store, now: now)
  }

  /// - Returns: false when it may become readable later.
  private mutating func process(_ envelope: Envelope, from server: ServerAddress, store: any DeviceStore, now: UInt64) throws(EngineError)
    -> Bool
  {
    guard let frame = try? Frame(envelope.frame) else { return true }
    switch frame.kind {
    case .firstContact:
      guard let (id, offer) = offers.first(where: { FirstContact.locates(frame, secrets: $0.value.secrets) }),
        let welcome = try? FirstContact.open(frame, contactKey: offer.contactKey, secrets: offer.secrets)
      else { return true }
      try join(welcome, by: offer, id: id, from: server, now: now)
      return true
    case .conversation:
      for conversation in conversations.values where conversation.context.server.serverKey == server.serverKey {
        guard let key = conversation.wrapKeys.first(where: { $0.locates(frame) }) else { continue }
        switch envelope.source {
        case .log(let slot):
          try receiveEntry(LogEntry(slot: slot, frame: envelope.frame), in: conversation.id, now: now)
          return true
        case .send:
          guard let message = try? key.open(frame) else { return true }
          return try receiveMessage(message, in: conversation.id, store: store, now: now)
        }
      }
      return false
    }
  }

  private mutating func hold(_ envelope: Envelope, from server: ServerAddress, now: UInt64) {
    for (name, held) in heldFrames where held.heldSince + Self.heldFrameTime < now { setHeldFrame(nil, name: name) }
    let held = HeldFrame(server: server, envelope: envelope, heldSince: now)
    guard heldFrames[held.name] == nil else { return }
    let isKnown = isLocated(held)
    let alike = heldFrames.filter { isLocated($0.value) == isKnown }
    if alike.count >= (isKnown ? Self.heldFrameCount : Self.heldUnknownFrameCount) {
      guard !isKnown, let oldest = alike.min(by: { ($0.value.heldSince, $0.key.hex) < ($1.value.heldSince, $1.key.hex) }) else { return }
      setHeldFrame(nil, name: oldest.key)
    }
    setHeldFrame(held, name: held.name)
  }

  /// Whether a conversation's wrap key names the frame.
  private func isLocated(_ held: HeldFrame) -> Bool {
    guard let frame = try? Frame(held.envelope.frame) else { return false }
    return conversations.values.contains { $0.wrapKeys.contains { $0.locates(frame) } }
  }

  /// Reads the log of the conversation whose frame it is, or all of them when that cannot be told.
  private mutating func readLogs(at server: ServerAddress, for envelope: Envelope) {
    guard let frame = try? Frame(envelope.frame) else { return }
    let candidates = conversations.values.filter { $0.context.server.serverKey == server.serverKey && $0.group != nil }
    let located = candidates.filter { $0.wrapKeys.contains { $0.locates(frame) } }
    let here = (located.isEmpty ? candidates : located).map(\.id)
    for id in here.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) { scheduleReadLog(id) }
  }

  /// Tries frames that waited, as long as one of them opens the way for others.
  mutating func retryHeldFrames(store: any DeviceStore, now: UInt64) throws(EngineError) {
    var isProgress = !heldFrames.isEmpty
    while isProgress {
      isProgress = false
      let waiting = heldFrames.sorted { ($0.value.heldSince, $0.key.hex) < ($1.value.heldSince, $1.key.hex) }
      for (name, held) in waiting {
        guard try process(held.envelope, from: held.server, store: store, now: now) else { continue }
        setHeldFrame(nil, name: name)
        isProgress = true
      }
    }
  }

  // MARK: Messages

  /// - Returns: false when the message is of an epoch to come.
  private mutating func receiveMessage(_ message: [UInt8], in id: ConversationID, store: any DeviceStore, now: UInt64) throws(EngineError)
    -> Bool
  {
    guard var conversation = conversations[id], let group = conversation.group else { return true }
    let received: Received
    do {
      received = try group.process(message, psks: NoPSK(), validator: SottoCredentials())
    } catch .futureEpoch {
      // Its commit is still on its way, or was one that this device could not read.
      return false
    } catch { return true }
    // Commits count only in the log, and nobody proposes: the roles say who may change what.
    guard case .application(let application, let next) = received else { return true }
    conversation.group = next
    setConversation(conversation, messageKeysOnly: true)
    let member = Member(leafIndex: application.sender, leafNode: application.senderLeafNode)
    guard let author = RosterDevice(member), let content = try? Content(decoding: application.plaintext) else { return true }
    for head in content.heads where head.device != author.device {
      if head.device.bytes == profile.deviceKey.publicKey {
        hear(head.sequence, from: author.device, of: application.epoch, in: id)
      } else {
        noteHead(head, of: application.epoch, in: id, now: now)
      }
    }
    // Who writes has most likely fetched what was waiting.
    hastenRedelivery(to: author.device, in: id, now: now)
    try accept(content, of: application.epoch, from: author, in: id, store: store, now: now)
    return true
  }

  /// Somebody has seen a message that we may have missed.
  private mutating func noteHead(_ head: Head, of epoch: UInt64, in id: ConversationID, now: UInt64) {
    // Numbers of a membership that has ended say nothing about the present one.
    guard var conversation = conversations[id], var tracker = conversation.trackers[head.device], epoch >= tracker.since else { return }
    let missing = tracker.missing(limit: 1)
    tracker.expect(head.sequence)
    guard conversation.trackers[head.device] != tracker else { return }
    conversation.trackers[head.device] = tracker
    setConversation(conversation, messageKeysOnly: true)
    if missing.isEmpty { scheduleResendRequest(to: head.device, in: id, now: now) }
  }

  /// Takes a verified content for what it is, once.
  private mutating func accept(
    _ content: Content, of epoch: UInt64, from author: RosterDevice, in id: ConversationID, store: any DeviceStore, now: UInt64
  ) throws(EngineError) {
    guard var conversation = conversations[id] else { return }
    var tracker = conversation.trackers[author.device] ?? SequenceTracker(author: author.identity, fromStart: false)
    // What comes late from a membership before the present one has other numbers; that it comes once, MLS has seen to.
    let isPresent = epoch >= tracker.since
    if content.body.isCounted, isPresent {
      if tracker.isUnstarted {
        // Its own head says from where on the author sends to us too.
        let base = content.heads.first { $0.device == author.device }?.sequence ?? UInt64.max
        tracker.begin(after: min(base, content.sequence - 1))
      }
      guard tracker.insert(content.sequence) else { return }
      if tracker.missing(limit: 1).isEmpty { tracker.requestCount = 0 }
      conversation.trackers[author.device] = tracker
      conversation.receipts[author.device]?.owe(tracker.head, by: now + tellingDelay(of: content, now: now))
      setConversation(conversation, messageKeysOnly: true)
      scheduleResendRequest(to: author.device, in: id, now: now)
    }
    if let kind = HistoryEntry.Kind(content.body, author: author.identity), !conversation.repeats(kind) {
      if case .memberLeft(let identity) = kind { conversation.leavers.append(identity) }
      let entry = HistoryEntry(
        position: conversation.historyCount, id: content.id, author: author.identity, sentAt: content.sentAt, kind: kind,
        delivery: .received)
      conversation.historyCount += 1
      setConversation(conversation, messageKeysOnly: true)
      writeHistory(entry, in: id)
      events.append(.message(id, entry))
    }
    // It is shown, but asks for nothing any more.
    if isPresent { try act(on: content, from: author, in: conversation, store: store, now: now) }
  }

  private mutating func act(
    on content: Content, from author: RosterDevice, in conversation: Conversation, store: any DeviceStore, now: UInt64
  ) throws(EngineError) {
    let isDirect = conversation.context.kind == .direct
    let own = profile.log.identity
    switch content.body {
    case .text, .attachment, .unknown: break
    case .profile(let name):
      guard var contact = contacts[author.identity], let name = MemberName(name) else { return }
      contact.claimedName = name.text
      setContact(contact, author.identity)
      events.append(.contactNamed(author.identity, name: name.text))
    case .groupInvitation(let invitation):
      guard isDirect, author.identity != own, groupInvitations[invitation.id] == nil,
        groupInvitations.values.count(where: { $0.from == author.identity }) < Self.groupInvitationCount
      else { return }
      setGroupInvitation(GroupInvitationRecord(from: author.identity, conversation: conversation.id, invitation: invitation), invitation.id)
      events.append(.groupInvitation(invitation.id, from: author.identity, title: invitation.title))
    case .consent(let consent):
      // A device that an older log still lists may have been revoked since.
      guard isDirect, var group = invitingGroup(consent.id, author.identity),
        let keyPackage = Self.keyPackage(in: consent.bundle, now: now),
        let log = SottoCredentials().log(of: keyPackage.leafNode.credential), log.identity == author.identity,
        contacts[author.identity].map({ log.extends($0.log) }) ?? true
      else { return }
      group.invited[consent.id] = nil
      // Who says yes again, with other keys, means the newer ones.
      group.intents.removeAll { if case .add(author.identity, _) = $0 { true } else { false } }
      setConversation(group, messageKeysOnly: true)
      addIntent(.add(author.identity, consent), to: group.id)
    case .refusal(let id):
      guard isDirect, var group = invitingGroup(id, author.identity) else { return }
      group.invited[id] = nil
      setConversation(group, messageKeysOnly: true)
      writeNotice(.declined, about: author.identity, in: group.id, now: now)
      events.append(.groupRefused(id, by: author.identity))
    case .leave:
      let role = conversation.context.role(of: own)
      guard !isDirect, author.identity != own, let least = conversation.context.leastRole(forProposal: 3), role >= least,
        role >= conversation.context.role(of: author.identity), conversation.state == .active
      else { return }
      addIntent(.remove(author.identity), to: conversation.id)
    case .resendRequest(let sequences):
      try resend(sequences, to: author.device, in: conversation, store: store, now: now)
    case .seen:
      try resendExpired(to: author.device, in: conversation, store: store, now: now)
      answerSeen(by: author.device, in: conversation.id, now: now)
    case .resend(let bytes):
      guard var original = try? Content(decoding: bytes), original.body.isCounted else { return }
      // It was kept without heads. The author's own says from where on the numbers are for us, if this is the first that comes.
      original.heads = content.heads.filter { $0.device == author.device }
      try accept(original, of: UInt64.max, from: author, in: conversation.id, store: store, now: now)
    }
  }

  /// The group for which this person's answer to this invitation is awaited.
  private func invitingGroup(_ invitation: MessageID, _ identity: IdentityID) -> Conversation? {
    conversations.values.first { $0.state == .active && $0.invited[invitation] == identity }
  }

  // MARK: Gaps

  /// Time before each request, milliseconds: first a gap may fill itself, at last the author may be away for long. Together they are as
  /// long as a server keeps the request; then the gap is named as lost.
  private static let gapPatience: [UInt64] = [2_000, 30_000, 600_000, 21_600_000, 259_200_000, 1_209_600_000]

  /// Asks a device for what is missing of it, after a while.
  mutating func scheduleResendRequest(to device: PublicKey32, in id: ConversationID, now: UInt64) {
    guard let tracker = conversations[id]?.trackers[device],
      let missing = Optional(tracker.missing(limit: SottoProtocol.Limits.resendCount)),
      !missing.isEmpty, !hasTask(.requests(id, device), where: { _ in true })
    else { return }
    if tracker.requestCount == 0 { events.append(.gap(id, author: tracker.author, count: missing.count)) }
    let patience = Self.gapPatience[min(Int(tracker.requestCount), Self.gapPatience.count - 1)]
    queueTargeted(.resendRequest(missing), in: id, to: device, notBefore: now + patience, now: now)
  }

  /// What a request that is due asks for.
  ///
  /// - Returns: nil when nothing is missing any more, or nobody can be asked: then the gap is named.
  mutating func takeResendRequest(to device: PublicKey32, in conversation: inout Conversation, now: UInt64) -> [UInt64]? {
    guard var tracker = conversation.trackers[device] else { return nil }
    let missing = tracker.missing(limit: SottoProtocol.Limits.resendCount)
    guard !missing.isEmpty else { return nil }
    guard conversation.roster.contains(where: { $0.device == device }), tracker.requestCount < Self.gapPatience.count else {
      let lost = tracker.giveUpGaps()
      tracker.requestCount = 0
      conversation.trackers[device] = tracker
      let entry = HistoryEntry(
        position: conversation.historyCount, id: MessageID.random(using: random), author: tracker.author, sentAt: now,
        kind: .lost(count: lost),
        delivery: .received)
      conversation.historyCount += 1
      setConversation(conversation, messageKeysOnly: true)
      writeHistory(entry, in: conversation.id)
      events.append(.message(conversation.id, entry))
      return nil
    }
    tracker.requestCount += 1
    conversation.trackers[device] = tracker
    return missing
  }

  /// Whether a task only waits for somebody who was asked before and may be away for long.
  func isPatient(_ task: TaskRecord) -> Bool {
    switch task.kind {
    case .leave: return true
    // Tokens in stock are for later; who waits for one is a task of its own.
    case .refill, .identify: return true
    // It may be until tomorrow, and whoever invites was told.
    case .vouchers(_, .groupInvitation): return task.heldUp == .serverFull
    case .redelivery(let redelivery): return redelivery.fullCount > 0
    default: break
    }
    guard case .requests(let id, let device) = task.lane else { return false }
    return (conversations[id]?.trackers[device]?.requestCount ?? 0) > 0
  }

  /// Sends contents of ours again to one device.
  mutating func resend(
    _ sequences: [UInt64], to device: PublicKey32, in conversation: Conversation, store: any DeviceStore, now: UInt64
  ) throws(EngineError) {
    // One answer at a time: who asks without end gets no more than this.
    guard !hasTask(.resends(conversation.id, device), where: { if case .message(let message) = $0 { message.isResend } else { false } })
    else {
      return
    }
    for sequence in Set(sequences).sorted().prefix(SottoProtocol.Limits.resendCount)
    where sequence > 0 && sequence <= conversation.ownSequence && !isWaiting(sequence, for: device, in: conversation.id) {
      let stored: [UInt8]?
      do { stored = try store.record(Self.sentContentKey(conversation.id, sequence)) } catch { throw .store(error) }
      // Who came later, or was not meant, does not get it by asking.
      guard let stored, let sent = try? SentContent(decoding: stored), sent.recipients.contains(device) else { continue }
      queueTargeted(.resend(sent.content.encoded), in: conversation.id, to: device, now: now)
    }
  }
}
