import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// A conversation's state on this device, apart from its history.
struct Conversation: Sendable {
  /// A change of membership that is wanted. Intents carry no epoch: when a race is lost they are derived again (docs/protocol.md §11).
  enum Intent: Hashable, Sendable {
    /// Who agreed, and with what.
    case add(IdentityID, Consent)
    case remove(IdentityID)
    /// Fresh keys for our own leaf.
    case update
  }

  /// Our commit until its slot is decided.
  struct PendingCommit: Sendable {
    var slot: UInt64
    var append: LogAppend
    /// The state to adopt when it has won.
    var group: Group
    /// The keys after it, when it removes someone.
    var newKeys: ConversationKeys?
    var added: [IdentityID]
    var removed: [IdentityID]
    /// Welcomes to send when it has won: recipient and first-contact frame.
    var welcomes: [(recipient: Recipient, frame: [UInt8])]
    /// It is an external commit that brings this device back.
    var isRejoin: Bool
  }

  /// Version 1 did not know what others have of ours; version 2 counted no messages of an epoch, and did not know when others were told.
  static let version: UInt8 = 3

  let id: ConversationID
  var state: ConversationSummary.State = .active
  /// nil once the conversation has ended for us.
  var group: Group?
  var context: ConversationContext
  /// This leaf's key for the handle log.
  var administratorKey: SigningKey
  /// Newest first, at most `Limits.wrapKeyCount`.
  var wrapKeys: [WrapKey]
  var generation: UInt64
  var writeKey: Permission
  /// The first log slot that was not processed.
  var nextSlot: UInt64
  var ownSequence: UInt64 = 0
  /// The highest of our numbers that was ever encrypted.
  var sealedSequence: UInt64 = 0
  /// The same when somebody was added last: what has a higher number, they are to have.
  var baseSequence: UInt64 = 0
  var trackers: [PublicKey32: SequenceTracker] = [:]
  /// For each other device that is in it, what we have told each other.
  var receipts: [PublicKey32: Receipts] = [:]
  var sentDays = SentDays()
  /// The epoch in which this device encrypted last, and how many messages of it so far.
  private var encryptionEpoch: UInt64 = 0
  private var encryptionCount: UInt32 = 0
  var historyCount: UInt64 = 0
  var intents: [Intent] = []
  var pending: PendingCommit?
  /// Who has said that they leave and is still here.
  var leavers: [IdentityID] = []
  /// Invitations that we sent into this group and that were not answered.
  var invited: [MessageID: IdentityID] = [:]
  /// An entry of this epoch could not be read here and may have been valid for others.
  var suspectedEpoch: UInt64?
  /// Milliseconds since 1970.
  var lastRejoin: UInt64 = 0

  /// The devices in the tree, by leaf.
  private(set) var roster: [RosterDevice] = []
  /// What everybody called themselves who was ever seen in it: the history names people who have gone.
  private(set) var names: [IdentityID: MemberName] = [:]
  /// Names kept: a group that everybody joined and left fifteen times over.
  private static let nameCount = 1_024

  init(
    id: ConversationID, group: Group, context: ConversationContext, administratorKey: SigningKey, keys: ConversationKeys
  ) {
    self.id = id
    self.group = group
    self.context = context
    self.administratorKey = administratorKey
    wrapKeys = [WrapKey(keys.wrapKey)]
    generation = keys.generation
    writeKey = keys.writeKey
    nextSlot = keys.nextSlot
    readRoster()
  }

  /// Takes a new MLS state, and the roster that it has.
  mutating func adopt(_ group: Group) {
    self.group = group
    readRoster()
  }

  private mutating func readRoster() {
    roster = group?.members.compactMap(RosterDevice.init) ?? []
    keepReceipts()
    for device in roster where names[device.identity] != nil || names.count < Self.nameCount { names[device.identity] = device.name }
  }

  /// So many messages of one device in one epoch are a reason to begin another: a receiver follows a sender over 2,000 messages that it did not
  /// get (`MLS.Limits.maxForwardGenerations`), be it that they were for others or found its mailbox full, and no further.
  private static let messagesPerEpoch: UInt32 = 1_000

  /// Counts a message that is encrypted now.
  ///
  /// - Returns: whether it is time for another epoch.
  mutating func countEncryption() -> Bool {
    encryptionCount = encryptionEpoch == epoch ? min(encryptionCount, UInt32.max - 1) + 1 : 1
    encryptionEpoch = epoch
    return encryptionCount >= Self.messagesPerEpoch
  }

  /// Receipts of those who are here. Who came just now was to have nothing of what was encrypted before.
  private mutating func keepReceipts() {
    let own = group?.ownLeafIndex
    let present = roster.filter { $0.leaf != own }.map(\.device)
    receipts = Dictionary(present.map { ($0, receipts[$0] ?? Receipts(heard: sealedSequence)) }, uniquingKeysWith: { first, _ in first })
  }

  var epoch: UInt64 { group?.epoch ?? 0 }

  var keys: ConversationKeys? {
    guard let current = wrapKeys.first else { return nil }
    return ConversationKeys(generation: generation, nextSlot: nextSlot, wrapKey: current.secret, writeKey: writeKey)
  }

  mutating func beginGeneration(_ keys: ConversationKeys) {
    generation = keys.generation
    writeKey = keys.writeKey
    wrapKeys.insert(WrapKey(keys.wrapKey), at: 0)
    wrapKeys = Array(wrapKeys.prefix(SottoProtocol.Limits.wrapKeyCount))
  }

  /// People in it, in the order of their first leaf.
  var identities: [IdentityID] {
    var seen: Set<IdentityID> = []
    return roster.map(\.identity).filter { seen.insert($0).inserted }
  }

  func devices(of identity: IdentityID) -> [RosterDevice] { roster.filter { $0.identity == identity } }

  func device(at leaf: LeafIndex) -> RosterDevice? { roster.first { $0.leaf == leaf } }

  /// Where everybody but this device receives.
  var recipients: [Recipient] {
    guard let own = group?.ownLeafIndex else { return [] }
    return roster.filter { $0.leaf != own }.map(\.delivery.recipient)
  }

  /// The keys of all who may rotate the log's keys.
  static func administratorKeys(_ roster: [RosterDevice], _ context: ConversationContext) -> [PublicKey32] {
    let keys = roster.filter { context.role(of: $0.identity) >= .administrator }.map(\.delivery.administratorKey)
    return Array(keys.prefix(SottoProtocol.Limits.administratorKeyCount))
  }

  /// The keys of a generation that begins with the epoch of `group` (docs/protocol.md §8).
  static func keys(beginning group: Group, generation: UInt64, nextSlot: UInt64) throws(MLSError) -> ConversationKeys {
    let exported = try group.export(label: "sotto conversation keys", context: [], count: 64).exposedBytes
    return ConversationKeys(
      generation: generation, nextSlot: nextSlot, wrapKey: Secret(Array(exported.prefix(32))),
      writeKey: Permission(trusted: Array(exported.suffix(32))))
  }
}

// MARK: - Saved state

extension Conversation {
  /// Everything but the MLS state, which has records of its own.
  var record: [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.version)
    writer.write(state.rawValue)
    writer.write(context)
    writer.writeSigningKey(administratorKey)
    writer.writeList(wrapKeys.map { KeyBytes($0.secret.exposedBytes) })
    writer.write(generation)
    writer.write(writeKey)
    writer.write(nextSlot)
    writer.write(ownSequence)
    writer.write(sealedSequence)
    writer.write(baseSequence)
    writer.writeList(
      trackers.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map { TrackerEntry(device: $0.key, tracker: $0.value) })
    writer.write(historyCount)
    writer.writeList(intents)
    writer.writeOptional(pending.map(PendingRecord.init))
    writer.writeList(
      invited.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map { InvitedEntry(id: $0.key, identity: $0.value) })
    writer.writeBool(suspectedEpoch != nil)
    if let suspectedEpoch { writer.write(suspectedEpoch) }
    writer.write(lastRejoin)
    writer.writeList(leavers)
    writer.writeList(
      names.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map { NameEntry(identity: $0.key, name: $0.value) })
    writer.writeList(
      receipts.sorted { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }.map { ReceiptsEntry(device: $0.key, receipts: $0.value) })
    writer.write(sentDays)
    writer.write(encryptionEpoch)
    writer.write(encryptionCount)
    return writer.bytes
  }

  init(id: ConversationID, record: [UInt8], archive: GroupArchive?) throws(EngineError) {
    do {
      let group: Group? = if let archive { try Group(restoring: archive) } else { nil }
      var reader = ByteReader(record.span)
      let version = try reader.readUInt8()
      guard (1...Self.version).contains(version) else { throw EngineError.damagedState }
      guard let state = ConversationSummary.State(rawValue: try reader.readUInt8()) else { throw EngineError.damagedState }
      self.id = id
      self.state = state
      self.group = group
      context = try reader.read()
      administratorKey = try reader.readSigningKey()
      wrapKeys = try reader.readList(of: KeyBytes.self, maxCount: SottoProtocol.Limits.wrapKeyCount).map { WrapKey(Secret($0.bytes)) }
      generation = try reader.readUInt64()
      writeKey = try reader.read()
      nextSlot = try reader.readUInt64()
      ownSequence = try reader.readUInt64()
      sealedSequence = try reader.readUInt64()
      baseSequence = try reader.readUInt64()
      for entry in try reader.readList(of: TrackerEntry.self) { trackers[entry.device] = entry.tracker }
      historyCount = try reader.readUInt64()
      intents = try reader.readList()
      pending = try reader.readOptional(of: PendingRecord.self)?.pending
      for entry in try reader.readList(of: InvitedEntry.self) { invited[entry.id] = entry.identity }
      if try reader.readBool() { suspectedEpoch = try reader.readUInt64() }
      lastRejoin = try reader.readUInt64()
      leavers = try reader.readList()
      for entry in try reader.readList(of: NameEntry.self, maxCount: Self.nameCount) { names[entry.identity] = entry.name }
      if version >= 2 {
        if version >= 3 {
          for entry in try reader.readList(of: ReceiptsEntry.self) { receipts[entry.device] = entry.receipts }
        } else {
          for entry in try reader.readList(of: EarlierReceiptsEntry.self) { receipts[entry.device] = entry.receipts }
        }
        sentDays = try reader.read()
      }
      if version >= 3 {
        encryptionEpoch = try reader.readUInt64()
        encryptionCount = try reader.readUInt32()
      }
      try reader.finish()
    } catch { throw .damagedState }
    readRoster()
  }
}

extension Conversation.Intent: WireCodable {
  init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .add(try reader.read(), try reader.read())
    case 2: self = .remove(try reader.read())
    case 3: self = .update
    default: throw .invalidValue(UInt64(type))
    }
  }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .add(let identity, let consent):
      writer.write(UInt8(1))
      writer.write(identity)
      writer.write(consent)
    case .remove(let identity):
      writer.write(UInt8(2))
      writer.write(identity)
    case .update: writer.write(UInt8(3))
    }
  }
}

private struct PendingRecord: WireCodable {
  var pending: Conversation.PendingCommit

  init(_ pending: Conversation.PendingCommit) { self.pending = pending }

  init(from reader: inout ByteReader) throws(WireError) {
    let slot = try reader.readUInt64()
    let append = try reader.read(LogAppend.self)
    let archive = GroupArchive(publicPart: try reader.readVector(), secretPart: try reader.readSecret())
    let keys: ConversationKeys? = try reader.readOptional()
    let added: [IdentityID] = try reader.readList()
    let removed: [IdentityID] = try reader.readList()
    let welcomes = try reader.readList(of: WelcomeEntry.self)
    let isRejoin = try reader.readBool()
    let group: Group
    do { group = try Group(restoring: archive) } catch { throw .invalidValue(0) }
    pending = Conversation.PendingCommit(
      slot: slot, append: append, group: group, newKeys: keys, added: added, removed: removed,
      welcomes: welcomes.map { ($0.recipient, $0.frame) }, isRejoin: isRejoin)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(pending.slot)
    writer.write(pending.append)
    let archive = pending.group.archive()
    writer.writeVector(archive.publicPart)
    writer.writeVector(archive.secretPart)
    writer.writeOptional(pending.newKeys)
    writer.writeList(pending.added)
    writer.writeList(pending.removed)
    writer.writeList(pending.welcomes.map { WelcomeEntry(recipient: $0.recipient, frame: $0.frame) })
    writer.writeBool(pending.isRejoin)
  }
}

private struct WelcomeEntry: WireCodable {
  var recipient: Recipient
  var frame: [UInt8]

  init(recipient: Recipient, frame: [UInt8]) {
    self.recipient = recipient
    self.frame = frame
  }

  init(from reader: inout ByteReader) throws(WireError) {
    recipient = try reader.read()
    frame = try reader.readVector()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(recipient)
    writer.writeVector(frame)
  }
}

private struct TrackerEntry: WireCodable {
  var device: PublicKey32
  var tracker: SequenceTracker

  init(device: PublicKey32, tracker: SequenceTracker) {
    self.device = device
    self.tracker = tracker
  }

  init(from reader: inout ByteReader) throws(WireError) {
    device = try reader.read()
    tracker = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(device)
    writer.write(tracker)
  }
}

private struct ReceiptsEntry: WireCodable {
  var device: PublicKey32
  var receipts: Receipts

  init(device: PublicKey32, receipts: Receipts) {
    self.device = device
    self.receipts = receipts
  }

  init(from reader: inout ByteReader) throws(WireError) {
    device = try reader.read()
    receipts = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(device)
    writer.write(receipts)
  }
}

/// As version 2 has it.
private struct EarlierReceiptsEntry: WireDecodable {
  var device: PublicKey32
  var receipts: Receipts

  init(from reader: inout ByteReader) throws(WireError) {
    device = try reader.read()
    receipts = try Receipts(ofVersionTwo: &reader)
  }
}

private struct NameEntry: WireCodable {
  var identity: IdentityID
  var name: MemberName

  init(identity: IdentityID, name: MemberName) {
    self.identity = identity
    self.name = name
  }

  init(from reader: inout ByteReader) throws(WireError) {
    identity = try reader.read()
    name = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(identity)
    writer.write(name)
  }
}

private struct InvitedEntry: WireCodable {
  var id: MessageID
  var identity: IdentityID

  init(id: MessageID, identity: IdentityID) {
    self.id = id
    self.identity = identity
  }

  init(from reader: inout ByteReader) throws(WireError) {
    id = try reader.read()
    identity = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(id)
    writer.write(identity)
  }
}

/// Bytes in a vector of their own.
private struct KeyBytes: WireCodable {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector(limit: 64) }
  func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}
