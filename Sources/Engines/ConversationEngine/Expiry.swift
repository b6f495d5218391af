import CryptoSuite
import SottoProtocol
import WireFormat

/// A server keeps what waits for thirty days. Who was away for longer is told, and so is who wrote to them.
extension DeviceState {
  private static let day: UInt64 = 86_400_000
  /// Between two looks at the calendar, milliseconds.
  private static let upkeepInterval: UInt64 = 600_000
  /// How far a record of when a server was caught up with may lag, milliseconds; and from when on it means that this device was asleep.
  private static let followingLag: ClosedRange<UInt64> = 3_600_000...day
  /// After which time somebody is told what we have of them, if nothing that we write has done so, milliseconds: a week, and up to three days
  /// more by chance, so that not all members of a group do it at once.
  private static let tellingDelays: ClosedRange<UInt64> = 7 * day...10 * day
  /// The same for what was sent long ago: the author judges soon. An hour to six.
  private static let lateTellingDelays: ClosedRange<UInt64> = 3_600_000...21_600_000
  /// Long ago, milliseconds: two weeks.
  private static let lateness = 14 * day
  /// Who says what they have is answered with what we have of them, but not when they were told anything within this time, milliseconds.
  private static let answerPause = 7 * day
  /// After an absence, for how long nobody is judged; milliseconds: as long as they may take to tell us.
  private static let judgingPause = tellingDelays.upperBound
  /// A clock that shows an earlier time was never set: 2024.
  private static let firstTime: UInt64 = 19_723 * day

  /// When what came is to be told of at the latest, from now on.
  func tellingDelay(of content: Content, now: UInt64) -> UInt64 {
    let isLate = content.sentAt < now && now - content.sentAt > Self.lateness
    return random.number(in: isLate ? Self.lateTellingDelays : Self.tellingDelays)
  }

  static func isClockSet(_ now: UInt64) -> Bool { now >= firstTime }

  /// Days since 1970.
  static func day(of time: UInt64) -> UInt64 { time / day }

  /// What is done by the calendar.
  mutating func keepUp(store: any DeviceStore, now: UInt64) throws(EngineError) {
    // Also when the clock was set back.
    guard now >= nextUpkeep || now + Self.upkeepInterval < nextUpkeep else { return }
    nextUpkeep = now + Self.upkeepInterval
    for server in following { keepFollowing(server, now: now) }
    if Self.isClockSet(now) { dropExpired(now: now) }
    for id in conversations.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
      guard let conversation = conversations[id], conversation.state == .active, conversation.group != nil else { continue }
      // Who has not fetched everything themselves has not heard who has.
      if isJudging(conversation.context.server.serverKey, now: now) { try judgeSent(conversation, store: store, now: now) }
      tellOthers(conversation, now: now)
    }
  }

  // MARK: This device

  private func isJudging(_ server: PublicKey32, now: UInt64) -> Bool {
    guard following.contains(server), Self.isClockSet(now), let judgeAt = servers[server]?.judgeAt else { return false }
    return judgeAt <= now || judgeAt > now + Self.judgingPause
  }

  mutating func noteCaughtUp(with server: PublicKey32, now: UInt64) {
    guard var record = servers[server] else { return }
    following.insert(server)
    // What nobody could judge before is judged now.
    nextUpkeep = 0
    let last = record.caughtUpAt
    guard Self.isClockSet(now) else { return }
    if now < last {
      // One of the two times is a wrong clock's: a little behind, it is most likely today's, and the time of before is kept.
      guard last - now > SentDays.clockFaultDays * Self.day else { return }
      record.caughtUpAt = now
      return setServer(record, server)
    }
    let isLate = last > 0 && Self.day(of: now) >= Self.day(of: last) + UInt64(SottoProtocol.Limits.expiryDays)
    guard isLate || last == 0 || now - last >= Self.followingLag.lowerBound else { return }
    record.caughtUpAt = now
    if isLate { record.judgeAt = now + Self.judgingPause }
    setServer(record, server)
    if isLate { tellOfAbsence(at: record.address, since: last, now: now) }
  }

  mutating func noteFellBehind(_ server: PublicKey32, now: UInt64) {
    keepFollowing(server, now: now)
    following.remove(server)
  }

  /// Remembers that nothing waits at a server that this device follows.
  private mutating func keepFollowing(_ server: PublicKey32, now: UInt64) {
    guard var record = servers[server], following.contains(server), now >= record.caughtUpAt + Self.followingLag.lowerBound else { return }
    // Nobody has looked for a day: the device slept, and whether it still follows shows when it attaches anew.
    guard now <= record.caughtUpAt + Self.followingLag.upperBound else {
      following.remove(server)
      return
    }
    record.caughtUpAt = now
    setServer(record, server)
  }

  /// What was sent to us may be gone. All whom it may concern are told what we have, so that they send again what is missing.
  private mutating func tellOfAbsence(at server: ServerAddress, since: UInt64, now: UInt64) {
    events.append(.mayHaveExpired(server, since: since))
    let own = profile.log.identity
    for id in conversations.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
      guard var conversation = conversations[id], conversation.state == .active, conversation.context.server.serverKey == server.serverKey
      else { continue }
      for device in conversation.receipts.keys { conversation.receipts[device]?.planTelling(at: now) }
      setConversation(conversation, messageKeysOnly: true)
      writeNotice(.mayHaveExpired(since: since), about: own, in: id, now: now)
    }
  }

  // MARK: Others

  /// A device has said up to where it has what we sent.
  mutating func hear(_ sequence: UInt64, from device: PublicKey32, of epoch: UInt64, in id: ConversationID) {
    // Numbers of a membership that has ended say nothing about the present one.
    guard var conversation = conversations[id], let receipts = conversation.receipts[device],
      conversation.trackers[device].map({ epoch >= $0.since }) ?? true
    else { return }
    conversation.receipts[device]?.hear(sequence, bound: conversation.sealedSequence)
    if conversation.receipts[device] != receipts { setConversation(conversation, messageKeysOnly: true) }
  }

  /// Tells who has long heard nothing of us what we have of theirs.
  private mutating func tellOthers(_ conversation: Conversation, now: UInt64) {
    guard (try? requireConfirmed(conversation)) != nil else { return }
    for device in conversation.roster {
      guard let receipts = conversation.receipts[device.device], receipts.tellAt > 0, receipts.tellAt <= now else { continue }
      let isUnderWay = tasks.contains {
        if case .message(let message) = $0.kind {
          message.conversation == conversation.id && message.isSeen(by: device.device)
        } else {
          false
        }
      }
      if !isUnderWay { queueTargeted(.seen, in: conversation.id, to: device.device, now: now) }
    }
  }

  /// Who says what they have may have lost what we said. Two that answer each other end with the pause.
  mutating func answerSeen(by device: PublicKey32, in id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id], let receipts = conversation.receipts[device],
      !receipts.wasTold(within: Self.answerPause, of: now), conversation.trackers[device].map({ $0.head > 0 }) ?? false
    else { return }
    conversation.receipts[device]?.planTelling(at: now)
    setConversation(conversation, messageKeysOnly: true)
    nextUpkeep = 0
  }

  /// A device's mailbox had no room for what we have to tell it: a day later.
  mutating func tellLater(_ device: PublicKey32, in id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id] else { return }
    conversation.receipts[device]?.planTelling(at: now + Self.day)
    setConversation(conversation, messageKeysOnly: true)
  }

  /// Who says that they lack what no server has any more, or what we have ceased to send, gets it from us.
  mutating func resendExpired(
    to device: PublicKey32, in conversation: Conversation, store: any DeviceStore, now: UInt64
  ) throws(EngineError) {
    guard let receipts = conversation.receipts[device] else { return }
    let heard = receipts.heard
    let gone = max(conversation.sentDays.expiredSequence, receipts.givenUpThrough)
    guard heard < gone else { return }
    let missing = (heard + 1...gone).prefix(SottoProtocol.Limits.resendCount)
    try resend(Array(missing), to: device, in: conversation, store: store, now: now)
  }

  /// Names those who have not said that they have what the server has deleted by now.
  private mutating func judgeSent(_ standing: Conversation, store: any DeviceStore, now: UInt64) throws(EngineError) {
    var conversation = standing
    guard conversation.sentDays.expire(today: Self.day(of: now)) else { return }
    let expired = conversation.sentDays.expiredSequence
    let own = profile.log.identity
    var missed: [(identity: IdentityID, count: UInt64, deviceCount: UInt64)] = []
    for identity in conversation.identities where identity != own {
      var count: UInt64 = 0
      var deviceCount: UInt64 = 0
      for device in conversation.devices(of: identity) {
        guard let receipts = conversation.receipts[device.device], !receipts.isMissed, receipts.heard < expired else { continue }
        let missing = try messageCount(receipts.heard + 1...expired, for: device.device, in: conversation.id, store: store)
        guard missing > 0 else { continue }
        conversation.receipts[device.device]?.isMissed = true
        count = max(count, missing)
        deviceCount += 1
      }
      if deviceCount > 0 { missed.append((identity, count, deviceCount)) }
    }
    setConversation(conversation, messageKeysOnly: true)
    for one in missed {
      writeNotice(.notFetched(count: one.count, deviceCount: one.deviceCount), about: one.identity, in: conversation.id, now: now)
    }
  }

  /// How many of these numbers of ours are messages that a person wrote to a device; those that are too many to look at count as such.
  func messageCount(
    _ sequences: ClosedRange<UInt64>, for device: PublicKey32, in id: ConversationID, store: any DeviceStore
  ) throws(EngineError) -> UInt64 {
    var count = UInt64(max(0, sequences.count - SottoProtocol.Limits.resendCount))
    for sequence in sequences.suffix(SottoProtocol.Limits.resendCount) {
      let stored: [UInt8]?
      do { stored = try store.record(Self.sentContentKey(id, sequence)) } catch { throw .store(error) }
      guard let stored, let sent = try? SentContent(decoding: stored), sent.recipients.contains(device) else { continue }
      switch sent.content.body {
      case .text, .attachment, .unknown: count += 1
      default: break
      }
    }
    return count
  }
}
