import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// Commits of others, in slot order: for each epoch the first valid one counts, every other entry is skipped (docs/protocol.md §8).
extension DeviceState {
  /// An entry that came by the mailbox.
  mutating func receiveEntry(_ entry: LogEntry, in id: ConversationID, now: UInt64) throws(EngineError) {
    guard let conversation = conversations[id], conversation.group != nil, entry.slot >= conversation.nextSlot else { return }
    guard entry.slot == conversation.nextSlot else { return scheduleReadLog(id) }
    processEntry(entry, in: id, now: now)
  }

  /// What the log holds from our position on.
  mutating func processLog(_ id: ConversationID, first: UInt64, next: UInt64, entries: [LogEntry], now: UInt64) throws(EngineError) {
    guard var conversation = conversations[id], conversation.group != nil else { return }
    if first > conversation.nextSlot {
      // What we missed is no longer kept: only a way back from outside is left.
      conversation.nextSlot = first
      conversation.pending = nil
      conversation.suspectedEpoch = conversation.epoch
      setConversation(conversation, messageKeysOnly: true)
      scheduleRejoin(id, now: now)
    }
    for entry in entries {
      guard let conversation = conversations[id], conversation.group != nil else { return }
      if entry.slot == conversation.nextSlot { processEntry(entry, in: id, now: now) }
    }
    if let conversation = conversations[id], conversation.group != nil, conversation.nextSlot < next, !entries.isEmpty {
      scheduleReadLog(id)
    }
  }

  /// Takes one slot: adopts what it holds, or skips it.
  private mutating func processEntry(_ entry: LogEntry, in id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id], let group = conversation.group else { return }
    if let pending = conversation.pending, pending.slot == entry.slot, pending.append.entry == entry.frame {
      removeTasks { task in
        switch task.kind {
        case .append(id), .rejoin(id): true
        default: false
        }
      }
      adoptPending(id, now: now)
      return
    }
    // The slot is decided, whatever it holds; a commit of ours that was made for it is made anew.
    conversation.nextSlot = entry.slot + 1
    conversation.pending = nil
    let before = conversation.roster
    switch judge(entry, in: conversation, group) {
    case .skip: setConversation(conversation, messageKeysOnly: true)
    case .unreadable:
      conversation.suspectedEpoch = group.epoch
      setConversation(conversation, messageKeysOnly: true)
      // To commit on a state that the others have left would be to leave them; see where they are first.
      if !conversation.intents.isEmpty { scheduleRejoin(id, now: now) }
    case .ofLaterEpoch:
      conversation.suspectedEpoch = group.epoch
      setConversation(conversation, messageKeysOnly: true)
      scheduleRejoin(id, now: now)
    case .adopt(let commit):
      guard let next = commit.group else {
        setConversation(conversation)
        return endRemoved(id, now: now)
      }
      let removesSomebody = !commit.changes.removed.isEmpty && !commit.changes.isExternal
      if removesSomebody {
        // The exporter of an epoch that MLS has accepted does not fail; if it did, this device would be out of step and come back.
        guard let keys = try? Conversation.keys(beginning: next, generation: conversation.generation + 1, nextSlot: entry.slot + 1) else {
          conversation.suspectedEpoch = group.epoch
          return setConversation(conversation, messageKeysOnly: true)
        }
        conversation.beginGeneration(keys)
      }
      conversation.suspectedEpoch = nil
      conversation.adopt(next)
      setConversation(conversation)
      if let leaf = commit.changes.externalJoiner, let device = conversation.device(at: leaf) {
        announceReturn(of: device, in: id, now: now)
      }
      finishEpochChange(id, before: before, now: now)
    }
    if conversations[id]?.intents.isEmpty == false { scheduleAppend(id) }
  }

  /// Tells everybody of a device that came back by itself: it may be a stolen one.
  private mutating func announceReturn(of device: RosterDevice, in id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id] else { return }
    let entry = HistoryEntry(
      position: conversation.historyCount, id: MessageID.random(using: random), author: device.identity, sentAt: now,
      kind: .deviceReturned(device.identity), delivery: .received)
    conversation.historyCount += 1
    setConversation(conversation)
    writeHistory(entry, in: id)
    events.append(.message(id, entry))
  }

  /// Ends a conversation that others have taken us out of.
  mutating func endRemoved(_ id: ConversationID, now: UInt64) {
    end(id)
    guard var conversation = conversations[id] else { return }
    let own = profile.log.identity
    let entry = HistoryEntry(
      position: conversation.historyCount, id: MessageID.random(using: random), author: own, sentAt: now, kind: .memberRemoved(own),
      delivery: .received)
    conversation.historyCount += 1
    setConversation(conversation)
    writeHistory(entry, in: id)
    events.append(.removed(id))
  }

  private enum Judgement {
    case adopt(ReceivedCommit)
    case skip
    /// It could not be decrypted here, which does not say that others could not either.
    case unreadable
    /// Somebody has gone on from a commit that this device has not taken.
    case ofLaterEpoch
  }

  private func judge(_ entry: LogEntry, in conversation: Conversation, _ group: Group) -> Judgement {
    // Only the present wrap key counts: who came later has no older one, and all must judge alike.
    guard let frame = try? Frame(entry.frame), let message = try? conversation.wrapKeys.first?.open(frame) else { return .skip }
    do {
      guard case .commit(let commit) = try group.process(message, psks: NoPSK(), validator: SottoCredentials()) else { return .skip }
      return Policy(conversation).permits(commit) ? .adopt(commit) : .skip
    } catch .futureEpoch {
      return .ofLaterEpoch
    } catch .crypto, .invalidPath(.noSecretForUs), .invalidPath(.publicKeyMismatch), .mismatch(.confirmationTag), .ownMessage,
      .replayedOrExpiredGeneration
    { return .unreadable } catch { return .skip }
  }

  // MARK: Coming back

  /// Least time between two returns, milliseconds: an insider who provokes them gains little.
  private static let rejoinInterval: UInt64 = 60_000
  /// Attempts of one return before it is given up.
  private static let rejoinAttemptCount: UInt32 = 8

  /// Once the log was read: a message of a later epoch that is still held proves that others took an entry which this device did not.
  mutating func checkPlace(_ id: ConversationID, now: UInt64) {
    guard let conversation = conversations[id], conversation.group != nil,
      !hasTask(.log(id), where: { if case .readLog = $0 { true } else { false } })
    else { return }
    let isProven = heldFrames.values.contains { held in
      guard held.envelope.source == .send, let frame = try? Frame(held.envelope.frame) else { return false }
      return conversation.wrapKeys.contains { $0.locates(frame) }
    }
    if isProven { scheduleRejoin(id, now: now) }
  }

  /// Has this device look where the others are, and come back if they have gone on without it.
  mutating func scheduleRejoin(_ id: ConversationID, now: UInt64) {
    guard let conversation = conversations[id], conversation.state != .ended,
      !hasTask(.log(id), where: { if case .rejoin = $0 { true } else { false } })
    else { return }
    addTask(.rejoin(id), notBefore: conversation.lastRejoin == 0 ? 0 : conversation.lastRejoin + Self.rejoinInterval)
  }

  /// Asks again after a while; gives up when it leads nowhere.
  mutating func retryRejoin(_ task: TaskRecord, in id: ConversationID, now: UInt64) {
    if task.attempts < Self.rejoinAttemptCount { return postpone(task, now: now) }
    forgetSuspicion(task, in: id)
  }

  private mutating func forgetSuspicion(_ task: TaskRecord, in id: ConversationID) {
    removeTask(task.id)
    guard var conversation = conversations[id] else { return }
    conversation.suspectedEpoch = nil
    setConversation(conversation, messageKeysOnly: true)
  }

  /// The GroupInfo says where the others are. If that is an epoch beyond ours and we have read every slot before it, they took an entry that we
  /// could not: then an external commit takes our old leaf's place (docs/protocol.md §10).
  mutating func completeRejoin(_ task: TaskRecord, _ id: ConversationID, groupInfo bytes: [UInt8], now: UInt64) throws(EngineError) {
    guard var conversation = conversations[id], let group = conversation.group else { return removeTask(task.id) }
    guard let frame = try? Frame(bytes), let message = try? conversation.wrapKeys.first?.open(frame),
      let parsed = try? MLSMessage(decoding: message), case .groupInfo(let info) = parsed, info.groupContext.groupID == id.bytes,
      info.groupContext.epoch > group.epoch, let keysData = info.extensions.data(of: SottoLeaf.keysType),
      let keys = try? ConversationKeys(decoding: keysData), keys.generation == conversation.generation,
      keys.wrapKey == conversation.wrapKeys.first?.secret, keys.writeKey == conversation.writeKey
    else {
      // Sealed under a later generation, or no newer than we are: nothing to come back by. Who leaves need not.
      let isBeyond = (try? Frame(bytes)).map { frame in !conversation.wrapKeys.contains { $0.locates(frame) } } ?? false
      guard conversation.state == .leaving, isBeyond else { return forgetSuspicion(task, in: id) }
      return endRemoved(id, now: now)
    }
    guard keys.nextSlot <= conversation.nextSlot else {
      scheduleReadLog(id)
      return retryRejoin(task, in: id, now: now)
    }
    do {
      conversation.pending = try makeReturn(to: message, by: info.signer, keys: keys, in: conversation, group)
    } catch { return forgetSuspicion(task, in: id) }
    conversation.lastRejoin = now
    setConversation(conversation, messageKeysOnly: true)
  }

  /// - Throws: also when the GroupInfo leads to another group than the one that this device knows, for whoever may append can write one.
  private func makeReturn(
    to groupInfo: [UInt8], by signer: LeafIndex, keys: ConversationKeys, in conversation: Conversation, _ group: Group
  ) throws -> Conversation.PendingCommit {
    guard let own = conversation.device(at: group.ownLeafIndex) else { throw EngineError.damagedState }
    let leaf = SottoLeaf.parameters(log: profile.log, delivery: own.delivery, name: profile.name)
    let commit = try Group.joinExternally(
      groupInfo: groupInfo, cipherSuite: SottoLeaf.suite, leaf: leaf, signer: profile.deviceKey, removing: group.ownLeafIndex,
      psks: NoPSK(),
      validator: SottoCredentials())
    let roster = commit.group.members.compactMap(RosterDevice.init)
    guard Policy(conversation).recognises(commit.group, roster, signer: signer) else { throw EngineError.notPermitted }
    // The old state stays the conversation's until this has won; both are stored before the entry leaves.
    var joined = group
    let message = commit.message { joined = $0.group }
    let wrapKey = WrapKey(keys.wrapKey)
    let entry = try wrapKey.seal(message, random: random).bytes
    // Slots between the GroupInfo's and ours hold nothing that anybody took, or there were a newer GroupInfo.
    let slot = conversation.nextSlot
    var after = keys
    after.nextSlot = slot + 1
    let info = try joined.groupInfo(
      signer: profile.deviceKey, includeRatchetTree: true, includeExternalPub: true,
      extensions: [Extension(type: SottoLeaf.keysType, data: after.encoded)])
    let append = LogAppend(
      handle: conversation.context.handle, slot: slot, writeKey: keys.writeKey, entry: entry, rotation: nil,
      groupInfo: try wrapKey.seal(info, random: random).bytes,
      recipients: roster.filter { $0.leaf != joined.ownLeafIndex }.map(\.delivery.recipient))
    return Conversation.PendingCommit(
      slot: slot, append: append, group: joined, newKeys: nil, added: [], removed: [], welcomes: [], isRejoin: true)
  }
}
