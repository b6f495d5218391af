import CryptoSuite
import MailboxEngineTesting
import SottoProtocol

@testable import MailboxEngine
@testable import ServerStorage

/// How people come, and how conversations begin (docs/protocol.md §6): the requests of both sides in their order.
extension TrafficModel {
  private mutating func deviceCount() -> Int {
    size.isOneGroup ? 1 : [1, 1, 1, 1, 1, 2, 2, 2, 2, 3].randomElement(using: &random) ?? 1
  }

  /// Somebody who has been here for long: the voucher that let them in is forgotten.
  mutating func settle(_ person: Int) async throws {
    for index in 0..<deviceCount() {
      // When they last asked for tokens nobody knows.
      try await register(person, isPhone: index == 0, token: fixture.entryToken(), refillAt: Int(random.unit() * 36))
    }
  }

  /// A person comes whom somebody has invited, with one device or more, each let in by a voucher.
  private mutating func join(_ person: Int, invitedBy host: Int) async throws {
    let invitation = try await invite(host, with: voucher(from: host))
    for index in 0..<deviceCount() {
      let voucher = index == 0 ? invitation.voucher : try await voucher(from: devices.count - 1)
      guard let voucher else { throw FixtureError.unexpectedAnswer }
      let tokens = try await fixture.redeem(voucher)
      guard let entry = tokens.first else { throw FixtureError.unexpectedAnswer }
      try await register(person, isPhone: index == 0, token: entry, refillAt: hour)
      let device = devices.count - 1
      users[fixture.secrets.names.voucher(voucher), default: []].insert(device)
      try await refill(device)
      if index == 0 { try await accept(invitation, by: device, token: tokens.last) }
    }
  }

  private mutating func register(_ person: Int, isPhone: Bool, token: Token, refillAt: Int) async throws {
    let mailbox = TestMailbox(random: fixture.random)
    guard try await fixture.call(mailbox.registration(token: token)) == .registered else { throw FixtureError.unexpectedAnswer }
    let isAway = random.unit() < 0.5
    let start = hour + Int(random.unit() * Double(size.days * 24))
    devices.append(
      Device(
        person: person, mailbox: mailbox, place: fixture.secrets.names.mailbox(mailbox.id),
        offline: isAway ? start..<(start + Int(12 + random.unit() * 300)) : 0..<0, isPhone: isPhone, refillAt: refillAt))
    try old?.register(devices[devices.count - 1].place.name)
  }

  /// Somebody comes whom somebody here has invited, each with the first device.
  mutating func arrive(_ person: Int) async throws {
    guard let host = persons.randomElement(using: &random), let device = devices.firstIndex(where: { $0.person == host }) else { return }
    try await join(person, invitedBy: device)
  }

  /// Whether the town lives already.
  private var isSettled: Bool { hour > 0 }

  private mutating func voucher(from device: Int) async throws -> Permission {
    for case .vouchers(_, let vouchers) in try await ask(device, .vouchers(id: 4, count: 1)) {
      guard let voucher = vouchers.first else { continue }
      users[fixture.secrets.names.voucher(voucher), default: []].insert(device)
      return voucher
    }
    throw FixtureError.unexpectedAnswer
  }

  /// What a link holds, and whose it is.
  private struct Invitation {
    let host: Int
    let key: Permission
    let capability: Permission
    let voucher: Permission?
  }

  /// A delivery key is in force, and a bundle laid out.
  private mutating func invite(_ host: Int, with voucher: Permission?) async throws -> Invitation {
    let invitation = Invitation(
      host: host, key: .random(using: fixture.random), capability: .random(using: fixture.random), voucher: voucher)
    try await publishKeys(host, and: invitation.key)
    let hash = invitation.capability.hash
    try await ask(
      host, .publish(id: 2, capabilityHash: hash, days: UInt32(Limits.expiryDays), blobs: [fixture.random.bytes(2_400)]))
    users[fixture.secrets.names.capability(hash).name, default: []].insert(host)
    return invitation
  }

  private mutating func accept(_ invitation: Invitation, by guest: Int, token: Token?) async throws {
    _ = try await fixture.call(.claim(capability: invitation.capability, id: .random(using: fixture.random)))
    users[fixture.secrets.names.capability(invitation.capability.hash).name, default: []].insert(guest)
    let index = try await begin([devices[invitation.host].person, devices[guest].person], token: token)
    devices[invitation.host].keys[index] = invitation.key
    try await addKey(for: index, to: guest)
    try await send(4_096, in: index, from: guest)
    for device in devices.indices where devices[device].keys[index] == nil && conversations[index].members.contains(devices[device].person)
    {
      try await addKey(for: index, to: device)
    }
  }

  // MARK: Conversations

  /// Persons begin a conversation: one invites the others, and there is a log.
  mutating func meet(_ members: [Int]) async throws {
    guard let first = members.first, let host = devices.firstIndex(where: { $0.person == first }) else { return }
    // Of two, one takes the other's bundle; consents to a group come as messages.
    if members.count == 2, isSettled, let guest = devices.firstIndex(where: { $0.person == members[1] }) {
      return try await accept(invite(host, with: nil), by: guest, token: nil)
    }
    let index = try await begin(members, token: nil)
    for device in devices.indices where members.contains(devices[device].person) {
      if isSettled {
        try await addKey(for: index, to: device)
      } else {
        devices[device].keys[index] = .random(using: fixture.random)
      }
    }
  }

  /// What has been in force since long ago.
  mutating func publishAllKeys() async throws {
    for device in devices.indices.shuffled(using: &random) { try await publishKeys(device) }
  }

  private mutating func begin(_ members: [Int], token: Token?) async throws -> Int {
    let rank = Double(conversations.count % 17 + 1)
    let conversation = Conversation(
      members: members, weight: (members.count > 2 ? 4 : 1) / rank, handle: .random(using: fixture.random),
      writeKey: .random(using: fixture.random), isOfLastMinute: isLastMinute)
    conversations.append(conversation)
    let answer = try await fixture.call(
      .createLog(
        token: token ?? fixture.token(), handle: conversation.handle, writeKeyHash: conversation.writeKey.hash,
        administratorKeys: [.random(using: fixture.random)]))
    guard answer == .created else { throw FixtureError.unexpectedAnswer }
    return conversations.count - 1
  }

  private mutating func addKey(for conversation: Int, to device: Int) async throws {
    devices[device].keys[conversation] = .random(using: fixture.random)
    try await publishKeys(device)
  }

  private mutating func publishKeys(_ device: Int, and other: Permission? = nil) async throws {
    let keys = devices[device].keys.sorted { $0.key < $1.key }.map(\.value) + [other].compactMap(\.self)
    let hashes = TestMailbox.padded(keys.map(\.hash), random: fixture.random)
    try await ask(device, .delivery(id: 1, keyHashes: hashes))
    try old?.setDeliveryKeys(devices[device].place.name, count: hashes.count)
  }

  // MARK: The truth

  mutating func beginCounting() {
    for index in conversations.indices { conversations[index].messageCount = 0 }
  }

  /// Whether two devices are in a conversation in which at least two messages were sent since the counting began.
  func haveTalked(_ one: Int, _ other: Int) -> Bool { shared(one, other).contains { conversations[$0].messageCount >= 2 } }

  func shareConversation(_ one: Int, _ other: Int) -> Bool { !shared(one, other).isEmpty }

  /// Whether two devices of different persons have begun a conversation in the minute before the second copy.
  func haveJustMet(_ one: Int, _ other: Int) -> Bool {
    devices[one].person != devices[other].person && shared(one, other).contains { conversations[$0].isOfLastMinute }
  }

  func isAlwaysAway(_ device: Int) -> Bool { devices[device].offline == Self.always }

  func areOnePerson(_ one: Int, _ other: Int) -> Bool { devices[one].person == devices[other].person }

  private func shared(_ one: Int, _ other: Int) -> [Int] { devices[one].keys.keys.filter { devices[other].keys[$0] != nil } }

  /// The devices that have to do with a log, a capability or a voucher, by its name.
  var usersByName: [StoredName: Set<Int>] {
    var users = users
    for (index, conversation) in conversations.enumerated() {
      users[fixture.secrets.names.log(conversation.handle).name] = Set(recipients(index, except: nil))
    }
    return users
  }
}
