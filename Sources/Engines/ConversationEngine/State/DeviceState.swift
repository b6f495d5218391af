import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// Everything a device knows, and what changed since it was last saved.
///
/// A value: the engine works on a copy, commits the copy's changes in one transaction, and only then takes the copy as its state. So nothing
/// that failed half-way is ever seen.
struct DeviceState {
  var profile: ProfileRecord
  private(set) var servers: [PublicKey32: ServerRecord] = [:]
  private(set) var contacts: [IdentityID: ContactRecord] = [:]
  private(set) var offers: [OfferID: OfferRecord] = [:]
  private(set) var groupInvitations: [MessageID: GroupInvitationRecord] = [:]
  private(set) var conversations: [ConversationID: Conversation] = [:]
  /// In the order of their ids.
  private(set) var tasks: [TaskRecord] = []
  private(set) var heldFrames: [[UInt8]: HeldFrame] = [:]
  private(set) var uploads: [KeyHash: Upload] = [:]

  /// Servers whose streams are attached and have caught up, as far as is known. Not saved.
  var following: Set<PublicKey32> = []
  /// When the calendar is looked at again; milliseconds since 1970. Not saved.
  var nextUpkeep: UInt64 = 0
  var events: [Event] = []
  private var changedRecords: Set<RecordKey> = []
  private var newContents: [RecordKey: [UInt8]] = [:]
  private var history: [(conversation: ConversationID, position: UInt64, value: [UInt8])] = []

  let random: any RandomSource

  init(profile: ProfileRecord, random: any RandomSource) {
    self.profile = profile
    self.random = random
    changedRecords.insert(RecordKey(.profile))
  }

  /// Reads everything from a store.
  ///
  /// - Returns: nil when there is no profile.
  init?(store: any DeviceStore, random: any RandomSource) throws(EngineError) {
    self.random = random
    do {
      guard let bytes = try store.record(RecordKey(.profile)) else { return nil }
      profile = try ProfileRecord(decoding: bytes)
      for (key, value) in try store.records(of: .server) {
        guard let id = PublicKey32(key.name) else { throw EngineError.damagedState }
        servers[id] = try ServerRecord(decoding: value)
      }
      for (key, value) in try store.records(of: .contact) {
        guard let id = IdentityID(key.name) else { throw EngineError.damagedState }
        contacts[id] = try ContactRecord(decoding: value)
      }
      for (key, value) in try store.records(of: .offer) {
        guard let id = OfferID(key.name) else { throw EngineError.damagedState }
        offers[id] = try OfferRecord(decoding: value)
      }
      for (key, value) in try store.records(of: .groupInvitation) {
        guard let id = MessageID(key.name) else { throw EngineError.damagedState }
        groupInvitations[id] = try GroupInvitationRecord(decoding: value)
      }
      for (key, value) in try store.records(of: .conversation) {
        guard let id = ConversationID(key.name) else { throw EngineError.damagedState }
        let publicPart = try store.record(RecordKey(.groupPublic, key.name))
        let secretPart = try store.record(RecordKey(.groupSecret, key.name))
        let archive: GroupArchive? =
          if let publicPart, let secretPart {
            GroupArchive(publicPart: publicPart, secretPart: Secret(secretPart))
          } else {
            nil
          }
        conversations[id] = try Conversation(id: id, record: value, archive: archive)
      }
      tasks = []
      for (_, value) in try store.records(of: .task) { tasks.append(try TaskRecord(decoding: value)) }
      tasks.sort { $0.id < $1.id }
      for (key, value) in try store.records(of: .heldFrame) { heldFrames[key.name] = try HeldFrame(decoding: value) }
      for (key, value) in try store.records(of: .upload) {
        guard let name = KeyHash(key.name) else { throw EngineError.damagedState }
        uploads[name] = try Upload(decoding: value)
      }
    } catch let error as DeviceStoreError { throw .store(error) } catch { throw .damagedState }
  }

  // MARK: Changes

  mutating func changeProfile(_ change: (inout ProfileRecord) -> Void) {
    change(&profile)
    changedRecords.insert(RecordKey(.profile))
  }

  mutating func setServer(_ record: ServerRecord?, _ id: PublicKey32) {
    servers[id] = record
    changedRecords.insert(RecordKey(.server, id.bytes))
  }

  mutating func setContact(_ record: ContactRecord?, _ id: IdentityID) {
    contacts[id] = record
    changedRecords.insert(RecordKey(.contact, id.bytes))
  }

  mutating func setOffer(_ record: OfferRecord?, _ id: OfferID) {
    offers[id] = record
    changedRecords.insert(RecordKey(.offer, id.bytes))
  }

  mutating func setGroupInvitation(_ record: GroupInvitationRecord?, _ id: MessageID) {
    groupInvitations[id] = record
    changedRecords.insert(RecordKey(.groupInvitation, id.bytes))
  }

  /// Saves a conversation.
  ///
  /// - Parameter messageKeysOnly: only a ratchet moved, so the tree need not be written again.
  mutating func setConversation(_ conversation: Conversation, messageKeysOnly: Bool = false) {
    let name = conversation.id.bytes
    conversations[conversation.id] = conversation
    changedRecords.insert(RecordKey(.conversation, name))
    changedRecords.insert(RecordKey(.groupSecret, name))
    if !messageKeysOnly { changedRecords.insert(RecordKey(.groupPublic, name)) }
  }

  mutating func setHeldFrame(_ frame: HeldFrame?, name: [UInt8]) {
    heldFrames[name] = frame
    changedRecords.insert(RecordKey(.heldFrame, name))
  }

  mutating func setUpload(_ upload: Upload?, _ name: KeyHash) {
    uploads[name] = upload
    changedRecords.insert(RecordKey(.upload, name.bytes))
  }

  @discardableResult
  mutating func addTask(_ kind: TaskRecord.Kind, after: UInt64? = nil, notBefore: UInt64 = 0) -> UInt64 {
    let id = profile.nextTaskID
    changeProfile { $0.nextTaskID += 1 }
    tasks.append(TaskRecord(id: id, kind: kind, after: after, notBefore: notBefore))
    changedRecords.insert(Self.taskKey(id))
    return id
  }

  mutating func updateTask(_ task: TaskRecord) {
    guard let index = tasks.firstIndex(where: { $0.id == task.id }) else { return }
    tasks[index] = task
    changedRecords.insert(Self.taskKey(task.id))
  }

  mutating func removeTask(_ id: UInt64) {
    tasks.removeAll { $0.id == id }
    changedRecords.insert(Self.taskKey(id))
  }

  mutating func removeTasks(where isRemoved: (TaskRecord) -> Bool) {
    for task in tasks where isRemoved(task) { changedRecords.insert(Self.taskKey(task.id)) }
    tasks.removeAll(where: isRemoved)
  }

  /// Whether such a task waits in this lane.
  func hasTask(_ lane: TaskRecord.Lane, where isSought: (TaskRecord.Kind) -> Bool) -> Bool {
    tasks.contains { $0.lane == lane && isSought($0.kind) }
  }

  /// Writes an entry at its position in the history.
  mutating func writeHistory(_ entry: HistoryEntry, in conversation: ConversationID) {
    history.append((conversation, entry.position, entry.encoded))
  }

  /// Tells this person, in a conversation's history, what happened to it.
  ///
  /// - Parameter identity: whom it is about.
  mutating func writeNotice(_ kind: HistoryEntry.Kind, about identity: IdentityID, in id: ConversationID, now: UInt64) {
    guard var conversation = conversations[id] else { return }
    let entry = HistoryEntry(
      position: conversation.historyCount, id: MessageID.random(using: random), author: identity, sentAt: now, kind: kind,
      delivery: .received)
    conversation.historyCount += 1
    setConversation(conversation, messageKeysOnly: true)
    writeHistory(entry, in: id)
    events.append(.message(id, entry))
  }

  /// Keeps a content of ours, so that it can be sent again on request.
  mutating func keepSentContent(_ sent: SentContent, in conversation: ConversationID) {
    newContents[Self.sentContentKey(conversation, sent.content.sequence)] = sent.encoded
  }

  static func sentContentKey(_ conversation: ConversationID, _ sequence: UInt64) -> RecordKey {
    var writer = ByteWriter()
    writer.write(conversation)
    writer.write(sequence)
    return RecordKey(.sentContent, writer.bytes)
  }

  private static func taskKey(_ id: UInt64) -> RecordKey {
    var writer = ByteWriter()
    writer.write(id)
    return RecordKey(.task, writer.bytes)
  }

  // MARK: Saving

  /// The changes since the last call, as one transaction.
  mutating func takeTransaction() -> DeviceTransaction {
    var transaction = DeviceTransaction()
    for key in changedRecords { transaction.records.updateValue(value(of: key), forKey: key) }
    for (key, value) in newContents { transaction.records.updateValue(value, forKey: key) }
    transaction.history = history
    changedRecords = []
    newContents = [:]
    history = []
    return transaction
  }

  private func value(of key: RecordKey) -> [UInt8]? {
    switch key.kind {
    case .profile: return profile.encoded
    case .server: return PublicKey32(key.name).flatMap { servers[$0] }?.encoded
    case .contact: return IdentityID(key.name).flatMap { contacts[$0] }?.encoded
    case .offer: return OfferID(key.name).flatMap { offers[$0] }?.encoded
    case .groupInvitation: return MessageID(key.name).flatMap { groupInvitations[$0] }?.encoded
    case .conversation: return ConversationID(key.name).flatMap { conversations[$0] }?.record
    case .groupPublic: return ConversationID(key.name).flatMap { conversations[$0] }?.group?.publicArchive()
    case .groupSecret: return ConversationID(key.name).flatMap { conversations[$0] }?.group?.secretArchive().exposedBytes
    case .task: return tasks.first { Self.taskKey($0.id) == key }?.encoded
    case .heldFrame: return heldFrames[key.name]?.encoded
    case .upload: return KeyHash(key.name).flatMap { uploads[$0] }?.encoded
    case .sentContent: return newContents[key]
    }
  }
}
