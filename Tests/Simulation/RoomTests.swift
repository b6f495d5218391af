import ConversationEngine
import MailboxEngine
import MailboxEngineTesting
import SimulatedWorld
import SottoProtocol
import Testing

/// A server that has no room for a while.
@Suite struct RoomTests {
  @Test func `a message that finds no room is sent when the server said to come back, and receiving goes on meanwhile`() async throws {
    let world = try await SimulatedWorld(seed: 95, deviceCount: 2)
    let id = try await world.introduce(0, 1)
    var answers: [Answer] = []
    world.interceptAnswer = { device, request, answer in
      if case .send = request, device == 0 { answers.append(answer) }
      return false
    }
    world.planServerCrash(CrashPlan(atWrite: 1, failure: .noRoom, staysUp: true))
    let start = world.now
    try world.send("canary held up", from: 0, to: id)
    try await world.run(for: 60_000)
    #expect(answers == [.noRoom(retrySeconds: ServerLimits.noRoomRetrySeconds)], "asked once, and not again at once")
    try world.send("canary meanwhile", from: 1, to: id)
    try await world.run(for: 30_000)
    #expect(try world.texts(0, in: id).contains("Ben: canary meanwhile"))
    try await world.run()
    #expect(world.now >= start + UInt64(ServerLimits.noRoomRetrySeconds) * 1_000)
    #expect(Set(try world.texts(1, in: id)) == ["Ada: canary held up", "Ben: canary meanwhile"])
    try await MeetingTests.requireGood(world)
  }
}
