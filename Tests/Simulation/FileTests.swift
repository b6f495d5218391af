import ConversationEngine
import CryptoSuite
import DeviceStoreTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// What the engine does about files; their bytes go past it.
@Suite struct FileTests {
  private static let hash = KeyHash(trusted: [UInt8](repeating: 7, count: 32))

  private static func begin(_ world: SimulatedWorld, _ id: ConversationID) throws -> Upload {
    let upload = try world.act(0) { (engine, now) throws(EngineError) in
      try engine.beginUpload(of: "/canary/plan.pdf", name: "plan.pdf", mediaType: "", byteCount: 70_000, to: id, now: now)
    }
    return try #require(upload)
  }

  private static func attachments(_ world: SimulatedWorld, _ device: Int, _ id: ConversationID) throws -> [SottoProtocol.Attachment] {
    let history = try world.devices[device].engine?.history(of: id, after: nil, limit: 100) ?? []
    return history.compactMap { if case .attachment(let attachment) = $0.kind { attachment } else { nil } }
  }

  @Test func `a file's message says where the file lies and what opens it, to the others and to its author`() async throws {
    let world = try await SimulatedWorld(seed: 90, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    let upload = try Self.begin(world, id)
    _ = try world.act(0) { (engine, now) throws(EngineError) in try engine.finishUpload(upload, hash: Self.hash, now: now) }
    try await world.run()
    for device in 0..<2 {
      let found = try Self.attachments(world, device, id)
      #expect(found.count == 1)
      #expect(found.first?.object == upload.writeKey.objectID && found.first?.key == upload.key)
      #expect(found.first?.name == "plan.pdf" && found.first?.byteCount == 70_000 && found.first?.hash == Self.hash)
    }
    #expect(world.devices[0].engine?.upload(of: "/canary/plan.pdf", to: id) == nil)
    try await MeetingTests.requireGood(world)
  }

  @Test func `an upload is remembered over a restart, with how far it came, and one of other keys is not mixed with it`() async throws {
    let world = try await SimulatedWorld(seed: 91, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    var first = try Self.begin(world, id)
    first.confirmedByteCount = 65_552
    let noted = first
    try world.act(0) { (engine, _) throws(EngineError) in try engine.noteUpload(noted) }
    let reopened = try #require(try ConversationEngine.open(store: world.devices[0].store.copy(), random: SystemRandom()))
    #expect(reopened.upload(of: "/canary/plan.pdf", to: id) == first)
    let second = try Self.begin(world, id)
    #expect(second.key != first.key && second.writeKey != first.writeKey && second.confirmedByteCount == 0)
    // What still runs of the first one changes nothing any more.
    try world.act(0) { (engine, _) throws(EngineError) in
      try engine.noteUpload(noted)
      try engine.abandonUpload(noted)
    }
    #expect(world.devices[0].engine?.upload(of: "/canary/plan.pdf", to: id) == second)
  }

  @Test func `an upload gets as many tokens as it costs, shows the same ones again, and others when they are refused`() async throws {
    let world = try await SimulatedWorld(seed: 93, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    let upload = try Self.begin(world, id)
    func pay(_ count: Int) throws -> [Token]? {
      let paid = try world.act(0) { (engine, _) throws(EngineError) in try engine.payForUpload(upload, count: count) }
      return try #require(paid)
    }
    #expect(try pay(40) == nil)
    try await world.run()
    #expect(world.devices[0].engine?.canPay(for: upload, count: 40) == true)
    let first = try #require(try pay(40))
    #expect(Set(first).count == 40)
    #expect(try pay(40) == first)
    let reopened = try #require(try ConversationEngine.open(store: world.devices[0].store.copy(), random: SystemRandom()))
    var again = reopened
    #expect(try again.payForUpload(upload, count: 40) == first)
    try world.act(0) { (engine, _) throws(EngineError) in try engine.dropTokens(of: upload) }
    #expect(try pay(40) == nil)
    try await world.run()
    let second = try #require(try pay(40))
    #expect(Set(first).isDisjoint(with: second))
    try await MeetingTests.requireGood(world)
  }

  @Test func `nothing is uploaded for somebody who is not confirmed`() async throws {
    let world = try await SimulatedWorld(seed: 92, deviceCount: 2)
    let link = try await world.invitation(of: 0)
    try world.accept(link, by: 1)
    try await world.run()
    let id = try world.direct(0, 1)
    #expect(throws: EngineError.unconfirmed) { try Self.begin(world, id) }
  }

  @Test func `a crash while a file's message is queued leaves the upload or the message, not both and not neither`() async throws {
    for write in 1...10 {
      for isDurable in [false, true] {
        let world = try await SimulatedWorld(seed: 93, deviceCount: 2)
        let id = try await world.introduce(0, 1)
        let upload = try Self.begin(world, id)
        world.planCrash(of: 0, CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: isDurable))
        _ = try? world.act(0) { (engine, now) throws(EngineError) in try engine.finishUpload(upload, hash: Self.hash, now: now) }
        try await world.run()
        let isWaiting = world.devices[0].engine?.upload(of: "/canary/plan.pdf", to: id) != nil
        for device in 0..<2 { #expect(try Self.attachments(world, device, id).count == (isWaiting ? 0 : 1), "write \(write)") }
      }
    }
  }
}
