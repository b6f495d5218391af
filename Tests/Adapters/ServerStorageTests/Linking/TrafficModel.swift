import CryptoSuite
import Foundation
import MailboxEngineTesting
import SottoProtocol

@testable import MailboxEngine
@testable import ServerStorage

/// The traffic of a small town on one server, as docs/linking.md states it: the same life, told to a server over the real store
/// and to a database in the layout of schema 1.
struct TrafficModel {
  struct Size: Sendable {
    var persons: Int
    var days: Int
    /// Largest group, in persons.
    var groupBound: Int
    var messagesPerPersonAndDay: Double

    static let small = Size(persons: 44, days: 5, groupBound: 14, messagesPerPersonAndDay: 4)
    static let large = Size(persons: 130, days: 7, groupBound: 60, messagesPerPersonAndDay: 4)
  }

  struct Device {
    let person: Int
    let mailbox: TestMailbox
    /// Delivery keys, by conversation.
    var keys: [Int: Permission] = [:]
    var stream: TestStream?
    /// Hours between which it is switched off for good.
    let offline: Range<Int>
    let isPhone: Bool
  }

  struct Conversation {
    let members: [Int]
    let weight: Double
    let handle: HandleID
    let writeKey: Permission
    var nextSlot: UInt64 = 0
  }

  let size: Size
  private let fixture: EngineFixture
  private let old: OldLayout
  private var random: SeededNumbers
  private(set) var devices: [Device] = []
  private(set) var conversations: [Conversation] = []
  private var hour = 0
  /// Messages since the first copy, by conversation.
  private var spoken: [Int: Int] = [:]

  init(_ size: Size, seed: UInt64, store: any MailboxStore, old: OldLayout) async throws {
    self.size = size
    self.old = old
    fixture = try EngineFixture(store: store, seed: seed)
    // Its own numbers: what the server draws must not change the life of the town.
    random = SeededNumbers(SeededRandom(seed: seed))
    for person in 0..<size.persons { try await join(person) }
    for _ in 0..<size.persons * 3 / 2 { try await meet(pair()) }
    for _ in 0..<size.persons / 6 {
      let count = min(size.groupBound, 3 + Int(2.5 / (1.001 - random.unit()).squareRoot()) - 2)
      try await meet(Array((0..<size.persons).shuffled(using: &random).prefix(max(3, count))))
    }
  }

  var today: Day { fixture.clock.today }

  func name(of device: Int) -> StoredName { fixture.secrets.names.mailbox(devices[device].mailbox.id).name }

  private mutating func pair() -> [Int] { Array((0..<size.persons).shuffled(using: &random).prefix(2)) }

  // MARK: Joining and meeting

  private mutating func join(_ person: Int) async throws {
    let count = [1, 1, 1, 1, 1, 2, 2, 2, 2, 3].randomElement(using: &random) ?? 1
    for index in 0..<count {
      let start = Int(random.unit() * Double(size.days * 24))
      let isAway = random.unit() < 0.5
      let device = Device(
        person: person, mailbox: try await fixture.makeMailbox(),
        offline: isAway ? start..<(start + Int(12 + random.unit() * 300)) : 0..<0, isPhone: index == 0)
      devices.append(device)
      try old.register(name(of: devices.count - 1))
    }
  }

  /// Persons begin a conversation: each device gives out a delivery key for it, and there is a log.
  private mutating func meet(_ members: [Int]) async throws {
    let rank = Double(conversations.count % 17 + 1)
    let conversation = Conversation(
      members: members, weight: (members.count > 2 ? 4 : 1) / rank, handle: .random(using: fixture.random),
      writeKey: .random(using: fixture.random))
    conversations.append(conversation)
    _ = try await fixture.call(
      .createLog(
        token: fixture.token(), handle: conversation.handle, writeKeyHash: conversation.writeKey.hash,
        administratorKeys: [.random(using: fixture.random)]))
    for device in devices.indices where members.contains(devices[device].person) {
      devices[device].keys[conversations.count - 1] = .random(using: fixture.random)
      try await publishKeys(device)
    }
  }

  private mutating func publishKeys(_ device: Int) async throws {
    let hashes = TestMailbox.padded(devices[device].keys.values.map(\.hash), random: fixture.random)
    let stream: TestStream
    if let open = devices[device].stream {
      stream = open
    } else {
      stream = try await fixture.attach(devices[device].mailbox, acknowledging: true)
    }
    try await stream.send(.delivery(id: 1, keyHashes: hashes))
    if devices[device].stream == nil { await stream.close() }
    try old.setDeliveryKeys(name(of: device), count: hashes.count)
  }

  // MARK: Life

  /// Lives until an hour of the model, counted from its beginning.
  mutating func live(until end: Int) async throws {
    while hour < end {
      try await connect()
      let rate = Self.activity(hour % 24) * size.messagesPerPersonAndDay * Double(size.persons)
      for _ in 0..<random.poisson(rate) { try await speak() }
      if random.unit() < 0.03 { try await meet(pair()) }
      if random.unit() < 0.15, let conversation = conversations.indices.randomElement(using: &random) { try await commit(conversation) }
      try await receive()
      hour += 1
      if hour.isMultiple(of: 24) {
        fixture.clock.advance(days: 1)
        try await fixture.engine.expire()
      }
    }
  }

  /// One busy minute: messages, some devices that come back, and one new conversation.
  mutating func liveMinute() async throws {
    try await connect()
    for _ in 0..<12 {
      try await speak()
      try await receive()
    }
    try await meet(pair())
    for device in devices.indices.shuffled(using: &random).prefix(3) where devices[device].stream == nil {
      devices[device].stream = try await fixture.attach(devices[device].mailbox, acknowledging: true)
      try old.acknowledge(name(of: device))
    }
  }

  /// The part of a day's messages that an hour sees.
  private static func activity(_ hour: Int) -> Double { hour < 7 ? 0.005 : hour < 17 ? 0.045 : 0.073 }

  private mutating func connect() async throws {
    for device in devices.indices {
      let isDay = (7..<24).contains(hour % 24)
      let chance = devices[device].isPhone ? (isDay ? 0.9 : 0.4) : (isDay ? 0.35 : 0.02)
      let isOn = !devices[device].offline.contains(hour) && random.unit() < chance
      if isOn, devices[device].stream == nil {
        devices[device].stream = try await fixture.attach(devices[device].mailbox, acknowledging: true)
        try old.acknowledge(name(of: device))
      } else if !isOn, let stream = devices[device].stream {
        await stream.close()
        devices[device].stream = nil
      }
    }
  }

  private mutating func receive() async throws {
    for device in devices.indices {
      guard let stream = devices[device].stream else { continue }
      try await stream.runWakes()
      try old.acknowledge(name(of: device))
    }
  }

  private mutating func speak() async throws {
    let total = conversations.reduce(0) { $0 + $1.weight }
    var point = random.unit() * total
    let index = conversations.firstIndex { conversation in
      point -= conversation.weight
      return point < 0
    }
    guard let index, let author = conversations[index].members.randomElement(using: &random) else { return }
    let sizes = [(0.62, 1_024), (0.82, 2_048), (0.91, 512), (0.96, 4_096), (0.99, 16_384), (1, 65_536)]
    let point2 = random.unit()
    let byteCount = sizes.first { point2 <= $0.0 }?.1 ?? 1_024
    let recipients = recipients(index, except: devices.firstIndex { $0.person == author })
    guard !recipients.isEmpty else { return }
    spoken[index, default: 0] += 1
    _ = try await fixture.call(
      .send(id: .random(using: fixture.random), frame: fixture.random.bytes(byteCount), recipients: recipients.map(\.recipient)))
    try old.deliver(to: recipients.map { name(of: $0.device) }, byteCount: byteCount, expires: today.adding(30))
  }

  private mutating func commit(_ index: Int) async throws {
    let recipients = recipients(index, except: nil)
    let frame = fixture.random.bytes(4_096)
    _ = try await fixture.call(
      .append(
        LogAppend(
          handle: conversations[index].handle, slot: conversations[index].nextSlot, writeKey: conversations[index].writeKey, entry: frame,
          rotation: nil, groupInfo: fixture.random.bytes(8_192), recipients: recipients.map(\.recipient))))
    conversations[index].nextSlot += 1
    try old.deliver(to: recipients.map { name(of: $0.device) }, byteCount: 4_096, expires: today.adding(30))
  }

  private func recipients(_ index: Int, except sender: Int?) -> [(device: Int, recipient: Recipient)] {
    devices.indices.compactMap { device in
      guard device != sender, let key = devices[device].keys[index] else { return nil }
      return (device, devices[device].mailbox.recipient(key))
    }
  }

  // MARK: The truth

  mutating func beginCounting() { spoken = [:] }

  /// Whether two devices are in a conversation in which at least two messages were sent since the counting began.
  func haveTalked(_ one: Int, _ other: Int) -> Bool {
    devices[one].keys.keys.contains { devices[other].keys[$0] != nil && spoken[$0, default: 0] >= 2 }
  }

  func shareConversation(_ one: Int, _ other: Int) -> Bool {
    !Set(devices[one].keys.keys).isDisjoint(with: devices[other].keys.keys)
  }
}

/// Random numbers for a model.
struct SeededNumbers: RandomNumberGenerator {
  private let source: SeededRandom

  init(_ source: SeededRandom) { self.source = source }

  mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }

  /// At least 0, less than 1.
  mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }

  mutating func poisson(_ mean: Double) -> Int {
    var (count, product) = (0, unit())
    let limit = exp(-mean)
    while product > limit {
      count += 1
      product *= unit()
    }
    return count
  }
}
