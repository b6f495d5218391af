import ConversationEngine
import DeviceStoreTesting
import MailboxEngine
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// A small life, with a crash at each write in turn: before it is on the disk, and after it is but before anybody knows.
@Suite struct CrashEverywhereTests {
  /// Meets, writes, makes a group and changes keys; whatever a crash undid is done again, as people do.
  static func live(_ prepare: (SimulatedWorld) -> Void) async throws -> SimulatedWorld {
    let world = try await SimulatedWorld(seed: 80, deviceCount: 2)
    prepare(world)
    for _ in 0..<4 where world.devices[1].engine?.contacts.isEmpty ?? true {
      guard let link = try? await world.invitation(of: 0) else { continue }
      try world.accept(link, by: 1)
      try await world.run()
    }
    try await again(world) { try world.confirmAll(0) }
    let id = try world.direct(1, 0)
    try await write("canary hello", from: 1, in: id, world)
    try await write("canary hello yourself", from: 0, in: id, world)
    for _ in 0..<2 {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.updateKeys(id, now: now) }
      try await world.run()
    }
    let other = world.devices[1].identity
    for _ in 0..<2 where world.devices[0].engine?.conversations.count == 1 {
      try world.act(0) { (engine, now) throws(EngineError) in try engine.createGroup(title: "pair", inviting: [other], now: now) }
      try await world.run()
    }
    try await again(world) { try world.acceptAll(1) }
    if let group = world.devices[1].engine?.conversations.first(where: { $0.kind == .group }) {
      try await write("canary together", from: 1, in: group.id, world)
      for _ in 0..<2 where world.devices[0].engine?.standing(in: group.id)?.devices.count == 2 {
        try world.act(0) { (engine, now) throws(EngineError) in try engine.remove(other, from: group.id, now: now) }
        try await world.run()
      }
    }
    try await world.settle()
    return world
  }

  private static func again(_ world: SimulatedWorld, _ body: () throws -> Void) async throws {
    for _ in 0..<2 {
      try body()
      try await world.run()
    }
  }

  private static func write(_ text: String, from author: Int, in id: ConversationID, _ world: SimulatedWorld) async throws {
    for _ in 0..<2 where !(try world.texts(author, in: id).contains { $0.hasSuffix(text) }) {
      try world.send(text, from: author, to: id)
      try await world.run()
    }
  }

  @Test func `a device that crashes at any commit loses nothing and repeats nothing`() async throws {
    var firstWrites: [Int] = []
    let plain = try await Self.live { firstWrites = $0.devices.map(\.store.writeCount) }
    #expect(try plain.problems() == [])
    var runCount = 0
    for device in 0..<2 {
      // What fails before the commit record leaves no trace, so one crash for each transaction stands for all of its other writes.
      for write in plain.devices[device].commitWrites {
        for isDurable in [false, true] {
          runCount += 1
          let plan = DeviceStoreTesting.CrashPlan(atWrite: write - firstWrites[device], failure: .outcomeUnknown, isDurable: isDurable)
          let world = try await Self.live { $0.planCrash(of: device, plan) }
          let problems = try world.problems()
          #expect(problems.isEmpty, "device \(device) at write \(write)\(isDurable ? ", durable" : "")")
        }
      }
    }
    print("crashes of devices: \(runCount) runs")
  }

  @Test func `a server that crashes at any write loses nothing and repeats nothing`() async throws {
    var firstWrite = 0
    let plain = try await Self.live { firstWrite = $0.server.store.writeCount }
    let count = plain.server.store.writeCount - firstWrite
    var runCount = 0
    for write in 1...count {
      for isDurable in [false, true] {
        runCount += 1
        let plan = MailboxEngineTesting.CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: isDurable)
        let world = try await Self.live { $0.planServerCrash(plan) }
        let problems = try world.problems()
        #expect(problems.isEmpty, "server at write \(write)\(isDurable ? ", durable" : "")")
      }
    }
    print("crashes of the server: \(runCount) runs")
  }
}
