package import ConversationEngine
import DeviceStoreTesting
import MailboxEngine
import MailboxEngineTesting
package import SottoProtocol

/// People who do things by chance while everything around them fails by chance.
package final class RandomLife {
  package let world: SimulatedWorld
  private let actionCount: Int
  private var groupCount = 0
  private var textCount = 0
  private var stolen: [ConversationEngine.Stolen] = []
  private var pairs: [(inviter: Int, accepter: Int)] = []
  /// Makes a commit that all but one member can read.
  package typealias BadCommit = (ConversationEngine.Stolen) throws -> LogAppend?
  private let badCommit: BadCommit?

  /// A world that has been lived in and has come to rest.
  package static func live(seed: UInt64, deviceCount: Int = 3, actionCount: Int = 40, badCommit: BadCommit? = nil) async throws
    -> RandomLife
  {
    let world = try await SimulatedWorld(seed: seed, deviceCount: deviceCount, faults: .bad)
    let life = RandomLife(world, actionCount: actionCount, badCommit: badCommit)
    do {
      try await life.live()
    } catch { throw LifeFailure(description: "seed \(seed): \(error)", trace: world.trace) }
    return life
  }

  package struct LifeFailure: Error, CustomStringConvertible {
    package let description: String
    package let trace: [String]
  }

  private init(_ world: SimulatedWorld, actionCount: Int, badCommit: BadCommit?) {
    self.badCommit = badCommit
    self.world = world
    self.actionCount = actionCount
  }

  private func live() async throws {
    for one in world.devices.indices {
      for other in world.devices.indices where other > one { pairs.append(world.chance(0.5) ? (one, other) : (other, one)) }
    }
    // Most people know each other soon, but some only later.
    for (index, pair) in pairs.enumerated() where world.chance(0.8) { world.planUser(-1 - pair.inviter, in: UInt64(400 + 300 * index)) }
    var time: UInt64 = 1_500
    for number in 0..<actionCount {
      time += world.chance(0.8) ? world.pick(10...3_000) : world.chance(0.8) ? world.pick(3_000...60_000) : world.pick(600_000...36_000_000)
      world.planUser(number, in: time)
    }
    world.onUser = { [unowned self] _, number in try await act(number) }
    try await world.run()
    try await world.settle()
  }

  private func act(_ number: Int) async throws {
    if number < 0 {
      return try allowing { try world.act(-1 - number) { (engine, now) throws(EngineError) in try engine.invite(petname: nil, now: now) } }
    }
    for device in world.devices where device.engine != nil && world.chance(0.7) { try attend(device.index) }
    switch world.pick(0...99) {
    case 0..<6: try invite()
    case 6..<38: try text()
    case 38..<48: try createGroup()
    case 48..<58: try add()
    case 58..<65: try remove()
    case 65..<68: try leave()
    case 68..<79: try updateKeys()
    case 79..<85: goAway()
    case 85..<91: crashDevice()
    case 91..<94: crashServer()
    case 94..<97: try await insider()
    default: try await outsider()
    }
  }

  /// Somebody looks at their device: confirms, hands links over, answers invitations.
  private func attend(_ index: Int) throws {
    try world.confirmAll(index)
    for invitation in world.devices[index].engine?.groupInvitations ?? [] {
      let accepts = world.chance(0.85)
      if !accepts { world.ledger.refusers.insert(index) }
      try allowing {
        try world.act(index) { (engine, now) throws(EngineError) in
          if accepts { try engine.acceptGroup(invitation.id, now: now) } else { try engine.refuseGroup(invitation.id, now: now) }
        }
      }
    }
    guard let pair = pairs.firstIndex(where: { $0.inviter == index }), let link = world.devices[index].links.first?.link,
      world.devices[pairs[pair].accepter].engine != nil
    else { return }
    world.devices[index].links.removeFirst()
    try allowing { try world.accept(link, by: pairs[pair].accepter) }
    pairs.remove(at: pair)
  }

  /// What a device refuses because it is not the moment is no failure.
  private func allowing(_ body: () throws -> Void) throws {
    do { try body() } catch let error as EngineError {
      switch error {
      case .store, .cryptography, .damagedState: throw error
      default: world.note("  … refused: \(error)")
      }
    }
  }

  private func invite() throws {
    let inviters = Set(pairs.map(\.inviter)).sorted().filter { world.devices[$0].links.isEmpty }
    guard world.chance(0.5) || !pairs.isEmpty, let inviter = world.pick(inviters) else { return try text() }
    world.note("\(world.devices[inviter].name) invites")
    try allowing { try world.act(inviter) { (engine, now) throws(EngineError) in try engine.invite(petname: nil, now: now) } }
  }

  /// A device and one of its conversations, by chance.
  private func place(_ isRight: (SimulatedDevice, ConversationSummary) -> Bool) -> (index: Int, id: ConversationID)? {
    var places: [(index: Int, id: ConversationID)] = []
    for device in world.devices {
      for summary in device.engine?.conversations ?? [] where summary.state == .active && isRight(device, summary) {
        places.append((device.index, summary.id))
      }
    }
    return world.pick(places)
  }

  private func text() throws {
    guard let place = place({ _, _ in true }) else { return }
    textCount += 1
    let text = "\(Ledger.canary) \(textCount)"
    try allowing { try world.send(text, from: place.index, to: place.id) }
  }

  private func contacts(of index: Int) -> [IdentityID] {
    world.devices[index].engine?.contacts.filter { $0.isConfirmed && $0.conversation != nil }.map(\.identity) ?? []
  }

  private func createGroup() throws {
    guard groupCount < 2, let owner = world.pick(world.devices.map(\.index).filter { !contacts(of: $0).isEmpty }) else { return try text() }
    groupCount += 1
    let invited = contacts(of: owner).filter { _ in world.chance(0.8) }
    let title = "group \(groupCount)"
    world.note("\(world.devices[owner].name) makes \(title) with \(invited.count)")
    try allowing {
      try world.act(owner) { (engine, now) throws(EngineError) in _ = try engine.createGroup(title: title, inviting: invited, now: now) }
    }
  }

  private func add() throws {
    guard let place = place({ device, summary in summary.kind == .group && isOwner(device, summary) }) else { return try text() }
    guard let contact = world.pick(contacts(of: place.index)) else { return }
    world.note("\(world.devices[place.index].name) asks somebody in")
    try allowing { try world.act(place.index) { (engine, now) throws(EngineError) in try engine.add(contact, to: place.id, now: now) } }
  }

  private func remove() throws {
    guard let place = place({ device, summary in summary.kind == .group && isOwner(device, summary) && summary.members.count > 1 }),
      let engine = world.devices[place.index].engine,
      let member = world.pick(engine.conversations.first { $0.id == place.id }?.members.filter { !$0.isSelf } ?? [])
    else { return try text() }
    if let index = world.ledger.identities[member.identity], let keys = world.devices[index].engine?.steal(from: place.id) {
      stolen.append(keys)
    }
    world.note("\(world.devices[place.index].name) removes \(member.name)")
    try allowing {
      try world.act(place.index) { (engine, now) throws(EngineError) in try engine.remove(member.identity, from: place.id, now: now) }
    }
  }

  private func leave() throws {
    guard let place = place({ device, summary in summary.kind == .group && !isOwner(device, summary) }) else { return try text() }
    if let keys = world.devices[place.index].engine?.steal(from: place.id) { stolen.append(keys) }
    world.note("\(world.devices[place.index].name) leaves")
    try allowing { try world.act(place.index) { (engine, now) throws(EngineError) in try engine.leave(place.id, now: now) } }
  }

  private func updateKeys() throws {
    guard let place = place({ _, _ in true }) else { return }
    world.note("\(world.devices[place.index].name) updates keys")
    try allowing { try world.act(place.index) { (engine, now) throws(EngineError) in try engine.updateKeys(place.id, now: now) } }
  }

  private func isOwner(_ device: SimulatedDevice, _ summary: ConversationSummary) -> Bool {
    summary.members.first { $0.isSelf }?.role == .owner
  }

  private func goAway() {
    guard let device = world.pick(world.devices.map(\.index).filter { world.devices[$0].isOnline }) else { return }
    world.setOnline(device, false, in: 0)
    world.setOnline(device, true, in: world.chance(0.7) ? world.pick(500...60_000) : world.pick(60_000...20_000_000))
  }

  private func crashDevice() {
    guard let device = world.pick(world.devices.map(\.index)) else { return }
    let write = Int(world.pick(1...30))
    let isDurable = world.chance(0.5)
    world.note("\(world.devices[device].name) is to crash at write \(write)\(isDurable ? ", durable" : "")")
    world.planCrash(of: device, DeviceStoreTesting.CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: isDurable))
  }

  private func crashServer() {
    guard !world.server.isDown else { return }
    let isDurable = world.chance(0.5)
    let write = Int(world.pick(1...12))
    world.note("the server is to crash at write \(write)\(isDurable ? ", durable" : "")")
    world.planServerCrash(MailboxEngineTesting.CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: isDurable))
  }

  private func insider() async throws {
    guard let place = place({ _, summary in summary.members.count > 1 }),
      let keys = world.devices[place.index].engine?.steal(from: place.id)
    else { return }
    let isMember =
      keys.roster.count > 2
      && world.devices[place.index].engine?.conversations.first { $0.id == place.id }.map { summary in
        summary.kind == .group && !isOwner(world.devices[place.index], summary)
      } ?? false
    let kinds: [SimulatedWorld.Misuse] =
      isMember ? [.randomEntry, .garbageMessage, .forbiddenCommit, .garbageFrames] : [.randomEntry, .garbageMessage, .garbageFrames]
    if let badCommit, world.chance(0.4), let append = try badCommit(keys) {
      world.note("\(world.devices[place.index].name) makes a commit that one cannot read")
      world.ledger.unreadable.insert(place.id)
      _ = try await world.callServer(.append(append))
      return
    }
    guard let kind = world.pick(kinds) else { return }
    world.note("\(world.devices[place.index].name) misuses: \(kind)")
    try await world.misuse(kind, with: keys, spoilsGroupInfo: world.chance(0.3))
  }

  private func outsider() async throws {
    guard let keys = world.pick(stolen) else { return try text() }
    let kind: SimulatedWorld.Misuse = world.chance(0.5) ? .garbageMessage : .garbageFrames
    world.note("a former member misuses: \(kind)")
    try await world.misuse(kind, with: keys, slot: keys.nextSlot + world.pick(0...2))
  }
}
