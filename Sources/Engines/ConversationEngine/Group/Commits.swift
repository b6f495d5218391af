import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// Our own commits: made from intents, adopted when their slot is ours, dropped when it is not.
extension DeviceState {
  /// The append that is under way, or a new one from the intents.
  ///
  /// - Returns: nil when nothing is left to commit.
  mutating func prepareCommit(_ id: ConversationID, now: UInt64) throws(EngineError) -> LogAppend? {
    guard let conversation = conversations[id], conversation.state == .active, conversation.group != nil else { return nil }
    if let pending = conversation.pending, !pending.isRejoin { return pending.append }
    var draft = conversation
    draft.intents.removeAll { !isWanted($0, in: conversation) }
    let removals = draft.intents.compactMap { if case .remove(let identity) = $0 { identity } else { nil } }
    do {
      if !removals.isEmpty {
        try makeRemoval(removals, in: &draft, now: now)
      } else {
        try makeAdditions(in: &draft, now: now)
      }
    } catch {
      // What cannot be committed now can never be; it must not stand in the way of everything else this device does.
      draft = conversation
      draft.intents = []
    }
    setConversation(draft)
    return draft.pending?.append
  }

  /// Whether an intent still has something to do and we may do it.
  private func isWanted(_ intent: Conversation.Intent, in conversation: Conversation) -> Bool {
    let role = conversation.context.role(of: profile.log.identity)
    switch intent {
    case .add(let identity, _):
      return conversation.devices(of: identity).isEmpty && conversation.context.leastRole(forProposal: 1).map { role >= $0 } ?? false
    case .remove(let identity):
      return !conversation.devices(of: identity).isEmpty && role >= conversation.context.role(of: identity)
        && conversation.context.leastRole(forProposal: 3).map { role >= $0 } ?? false
    case .update: return true
    }
  }

  private mutating func makeRemoval(_ identities: [IdentityID], in conversation: inout Conversation, now: UInt64) throws {
    let leaves = conversation.roster.filter { identities.contains($0.identity) }
    guard let group = conversation.group else { return }
    let commit = try group.commit(
      CommitPlan(removes: leaves.map(\.leaf), includePending: false), signer: profile.deviceKey, psks: NoPSK(),
      validator: SottoCredentials())
    let keys = try Conversation.keys(beginning: commit.group, generation: conversation.generation + 1, nextSlot: conversation.nextSlot + 1)
    try setPending(commit, keys: keys, removed: identities, in: &conversation)
  }

  private mutating func makeAdditions(in conversation: inout Conversation, now: UInt64) throws {
    guard let group = conversation.group, !conversation.intents.isEmpty, var keys = conversation.keys else { return }
    keys.nextSlot = conversation.nextSlot + 1
    // A key package that MLS will not have beside those before it must not keep them out, so each is tried first.
    var additions: [(identity: IdentityID, consent: Consent, keyPackage: KeyPackage)] = []
    for intent in conversation.intents {
      guard case .add(let identity, let consent) = intent else { continue }
      let isPlanned = additions.contains { $0.identity == identity }
      let room = SottoProtocol.Limits.conversationDeviceCount - conversation.roster.count - additions.count
      guard room > 0, !isPlanned, let keyPackage = Self.keyPackage(in: consent.bundle, now: now),
        SottoCredentials().log(of: keyPackage.leafNode.credential)?.identity == identity,
        (try? group.commit(
          CommitPlan(adds: additions.map(\.keyPackage) + [keyPackage], includePending: false, forcePath: false, now: now / 1_000),
          signer: profile.deviceKey, psks: NoPSK(), validator: SottoCredentials())) != nil
      else {
        conversation.intents.removeAll { $0 == intent }
        continue
      }
      additions.append((identity, consent, keyPackage))
    }
    guard !conversation.intents.isEmpty else { return }
    let plan = CommitPlan(
      adds: additions.map(\.keyPackage), includePending: false,
      groupInfoExtensions: [Extension(type: SottoLeaf.keysType, data: keys.encoded)], now: now / 1_000)
    let commit = try group.commit(plan, signer: profile.deviceKey, psks: NoPSK(), validator: SottoCredentials())
    var welcomes: [(recipient: Recipient, frame: [UInt8])] = []
    if let welcome = commit.welcome {
      for addition in additions {
        guard let recipient = Self.delivery(of: addition.keyPackage.leafNode)?.recipient else { continue }
        let secrets = InvitationSecrets(seed: Secret(addition.consent.seed))
        let frame = try FirstContact.seal(welcome, to: addition.consent.bundle.contactKey, secrets: secrets, random: random)
        welcomes.append((recipient, frame.bytes))
      }
    }
    try setPending(commit, keys: nil, added: additions.map(\.identity), welcomes: welcomes, in: &conversation)
  }

  /// - Parameter keys: a new generation, when the commit removes someone.
  private mutating func setPending(
    _ commit: OutgoingCommit, keys: ConversationKeys?, added: [IdentityID] = [], removed: [IdentityID] = [],
    welcomes: [(recipient: Recipient, frame: [UInt8])] = [], in conversation: inout Conversation
  ) throws {
    guard let wrapKey = conversation.wrapKeys.first, var after = keys ?? conversation.keys else { return }
    after.nextSlot = conversation.nextSlot + 1
    let message = commit.message { made in
      if let kept = made.groupIfLost { conversation.group = kept }
    }
    let entry = try wrapKey.seal(message, random: random).bytes
    let info = try commit.group.groupInfo(
      signer: profile.deviceKey, includeRatchetTree: true, includeExternalPub: true,
      extensions: [Extension(type: SottoLeaf.keysType, data: after.encoded)])
    let infoFrame = try WrapKey(after.wrapKey).seal(info, random: random).bytes
    var rotation: Rotation?
    if let keys {
      let roster = commit.group.members.compactMap(RosterDevice.init)
      rotation = try Rotation(
        handle: conversation.context.handle, slot: conversation.nextSlot, writeKeyHash: keys.writeKey.hash,
        administratorKeys: Conversation.administratorKeys(roster, conversation.context), entry: entry, signer: conversation.administratorKey
      )
    }
    let append = LogAppend(
      handle: conversation.context.handle, slot: conversation.nextSlot, writeKey: conversation.writeKey, entry: entry, rotation: rotation,
      groupInfo: infoFrame, recipients: conversation.recipients)
    conversation.pending = Conversation.PendingCommit(
      slot: conversation.nextSlot, append: append, group: commit.group, newKeys: keys, added: added, removed: removed, welcomes: welcomes,
      isRejoin: false)
  }

  /// Our commit has its slot: it is the conversation's next state.
  mutating func adoptPending(_ id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id], let pending = conversation.pending else { return }
    let before = conversation.roster
    conversation.pending = nil
    conversation.nextSlot = pending.slot + 1
    if let keys = pending.newKeys { conversation.beginGeneration(keys) }
    // Messages were read while the commit was under way: their keys stay gone.
    conversation.adopt(conversation.group.map { pending.group.succeeding($0) } ?? pending.group)
    conversation.intents.removeAll { $0 == .update }
    if pending.isRejoin {
      conversation.suspectedEpoch = nil
      events.append(.rejoined(id))
    }
    setConversation(conversation)
    for welcome in pending.welcomes {
      addTask(.welcome(id, id: SendID.random(using: random), frame: welcome.frame, recipient: welcome.recipient))
    }
    finishEpochChange(id, before: before, now: now)
  }

  /// Gives up what was wanted.
  mutating func dropIntents(_ id: ConversationID) {
    guard var conversation = conversations[id] else { return }
    conversation.pending = nil
    conversation.intents = []
    setConversation(conversation, messageKeysOnly: true)
  }

  /// Another entry has the slot; the intents stay.
  mutating func dropPending(_ id: ConversationID) {
    guard var conversation = conversations[id], conversation.pending != nil else { return }
    conversation.pending = nil
    setConversation(conversation, messageKeysOnly: true)
  }

  /// Devices whose numbers are remembered: four times as many as a conversation has.
  private static let trackerCount = 4 * SottoProtocol.Limits.conversationDeviceCount

  /// What every change of epoch brings, our own or another's: context, history, intents that are fulfilled, frames that waited.
  mutating func finishEpochChange(_ id: ConversationID, before: [RosterDevice], now: UInt64) {
    guard var conversation = conversations[id], let group = conversation.group else { return }
    if let data = group.extensions.data(of: SottoLeaf.contextType), let context = try? ConversationContext(decoding: data) {
      conversation.context = context
    }
    let devicesBefore = Set(before.map(\.device))
    // Somebody who was here before begins anew.
    for device in conversation.roster where !devicesBefore.contains(device.device) {
      conversation.trackers[device.device] = SequenceTracker(author: device.identity, since: group.epoch, fromStart: true)
    }
    // What is known of devices that have gone is kept for what may still come of them, within reason.
    if conversation.trackers.count > Self.trackerCount {
      let present = Set(conversation.roster.map(\.device))
      conversation.trackers = conversation.trackers.filter { present.contains($0.key) }
    }
    if conversation.roster.contains(where: { !devicesBefore.contains($0.device) }) {
      conversation.baseSequence = conversation.sealedSequence
    }
    let peopleBefore = Set(before.map(\.identity))
    let people = Set(conversation.identities)
    let added = conversation.identities.filter { !peopleBefore.contains($0) }
    let removed = before.map(\.identity).filter { !people.contains($0) }.reduce(into: [IdentityID]()) {
      if !$0.contains($1) { $0.append($1) }
    }
    conversation.leavers.removeAll { !people.contains($0) }
    conversation.intents.removeAll { intent in
      switch intent {
      case .add(let identity, _): people.contains(identity)
      case .remove(let identity): !people.contains(identity)
      case .update: false
      }
    }
    for (kind, identities) in [(HistoryEntry.Kind.memberAdded, added), (HistoryEntry.Kind.memberRemoved, removed)] {
      for identity in identities {
        let entry = HistoryEntry(
          position: conversation.historyCount, id: MessageID.random(using: random), author: identity, sentAt: now, kind: kind(identity),
          delivery: .received)
        conversation.historyCount += 1
        writeHistory(entry, in: id)
      }
    }
    setConversation(conversation)
    noteLogs(of: conversation)
    if !conversation.intents.isEmpty { scheduleAppend(id) }
    if !added.isEmpty || !removed.isEmpty { events.append(.membersChanged(id, added: added, removed: removed)) }
  }

  /// Keeps the longest device log of each contact that a conversation shows.
  private mutating func noteLogs(of conversation: Conversation) {
    for member in conversation.group?.members ?? [] {
      guard let device = RosterDevice(member), var contact = contacts[device.identity],
        case .other(_, let content) = member.leafNode.credential,
        contact.log.encoded != content, let log = try? DeviceLog(verifying: content), log.extends(contact.log)
      else { continue }
      contact.log = log
      setContact(contact, device.identity)
    }
  }
}
