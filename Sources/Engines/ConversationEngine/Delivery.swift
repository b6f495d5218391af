import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// What the engine's tasks ask of the network, and what becomes of the answers.
extension DeviceState {
  /// Longest time between two attempts, milliseconds.
  private static let longestBackOff: UInt64 = 60_000
  /// Refusals of a commit, after each of which the log was read, before they are believed.
  private static let believedRefusalCount: UInt32 = 9
  /// A ciphertext of so many epochs ago is still sent (docs/protocol.md §11).
  private static let sealedEpochs: UInt64 = 3
  /// A server that has no room on a stream does not say for how long; milliseconds, as long as it says elsewhere.
  private static let roomPatience = UInt64(SottoProtocol.Limits.noRoomRetrySeconds) * 1_000

  /// The work at the head of each lane that is due and not in flight, and when the next head is due.
  mutating func prepareWork(now: UInt64, inFlight: Set<UInt64>, store: any DeviceStore) throws(EngineError) -> (
    work: [Work], deadline: UInt64?
  ) {
    try keepUp(store: store, now: now)
    stockUp(now: now)
    var work: [Work] = []
    var deadline: UInt64?
    // One thing of a lane at a time, so that an answer never meets a state that another answer has changed.
    var settled = Set(tasks.filter { inFlight.contains($0.id) }.map(\.lane))
    // A task that turns out to be needless is removed, and the next of its lane looked at.
    while let head = nextHead(excluding: settled) {
      let isBlocked = tasks.contains { $0.id == head.after } || lacksTokens(head)
      if isBlocked || head.notBefore > now {
        if !isBlocked { deadline = min(deadline ?? head.notBefore, head.notBefore) }
        settled.insert(head.lane)
        continue
      }
      if let (server, action) = try action(for: head, store: store, now: now) {
        work.append(Work(id: head.id, server: server, action: action))
        settled.insert(head.lane)
      } else if let standing = tasks.first(where: { $0.id == head.id }), standing.notBefore > now {
        // It could not be made now, and was put off.
        deadline = min(deadline ?? standing.notBefore, standing.notBefore)
        settled.insert(head.lane)
      } else {
        removeTask(head.id)
      }
    }
    return (work, deadline)
  }

  /// The first task of a lane that was not looked at.
  private func nextHead(excluding settled: Set<TaskRecord.Lane>) -> TaskRecord? {
    guard let lane = tasks.first(where: { !settled.contains($0.lane) })?.lane else { return nil }
    return tasks.filter { $0.lane == lane }.min { $0.goesBefore($1) }
  }

  private mutating func action(for task: TaskRecord, store: any DeviceStore, now: UInt64) throws(EngineError) -> (
    ServerAddress, Work.Action
  )? {
    let ownerID = UInt32(truncatingIfNeeded: task.id)
    switch task.kind {
    case .redeem(let server, let voucher, let batch):
      guard let record = servers[server], !record.isRegistered else { return nil }
      guard let request = redeemRequest(task, at: server, voucher, batch) else {
        postpone(task, now: now)
        return nil
      }
      return (record.address, .call(request))
    case .refill(let server, let batch):
      guard let record = servers[server] else { return nil }
      guard let message = refillMessage(task, at: server, batch) else {
        postpone(task, now: now)
        return nil
      }
      return (record.address, .owner(message))
    case .identify(let server):
      guard let record = servers[server], record.issuerKeys.isEmpty else { return nil }
      return (record.address, .identify)
    case .register(let server, let token):
      guard let token else {
        // A profile of an earlier version kept what registered among its common tokens.
        refuseRegistration(task, at: server)
        return nil
      }
      guard let record = servers[server], let owner = PublicKey32(record.ownerKey.publicKey),
        let seal = PublicKey32(record.sealKey.publicKey)
      else { return nil }
      return (record.address, .call(.register(token: token, mailbox: record.mailbox, ownerKey: owner, sealKey: seal)))
    case .delivery(let server):
      guard let record = servers[server] else { return nil }
      return (record.address, .owner(.delivery(id: ownerID, keyHashes: record.paddedDeliveryKeys)))
    case .vouchers(let server, let purpose):
      guard let record = servers[server] else { return nil }
      switch purpose {
      // Whoever was invited anew meanwhile, or no more, needs none.
      case .groupInvitation(let group, _, let id): guard conversations[group]?.invited[id] != nil else { return nil }
      case .offer(let id): guard offers[id] != nil else { return nil }
      }
      return (record.address, .owner(.vouchers(id: ownerID, count: 1)))
    case .publish(let server, let id):
      guard let record = servers[server], let offer = offers[id] else { return nil }
      return (
        record.address,
        .owner(.publish(id: ownerID, capabilityHash: id, days: UInt32(SottoProtocol.Limits.expiryDays), blobs: [offer.blob]))
      )
    case .claim(let server, let seed, let id):
      return (server, .call(.claim(capability: InvitationSecrets(seed: seed).capability, id: id)))
    case .createLog(let id, let standing):
      guard let conversation = conversations[id], conversation.group != nil,
        let token = standing ?? takeToken(for: task, making: id, at: conversation.context.server.serverKey)
      else { return nil }
      let keys = Conversation.administratorKeys(conversation.roster, conversation.context)
      return (
        address(of: conversation),
        .call(
          .createLog(
            token: token, handle: conversation.context.handle, writeKeyHash: conversation.writeKey.hash, administratorKeys: keys))
      )
    case .append(let id):
      guard let append = try prepareCommit(id, now: now), let conversation = conversations[id] else { return nil }
      return (address(of: conversation), .call(.append(append)))
    case .readLog(let id):
      guard let conversation = conversations[id], conversation.group != nil else { return nil }
      return (address(of: conversation), .call(.readLog(handle: conversation.context.handle, from: conversation.nextSlot)))
    case .leave(let id):
      guard let conversation = conversations[id], conversation.state == .leaving, conversation.group != nil else { return nil }
      return (address(of: conversation), .call(.readLog(handle: conversation.context.handle, from: conversation.nextSlot)))
    case .rejoin(let id):
      guard let conversation = conversations[id], conversation.group != nil else { return nil }
      if let pending = conversation.pending, pending.isRejoin { return (address(of: conversation), .call(.append(pending.append))) }
      return (address(of: conversation), .call(.groupInfo(handle: conversation.context.handle)))
    case .welcome(let id, let sendID, let frame, let recipient):
      guard let conversation = conversations[id], conversation.state != .ended else { return nil }
      return (address(of: conversation), .call(.send(id: sendID, frame: frame, recipients: [recipient])))
    case .message(let message):
      guard let conversation = conversations[message.conversation], conversation.group != nil else { return nil }
      guard let sealed = try seal(message, of: task, now: now) else {
        settle(message, missed: 0)
        return nil
      }
      return (address(of: conversation), .call(.send(id: sealed.sendID, frame: sealed.frame, recipients: sealed.recipients)))
    case .redelivery(let redelivery):
      guard let conversation = conversations[redelivery.conversation],
        let sealed = try seal(redelivery, of: task, store: store, now: now)
      else { return nil }
      return (address(of: conversation), .call(.send(id: sealed.sendID, frame: sealed.frame, recipients: sealed.recipients)))
    case .consent(let id, let invitation, let offer):
      queueConsent(to: invitation, in: id, by: offer, now: now)
      return nil
    }
  }

  /// The message's ciphertext: the one that was made before, unless the group has moved too far on.
  ///
  /// - Returns: nil when nobody is to get it, or nobody yet.
  private mutating func seal(_ message: OutgoingMessage, of task: TaskRecord, now: UInt64) throws(EngineError) -> OutgoingMessage.Sealed? {
    guard var conversation = conversations[message.conversation], conversation.group != nil, !conversation.wrapKeys.isEmpty else {
      return nil
    }
    var recipients = conversation.recipients
    if let sealed = message.sealed, isCurrent(sealed, in: conversation) { return sealed }
    var content = message.content
    if let target = message.target {
      if case .resendRequest = content.body {
        guard let missing = takeResendRequest(to: target, in: &conversation, now: now) else { return nil }
        content.body = .resendRequest(missing)
      }
      recipients = conversation.roster.filter { $0.device == target }.map(\.delivery.recipient)
    }
    if content.body.isCounted {
      // Who comes later is not to wait for what went to nobody.
      conversation.sealedSequence = max(conversation.sealedSequence, content.sequence)
      if Self.isClockSet(now) { conversation.sentDays.note(content.sequence, day: Self.day(of: now)) }
      let readers = conversation.roster.filter { recipients.contains($0.delivery.recipient) }
      keepSentContent(SentContent(content: message.content, recipients: readers.map(\.device)), in: conversation.id)
      // Nothing overtakes what a full mailbox has yet to take.
      let held = readers.filter { holdBack(content.sequence, from: $0.device, in: conversation.id, now: now) }.map(\.delivery.recipient)
      recipients.removeAll { held.contains($0) }
    }
    guard !recipients.isEmpty else {
      setConversation(conversation, messageKeysOnly: true)
      return nil
    }
    let sealed = try encrypt(content, to: message.target, recipients, in: &conversation)
    setConversation(conversation, messageKeysOnly: true)
    var message = message
    message.sealed = sealed
    var task = task
    task.kind = .message(message)
    updateTask(task)
    return sealed
  }

  /// Encrypts a content to the conversation, with what this device has seen of it.
  ///
  /// - Parameter target: the one device that is to get it; nil for all.
  mutating func encrypt(
    _ content: Content, to target: PublicKey32?, _ recipients: [Recipient], in conversation: inout Conversation
  ) throws(EngineError) -> OutgoingMessage.Sealed {
    guard let group = conversation.group, let wrapKey = conversation.wrapKeys.first else { throw .notActive }
    var content = content
    content.heads = conversation.heads(of: PublicKey32(profile.deviceKey.publicKey), to: target)
    content.epochAuthenticator = group.epochAuthenticator
    for head in content.heads where target == nil || head.device == target {
      conversation.receipts[head.device]?.noteTold(head.sequence, now: content.sentAt)
    }
    if conversation.countEncryption(), conversation.state == .active, !conversation.intents.contains(.update) {
      conversation.intents.append(.update)
      scheduleAppend(conversation.id)
    }
    do {
      let message = try group.protect(content.encoded, signer: profile.deviceKey).message { conversation.group = $0 }
      let frame = try wrapKey.seal(message, random: random)
      return OutgoingMessage.Sealed(
        sendID: SendID.random(using: random), epoch: group.epoch, frame: frame.bytes, recipients: recipients)
    } catch { throw .cryptography }
  }

  /// Whether a ciphertext that was made before is to be sent as it is. One that is some epochs old is made anew, while the receivers still
  /// have keys for it; what was encrypted to somebody who is removed meanwhile is not sent to them after all.
  func isCurrent(_ sealed: OutgoingMessage.Sealed, in conversation: Conversation) -> Bool {
    conversation.epoch <= sealed.epoch + Self.sealedEpochs && Set(sealed.recipients).isSubset(of: conversation.recipients)
  }

  /// Where this device reaches a conversation's server: links may have named it differently, the key says that it is the same.
  private func address(of conversation: Conversation) -> ServerAddress {
    servers[conversation.context.server.serverKey]?.address ?? conversation.context.server
  }

  /// The server that a task asks.
  func serverKey(of task: TaskRecord) -> PublicKey32? {
    switch task.kind {
    case .redeem(let server, _, _), .register(let server, _), .refill(let server, _), .identify(let server), .delivery(let server),
      .vouchers(let server, _), .publish(let server, _):
      server
    case .claim(let server, _, _): server.serverKey
    case .createLog(let id, _), .append(let id), .readLog(let id), .rejoin(let id), .leave(let id), .welcome(let id, _, _, _):
      conversations[id]?.context.server.serverKey
    case .message(let message): conversations[message.conversation]?.context.server.serverKey
    case .redelivery(let redelivery): conversations[redelivery.conversation]?.context.server.serverKey
    // It is that server which has to take the delivery key first.
    case .consent(_, _, let offer): offers[offer]?.server.serverKey
    }
  }

  // MARK: Answers

  mutating func complete(_ id: UInt64, _ result: WorkResult, store: any DeviceStore, now: UInt64) throws(EngineError) {
    guard var task = tasks.first(where: { $0.id == id }) else { return }
    task.heldUp = nil
    switch result {
    case .failed, .answer(.busy): postpone(task, now: now)
    case .answer(.noRoom(let seconds)): awaitRoom(task, atLeast: UInt64(seconds) * 1_000, now: now)
    case .answer(let answer):
      try complete(task, answer, store: store, now: now)
      // An answer can bring the commit that frames wait for.
      try retryHeldFrames(store: store, now: now)
      if case .readLog(let id) = task.kind { checkPlace(id, now: now) }
    case .done(let outcome): complete(task, outcome, now: now)
    case .vouchers(let vouchers): try complete(task, vouchers: vouchers, now: now)
    case .issued(let signatures):
      guard case .refill(let server, let batch) = task.kind else { return postpone(task, now: now) }
      stock(signatures, from: task, batch, at: server, now: now)
    case .identified:
      guard case .identify(let server) = task.kind, servers[server]?.issuerKeys.isEmpty == true else { return removeTask(id) }
      // It named no key that could be used: not asked for again at once.
      postpone(task, now: now)
    }
  }

  /// - Parameter patience: milliseconds that the server has asked for.
  mutating func postpone(_ task: TaskRecord, atLeast patience: UInt64 = 0, now: UInt64) {
    var task = task
    task.attempts = min(task.attempts + 1, 16)
    let ceiling = min(Self.longestBackOff, 250 << UInt64(task.attempts))
    // Half of it by chance, so that devices that failed together do not come back together.
    task.notBefore = now + min(patience, Self.quotaPatience) + random.number(in: ceiling / 2...ceiling)
    updateTask(task)
  }

  /// The server takes no more of this at present: it is asked again, and its owner hears so once.
  private mutating func awaitRoom(_ task: TaskRecord, atLeast patience: UInt64, now: UInt64) {
    let server = serverKey(of: task)
    let isKnown = tasks.contains { $0.heldUp == .serverFull && serverKey(of: $0) == server }
    var task = task
    task.heldUp = .serverFull
    postpone(task, atLeast: patience, now: now)
    if !isKnown, let server, let record = servers[server] { events.append(.serverFull(record.address)) }
  }

  private mutating func complete(_ task: TaskRecord, _ answer: Answer, store: any DeviceStore, now: UInt64) throws(EngineError) {
    switch (task.kind, answer) {
    case (.register(let server, _), .registered):
      removeTask(task.id)
      guard var record = servers[server] else { return }
      record.isRegistered = true
      setServer(record, server)
      events.append(.registered(record.address))
    case (.redeem(let server, _, let batch), .redeemed(let signatures)):
      stock(signatures, from: task, batch, at: server, now: now)
    case (.redeem(let server, _, _), .issuerUnknown): renewIssuer(of: task, at: server, now: now)
    case (.redeem(let server, _, _), .refused), (.register(let server, _), .refused), (.register(let server, _), .tokenRefused):
      refuseRegistration(task, at: server)
    case (.claim(let server, let seed, _), .claimed(let blob)):
      removeTask(task.id)
      try acceptBundle(blob, server: server, secrets: InvitationSecrets(seed: seed), now: now)
    case (.claim(_, let seed, _), .refused):
      removeTask(task.id)
      events.append(.invitationRefused(InvitationSecrets(seed: seed).capabilityHash))
    case (.createLog, .created), (.createLog, .refused): removeTask(task.id)
    case (.createLog(let id, _), .tokenRefused):
      // It is worth nothing: another one is shown.
      var task = task
      task.kind = .createLog(id, token: nil)
      postpone(task, now: now)
    case (.append(let id), .logFull), (.rejoin(let id), .logFull):
      // What is wanted stays wanted; entries expire, so it is tried again.
      events.append(.logFull(id))
      var task = task
      task.heldUp = .logFull
      postpone(task, now: now)
      task.attempts += 1
      task.notBefore = now + Self.quotaPatience
      updateTask(task)
    case (.append(let id), .appended), (.append(let id), .duplicate), (.rejoin(let id), .appended), (.rejoin(let id), .duplicate):
      removeTask(task.id)
      adoptPending(id, now: now)
    case (.append(let id), .refused) where task.refusalCount >= Self.believedRefusalCount:
      // All of the log was read, and still the write key is wrong: this device has been left behind, and what it wants cannot be.
      removeTask(task.id)
      dropIntents(id)
    case (.append(let id), .conflict), (.append(let id), .refused):
      // Whoever was first decides; what we wanted is derived again from the intents once the log was read.
      dropPending(id)
      scheduleReadLog(id)
      var task = task
      task.refusalCount = answer == .refused ? task.refusalCount + 1 : 0
      postpone(task, now: now)
    case (.rejoin(let id), .groupInfo(let frame)): try completeRejoin(task, id, groupInfo: frame, now: now)
    case (.rejoin(let id), .conflict), (.rejoin(let id), .refused):
      // Before any commit there is no GroupInfo, and after another one there is a newer: the log is read first, then asked again.
      dropPending(id)
      scheduleReadLog(id)
      retryRejoin(task, in: id, now: now)
    case (.readLog(let id), .entries(let first, let next, let entries)):
      removeTask(task.id)
      try processLog(id, first: first, next: next, entries: entries, now: now)
    case (.readLog, .refused), (.leave, .refused): removeTask(task.id)
    case (.leave(let id), .entries(let first, let next, let entries)):
      try processLog(id, first: first, next: next, entries: entries, now: now)
      askToLeaveAgain(task, in: id, now: now)
    case (.welcome(let id, _, _, let recipient), .sent(let answers)):
      switch answers.first {
      case .full: postpone(task, now: now)
      case .accepted, .refused, nil:
        removeTask(task.id)
        if answers.first != .accepted { noteUnreachable(recipient, in: id) }
      }
    case (.message(let message), .sent(let answers)):
      removeTask(task.id)
      redeliver(message, answers, now: now)
      settle(message, missed: answers.count { $0 == .refused })
      // The request or its answer may be lost: it is asked again after a while.
      if let target = message.target, case .resendRequest = message.content.body {
        scheduleResendRequest(to: target, in: message.conversation, now: now)
      }
    case (.redelivery(let redelivery), .sent(let answers)):
      try complete(redelivery, of: task, answers.first ?? .refused, store: store, now: now)
    default:
      // An answer that does not belong to the question: as if there had been none.
      postpone(task, now: now)
    }
  }

  private mutating func complete(_ task: TaskRecord, _ outcome: OwnerOutcome, now: UInt64) {
    switch task.kind {
    case .refill(let server, _): return complete(refill: task, at: server, outcome, now: now)
    // It must come into force: what waits for it makes it known. There is no quota for it, so there is no room.
    case .delivery where outcome == .overQuota: return awaitRoom(task, atLeast: Self.roomPatience, now: now)
    // Others may have used up what the server hands out in a day.
    case .vouchers(_, .groupInvitation) where outcome == .overQuota: return awaitRoom(task, atLeast: Self.quotaPatience, now: now)
    default: break
    }
    removeTask(task.id)
    guard case .publish(_, let id) = task.kind, let offer = offers[id] else {
      switch task.kind {
      case .vouchers(_, .offer(let id)): failOffer(id)
      case .vouchers(_, .groupInvitation(let group, let invitee, let id)):
        // Without a voucher for its server they cannot come; they are not waited for. Nor is who was taken back or asked anew meanwhile.
        guard var conversation = conversations[group], conversation.invited[id] != nil else { return }
        conversation.invited[id] = nil
        setConversation(conversation, messageKeysOnly: true)
        writeNotice(.notInvited, about: invitee, in: group, now: now)
        events.append(.groupInvitationFailed(id, to: invitee))
      default: break
      }
      return
    }
    guard outcome == .done else { return failOffer(id) }
    events.append(.invitationReady(id, link: offer.link))
  }

  private mutating func failOffer(_ id: OfferID) {
    dropOffers([id])
    events.append(.invitationFailed(id))
  }

  private mutating func complete(_ task: TaskRecord, vouchers: [Permission], now: UInt64) throws(EngineError) {
    guard case .vouchers(_, let purpose) = task.kind, let voucher = vouchers.first else { return postpone(task, now: now) }
    removeTask(task.id)
    switch purpose {
    case .offer(let id):
      guard var offer = offers[id] else { return }
      offer.voucher = voucher
      setOffer(offer, id)
    case .groupInvitation(let group, let invitee, let id):
      try sendGroupInvitation(id, to: invitee, group: group, voucher: voucher, now: now)
    }
  }

  /// First time before a device that leaves looks whether it was let go, milliseconds; later times are longer.
  static let leavePatience: UInt64 = 60_000
  /// So often the others are asked, for a week: 1 minute and each time four times as long.
  private static let leaveAttemptCount: UInt32 = 8

  /// The wish to leave may be lost, or the answer to it: both come again.
  private mutating func askToLeaveAgain(_ task: TaskRecord, in id: ConversationID, now: UInt64) {
    guard let conversation = conversations[id], conversation.state == .leaving, task.attempts < Self.leaveAttemptCount else {
      return removeTask(task.id)
    }
    queueUnchecked(.leave, in: id, entry: nil, now: now)
    var task = task
    task.attempts += 1
    task.notBefore = now + Self.leavePatience << (2 * UInt64(task.attempts))
    updateTask(task)
  }

  /// A message has gone to everybody who could be reached.
  private mutating func settle(_ message: OutgoingMessage, missed: Int) {
    guard message.content.body.isCounted else { return }
    if let position = message.position, let kind = HistoryEntry.Kind(message.content.body, author: profile.log.identity) {
      writeHistory(
        HistoryEntry(
          position: position, id: message.content.id, author: profile.log.identity, sentAt: message.content.sentAt, kind: kind,
          delivery: .sent),
        in: message.conversation)
      let waiting = redeliveryCount(of: message.content.sequence, in: message.conversation)
      events.append(.sent(message.conversation, message.content.id, missed: missed, waiting: waiting))
    }
  }

  private mutating func noteUnreachable(_ recipient: Recipient, in id: ConversationID) {
    // Their mailbox is gone or has revoked the key: they are in the tree and will not come. An administrator sees them and can remove them.
    guard let conversation = conversations[id], let device = conversation.roster.first(where: { $0.delivery.recipient == recipient }) else {
      return
    }
    events.append(.gap(id, author: device.identity, count: 0))
  }
}

extension HistoryEntry.Kind {
  /// What a content shows in the history, if anything.
  init?(_ body: ContentBody, author: IdentityID) {
    switch body {
    case .text(let text): self = .text(text)
    case .attachment(let attachment): self = .attachment(attachment)
    case .unknown(_, _, let fallback, _): self = .unknown(fallback: fallback)
    case .leave: self = .memberLeft(author)
    case .profile, .groupInvitation, .consent, .refusal, .resendRequest, .resend, .seen: return nil
    }
  }
}

extension Conversation {
  /// Whether the history says so already: the wish to leave is repeated until it is granted.
  func repeats(_ kind: HistoryEntry.Kind) -> Bool {
    if case .memberLeft(let identity) = kind { leavers.contains(identity) } else { false }
  }

  /// What this device has seen of the others, after its own base: first of who is written to, then of the busiest.
  func heads(of own: PublicKey32?, to target: PublicKey32?) -> [Head] {
    let known = trackers.filter { $0.value.head > 0 && $0.key != target }
      .sorted { ($0.value.head, $1.key.bytes.hex) > ($1.value.head, $0.key.bytes.hex) }
    let base = own.map { [Head(device: $0, sequence: baseSequence)] } ?? []
    let first = target.flatMap { device in trackers[device].map { Head(device: device, sequence: $0.head) } }
    let rest = known.map { Head(device: $0.key, sequence: $0.value.head) }
    return Array((base + (first.map { [$0] } ?? []) + rest).prefix(SottoProtocol.Limits.headCount))
  }
}

extension ServerRecord {
  /// The delivery-key hashes that the server keeps, filled up so that their number tells little. The filling stays the same from one
  /// time to the next, or two copies of the set would tell it apart.
  var paddedDeliveryKeys: [KeyHash] {
    let padding = SottoProtocol.Limits.deliveryKeyPadding
    let count = max(padding, (deliveryKeys.count + padding - 1) / padding * padding)
    let kdf = KDF(.sha256)
    let filling = (deliveryKeys.count..<count).map { index in
      let info = Array("sotto filling 1 \(index)".utf8)
      return KeyHash(trusted: kdf.expand(kdf.extract(salt: Secret([]), ikm: ownerKey.privateBytes), info: info, count: 32).exposedBytes)
    }
    return (deliveryKeys + filling).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }
}
