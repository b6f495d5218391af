import CryptoSuite
import Foundation
import MailboxEngineTesting
import SottoProtocol

@testable import MailboxEngine
@testable import ServerStorage

/// The life of a small town on one server, as docs/linking.md states it: told to a server's engine over the real store and, if
/// wanted, to a database in the layout of schema 1.
struct TrafficModel {
  struct Size: Sendable {
    var persons: Int
    var days: Int
    /// Largest group, in persons.
    var groupBound: Int
    var messagesPerPersonAndDay: Double
    /// Tokens that a device has signed at a time: what is signed does not touch the database, and takes half a millisecond each.
    var tokensAtATime = Limits.issueCount
    /// Everybody has one device, all are in one group, and every other device is away from the beginning.
    var isOneGroup = false

    static let small = Size(persons: 40, days: 2, groupBound: 14, messagesPerPersonAndDay: 2, tokensAtATime: 1)
    static let large = Size(persons: 100, days: 5, groupBound: 50, messagesPerPersonAndDay: 4)
    static let largest = Size(persons: 400, days: 10, groupBound: 120, messagesPerPersonAndDay: 3)
    static let smallGroup = Size(persons: 10, days: 2, groupBound: 10, messagesPerPersonAndDay: 4, tokensAtATime: 1, isOneGroup: true)
    static let largeGroup = Size(persons: 60, days: 6, groupBound: 60, messagesPerPersonAndDay: 1.5, isOneGroup: true)
    static let largestGroup = Size(persons: 150, days: 8, groupBound: 150, messagesPerPersonAndDay: 1, isOneGroup: true)
  }

  struct Device {
    let person: Int
    let mailbox: TestMailbox
    /// Where the server keeps it.
    let place: StoredPlace
    /// Delivery keys, by conversation.
    var keys: [Int: Permission] = [:]
    var stream: TestStream?
    /// Hours between which it is switched off for good.
    var offline: Range<Int>
    let isPhone: Bool
    /// The hour in which it next asks for tokens.
    var refillAt: Int
  }

  struct Conversation {
    let members: [Int]
    let weight: Double
    let handle: HandleID
    let writeKey: Permission
    /// It began in the minute before the second copy.
    let isOfLastMinute: Bool
    var nextSlot: UInt64 = 0
    var messageCount = 0
  }

  /// A device that has read what another wrote, and has to say so.
  private struct Debt: Hashable, Comparable {
    let conversation: Int
    let reader: Int
    let author: Int

    static func < (left: Self, right: Self) -> Bool {
      (left.conversation, left.reader, left.author) < (right.conversation, right.reader, right.author)
    }
  }

  static let always = 0..<Int.max

  let size: Size
  let fixture: EngineFixture
  let store: SQLiteMailboxStore
  let old: OldLayout?
  var random: SeededNumbers
  var devices: [Device] = []
  var conversations: [Conversation] = []
  var truth = TrafficTruth()
  /// Who laid out a bundle or took it, by the name of the capability; who had a voucher or used it, by its name.
  var users: [StoredName: Set<Int>] = [:]
  /// For each person who is not there yet, the hour in which they come.
  private var arrivals: [Int: Int] = [:]
  private var debts: [Debt: Int] = [:]
  private(set) var hour = 0
  private(set) var isLastMinute = false

  init(_ size: Size, seed: UInt64, store: SQLiteMailboxStore, old: OldLayout?) async throws {
    self.size = size
    self.store = store
    self.old = old
    fixture = try EngineFixture(store: store, objects: InMemoryObjectStore(), seed: seed)
    // Its own numbers: what the server draws must not change the life of the town.
    random = SeededNumbers(SeededRandom(seed: seed))
    guard !size.isOneGroup else {
      try await gather()
      return
    }
    let founders = size.persons * 4 / 5
    for person in 0..<founders { try await settle(person) }
    for person in founders..<size.persons { arrivals[person] = Int(random.unit() * Double((size.days - 1) * 24 + 17)) }
    for _ in 0..<founders * 3 / 2 { try await meet(pair()) }
    for _ in 0..<size.persons / 6 {
      let count = min(size.groupBound, 3 + Int(2.5 / (1.001 - random.unit()).squareRoot()) - 2)
      try await meet(Array(persons.shuffled(using: &random).prefix(max(3, count))))
    }
    try await publishAllKeys()
  }

  private mutating func gather() async throws {
    for person in 0..<size.persons { try await settle(person) }
    try await meet(Array(0..<size.persons))
    try await publishAllKeys()
    for device in devices.indices { devices[device].offline = device.isMultiple(of: 2) ? 0..<0 : Self.always }
    // One comes back a day before the second copy, and one just then.
    devices[1].offline = 0..<(size.days - 2) * 24 + 20
  }

  var today: Day { fixture.clock.today }
  /// Those who are there by now.
  var persons: [Int] { Set(devices.map(\.person)).sorted() }

  mutating func pair() -> [Int] { Array(persons.shuffled(using: &random).prefix(2)) }

  // MARK: Life

  /// Lives until an hour of the model, counted from its beginning.
  mutating func live(until end: Int) async throws {
    while hour < end {
      try await connect()
      for (person, _) in arrivals.filter({ $0.value <= hour }).sorted(by: { $0.key < $1.key }) {
        arrivals[person] = nil
        try await arrive(person)
      }
      let rate = Self.activity(hour % 24) * size.messagesPerPersonAndDay * Double(persons.count)
      for _ in 0..<random.poisson(rate) { try await speak() }
      if !size.isOneGroup, random.unit() < 0.03 { try await meet(pair()) }
      if random.unit() < 0.15, let conversation = conversations.indices.randomElement(using: &random) { try await commit(conversation) }
      try await receive()
      try await refill()
      try await tell()
      hour += 1
      // As a server does about every minute.
      try await store.truncateLog()
      if hour.isMultiple(of: 24) {
        fixture.clock.advance(days: 1)
        try await fixture.engine.expire()
      }
    }
  }

  /// One busy minute: messages, some devices that come back, an invitation that is taken at once, and new conversations of some who are
  /// there already.
  mutating func liveMinute() async throws {
    isLastMinute = true
    try await connect()
    for _ in 0..<12 {
      try await speak()
      try await receive()
    }
    guard !size.isOneGroup else {
      devices[3].offline = 0..<0
      return try await connect(3)
    }
    for _ in 0..<3 { try await meet(pair()) }
    try await arrive(size.persons)
    try await refill(devices.indices.randomElement(using: &random))
    for device in devices.indices.shuffled(using: &random).prefix(3) where devices[device].stream == nil { try await connect(device) }
  }

  /// The part of a day's messages that an hour sees.
  private static func activity(_ hour: Int) -> Double { hour < 7 ? 0.005 : hour < 17 ? 0.045 : 0.073 }

  private mutating func connect() async throws {
    for device in devices.indices {
      let isDay = (7..<24).contains(hour % 24)
      let chance = devices[device].isPhone ? (isDay ? 0.9 : 0.4) : (isDay ? 0.35 : 0.02)
      let isOn = !devices[device].offline.contains(hour) && random.unit() < chance
      if isOn, devices[device].stream == nil {
        try await connect(device)
      } else if !isOn, let stream = devices[device].stream {
        await stream.close()
        devices[device].stream = nil
      }
    }
  }

  private mutating func connect(_ device: Int) async throws {
    devices[device].stream = try await fixture.attach(devices[device].mailbox, acknowledging: true)
    try old?.acknowledge(devices[device].place.name)
  }

  private mutating func receive() async throws {
    for device in devices.indices {
      guard let stream = devices[device].stream else { continue }
      try await stream.runWakes()
      try old?.acknowledge(devices[device].place.name)
    }
  }

  /// Says something in its owner's name, on the stream that is open or on one of its own.
  ///
  /// - Returns: what the server said after that.
  @discardableResult
  mutating func ask(_ device: Int, _ message: OwnerMessage) async throws -> [ServerMessage] {
    let isOpen = devices[device].stream != nil
    if !isOpen { try await connect(device) }
    guard let stream = devices[device].stream else { return [] }
    let count = await stream.messages.count
    try await stream.send(message)
    let answers = Array(await stream.messages.dropFirst(count))
    if !isOpen {
      await stream.close()
      devices[device].stream = nil
    }
    return answers
  }

  // MARK: Sending

  private mutating func speak() async throws {
    let total = conversations.reduce(0) { $0 + $1.weight }
    var point = random.unit() * total
    let index = conversations.firstIndex { conversation in
      point -= conversation.weight
      return point < 0
    }
    // Who is away writes nothing.
    let isOn = devices.map { !$0.offline.contains(hour) }
    guard let index, let sender = devices.indices.filter({ devices[$0].keys[index] != nil && isOn[$0] }).randomElement(using: &random)
    else { return }
    let sizes = [(0.62, 1_024), (0.82, 2_048), (0.91, 512), (0.96, 4_096), (0.99, 16_384), (1, 65_536)]
    let part = random.unit()
    // A file lies beside the database; its tokens do not.
    if random.unit() < 0.02 {
      let file = ObjectRequest.create(
        writeKey: .random(using: fixture.random), byteCount: 1 << 20, days: 30, tokens: [try fixture.token()])
      _ = try await fixture.call(.object(file))
    }
    conversations[index].messageCount += 1
    try await send(sizes.first { part <= $0.0 }?.1 ?? 1_024, in: index, from: sender)
    // Whoever writes says by that what they have.
    debts = debts.filter { $0.key.conversation != index || $0.key.reader != sender }
    for reader in devices.indices where devices[reader].keys[index] != nil && devices[reader].person != devices[sender].person {
      let debt = Debt(conversation: index, reader: reader, author: sender)
      // A town that has lived for long has such debts of any age.
      if debts[debt] == nil { debts[debt] = hour + Int(random.unit() * 240) }
    }
  }

  func recipients(_ conversation: Int, except sender: Int?) -> [Int] {
    devices.indices.filter { $0 != sender && devices[$0].keys[conversation] != nil }
  }

  /// Sends a frame to all devices of a conversation but its sender's, or to one.
  mutating func send(_ byteCount: Int, in conversation: Int, from sender: Int, to only: Int? = nil) async throws {
    let targets = only.map { [$0] } ?? recipients(conversation, except: sender)
    guard !targets.isEmpty else { return }
    let answer = try await fixture.call(
      .send(
        id: .random(using: fixture.random), frame: Self.bytes(byteCount),
        recipients: targets.compactMap { recipient($0, conversation) }))
    guard case .sent(let answers) = answer else { throw FixtureError.unexpectedAnswer }
    try note(answers, targets, in: conversation, byteCount: byteCount)
  }

  /// What is sealed may be anything.
  private static func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

  private func recipient(_ device: Int, _ conversation: Int) -> Recipient? {
    devices[device].keys[conversation].map { devices[device].mailbox.recipient($0) }
  }

  private mutating func note(_ answers: [RecipientAnswer], _ targets: [Int], in conversation: Int, byteCount: Int) throws {
    guard answers.allSatisfy({ $0 == .accepted }) else { throw FixtureError.unexpectedAnswer }
    let expires = today.adding(UInt32(Limits.expiryDays))
    let send = truth.noteSend(in: conversation)
    // The server mixes the copies of a send, each of which goes to another mailbox.
    for target in targets { truth.noteCopy(of: send, to: target, byteCount: byteCount, expires: expires) }
    try old?.deliver(to: targets.map { devices[$0].place.name }, byteCount: byteCount, expires: expires)
  }

  private mutating func commit(_ index: Int) async throws {
    let targets = recipients(index, except: nil)
    let answer = try await fixture.call(
      .append(
        LogAppend(
          handle: conversations[index].handle, slot: conversations[index].nextSlot, writeKey: conversations[index].writeKey,
          entry: Self.bytes(4_096), rotation: nil, groupInfo: Self.bytes(8_192),
          recipients: targets.compactMap { recipient($0, index) })))
    guard case .appended(let answers) = answer else { throw FixtureError.unexpectedAnswer }
    conversations[index].nextSlot += 1
    try note(answers, targets, in: index, byteCount: 4_096)
  }

  // MARK: By the calendar

  private mutating func refill() async throws {
    for device in devices.indices where devices[device].stream != nil && devices[device].refillAt <= hour { try await refill(device) }
  }

  /// Has tokens signed, between half a day and one and a half days after the last time.
  mutating func refill(_ device: Int?) async throws {
    guard let device else { return }
    devices[device].refillAt = hour + 12 + Int(random.unit() * 24)
    try await ask(device, Self.batch(size.tokensAtATime).issue(id: 3))
  }

  /// The server does not know blinded numbers again; here nobody makes tokens of them.
  private static let batches = Result {
    try [1, Limits.issueCount].map { ($0, try TestBatch($0, isRedemption: false, random: SeededRandom(seed: 1))) }
  }

  private static func batch(_ count: Int) throws -> TestBatch {
    guard let batch = try batches.get().first(where: { $0.0 == count })?.1 else { throw FixtureError.unexpectedAnswer }
    return batch
  }

  /// Small frames by which who only reads says so, to each author a week to ten days later.
  private mutating func tell() async throws {
    for (debt, _) in debts.filter({ $0.value <= hour }).sorted(by: { $0.key < $1.key }) where devices[debt.reader].stream != nil {
      debts[debt] = hour + 168 + Int(random.unit() * 72)
      try await send(512, in: debt.conversation, from: debt.reader, to: debt.author)
    }
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
