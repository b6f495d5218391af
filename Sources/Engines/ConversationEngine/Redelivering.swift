import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// What a full mailbox did not take is tried again for its device alone; nobody else waits for it, and nothing overtakes it there.
extension DeviceState {
  private func redelivery(to device: PublicKey32, in id: ConversationID) -> (task: TaskRecord, redelivery: Redelivery)? {
    for task in tasks {
      if case .redelivery(let redelivery) = task.kind, redelivery.device == device, redelivery.conversation == id {
        return (task, redelivery)
      }
    }
    return nil
  }

  private mutating func update(_ task: TaskRecord, _ redelivery: Redelivery, notBefore: UInt64? = nil) {
    var task = task
    task.kind = .redelivery(redelivery)
    if let notBefore { task.notBefore = notBefore }
    updateTask(task)
  }

  /// How many devices have yet to get this message of ours because their mailboxes are full.
  func redeliveryCount(of sequence: UInt64, in id: ConversationID) -> Int {
    tasks.count {
      if case .redelivery(let redelivery) = $0.kind {
        redelivery.conversation == id && redelivery.holds(sequence)
      } else {
        false
      }
    }
  }

  func isWaiting(_ sequence: UInt64, for device: PublicKey32, in id: ConversationID) -> Bool {
    redelivery(to: device, in: id)?.redelivery.holds(sequence) ?? false
  }

  /// Puts a message behind those that a device's mailbox has not taken yet, and has these tried again.
  ///
  /// - Returns: false when there are none, so that it can go out.
  mutating func holdBack(_ sequence: UInt64, from device: PublicKey32, in id: ConversationID, now: UInt64) -> Bool {
    guard var (task, redelivery) = redelivery(to: device, in: id) else { return false }
    redelivery.add(sequence)
    task.notBefore = min(task.notBefore, max(now, redelivery.earliest))
    update(task, redelivery)
    return true
  }

  /// Tries again soon: the device is awake.
  mutating func hastenRedelivery(to device: PublicKey32, in id: ConversationID, now: UInt64) {
    guard let (task, redelivery) = redelivery(to: device, in: id), task.notBefore > now else { return }
    update(task, redelivery, notBefore: min(task.notBefore, max(now, redelivery.earliest)))
  }

  /// A message has been answered for: who had no room gets it later.
  mutating func redeliver(_ message: OutgoingMessage, _ answers: [RecipientAnswer], now: UInt64) {
    if let target = message.target, message.isSeen(by: target), answers.contains(.full) {
      // Its words are not kept: what we have then is said then.
      return tellLater(target, in: message.conversation, now: now)
    }
    guard message.content.body.isCounted, let sealed = message.sealed, let conversation = conversations[message.conversation] else {
      return
    }
    for (recipient, answer) in zip(sealed.recipients, answers) where answer == .full {
      guard let device = conversation.roster.first(where: { $0.delivery.recipient == recipient }) else { continue }
      guard !holdBack(message.content.sequence, from: device.device, in: conversation.id, now: now) else { continue }
      let redelivery = Redelivery(
        conversation: conversation.id, device: device.device, identity: device.identity, sequence: message.content.sequence, now: now)
      addTask(.redelivery(redelivery), notBefore: now + random.number(in: redelivery.pause))
    }
  }

  /// The next message's ciphertext for a device whose mailbox was full.
  ///
  /// - Returns: nil when nothing is left to send, or it was given up.
  mutating func seal(
    _ standing: Redelivery, of task: TaskRecord, store: any DeviceStore, now: UInt64
  ) throws(EngineError) -> OutgoingMessage.Sealed? {
    guard var conversation = conversations[standing.conversation], conversation.group != nil, !conversation.wrapKeys.isEmpty,
      let device = conversation.roster.first(where: { $0.device == standing.device })
    else { return nil }
    var redelivery = standing
    redelivery.remove(through: conversation.receipts[device.device]?.heard ?? 0)
    guard !redelivery.isOver(at: now) else {
      try giveUp(redelivery, store: store, now: now)
      return nil
    }
    if let sealed = redelivery.sealed, isCurrent(sealed, in: conversation) { return sealed }
    while let sequence = redelivery.sequences.first {
      let stored: [UInt8]?
      do { stored = try store.record(Self.sentContentKey(conversation.id, sequence)) } catch { throw .store(error) }
      guard let stored, let sent = try? SentContent(decoding: stored), sent.recipients.contains(device.device) else {
        redelivery.removeFirst()
        continue
      }
      let content = Content(
        id: MessageID.random(using: random), sequence: 0, sentAt: now, heads: [], epochAuthenticator: [],
        body: .resend(sent.content.encoded))
      let sealed = try encrypt(content, to: device.device, [device.delivery.recipient], in: &conversation)
      setConversation(conversation, messageKeysOnly: true)
      redelivery.sealed = sealed
      update(task, redelivery)
      return sealed
    }
    return nil
  }

  mutating func complete(
    _ standing: Redelivery, of task: TaskRecord, _ answer: RecipientAnswer, store: any DeviceStore, now: UInt64
  ) throws(EngineError) {
    var redelivery = standing
    switch answer {
    case .accepted:
      // The rest is another task: an answer that comes twice must not speak for two messages.
      removeTask(task.id)
      redelivery.noteTaken(now: now)
      if !redelivery.sequences.isEmpty { addTask(.redelivery(redelivery)) }
    case .full:
      redelivery.noteFull(now: now)
      update(task, redelivery, notBefore: now + random.number(in: redelivery.pause))
    case .refused:
      // The mailbox is gone, or has revoked the key.
      removeTask(task.id)
      try giveUp(redelivery, store: store, now: now)
    }
  }

  /// Leaves what waits to the device's asking, and tells the person if they wrote any of it and do not know yet.
  private mutating func giveUp(_ redelivery: Redelivery, store: any DeviceStore, now: UInt64) throws(EngineError) {
    guard var conversation = conversations[redelivery.conversation], let first = redelivery.sequences.first else { return }
    let device = redelivery.device
    conversation.receipts[device]?.giveUp(through: redelivery.highest)
    let isKnown = conversation.receipts[device]?.isMissed ?? false
    let count = isKnown ? 0 : try messageCount(first...max(first, redelivery.highest), for: device, in: conversation.id, store: store)
    if count > 0 { conversation.receipts[device]?.isMissed = true }
    setConversation(conversation, messageKeysOnly: true)
    if count > 0 { writeNotice(.notTaken(count: count), about: redelivery.identity, in: conversation.id, now: now) }
  }
}
