import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import MailboxClient
import SottoProtocol
import Testing
import WireFormat

extension EndToEndTests {
  @Test func `who asked somebody into a group reads that they declined`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("group", "create", "Garden", "Bob")
    try bob.run("sync")
    try bob.run("refuse", "Garden")
    let told = try alice.run("sync")
    #expect(told.errors.contains("does not want to join"), "\(told.errors)")
    let shown = try alice.run("read", "Garden").output
    #expect(shown.contains("* Bob, whom you asked in, does not want to join"), "\(shown)")
    #expect(try alice.run("read", "Garden").output.isEmpty, "once")
    #expect(try alice.history("Garden").map(\.kind) == ["declined"])
    #expect(try alice.run("read", "Garden", "--all", "--json").output.contains(#""person":"Bob""#))
    #expect(try !alice.run("group", "list").output.contains("asked"))
  }

  @Test func `three people talk in a group; who is removed reads nothing more and can append nothing`() async throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob, carol) = (
      try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch), try Person("Carol", at: server, in: scratch)
    )
    try alice.meet(bob)
    try alice.meet(carol)

    // A group of two, and a third member added later, who sees nothing of before.
    try alice.run("group", "create", "Garden", "Bob")
    try bob.run("sync")
    try bob.run("accept", "Garden")
    try alice.run("sync")
    try bob.run("sync")
    try alice.run("send", "Garden", "before Carol")
    try alice.run("group", "add", "Garden", "Carol")
    try carol.run("sync")
    try carol.run("accept", "Garden")
    try alice.run("sync")
    try carol.run("sync")
    try bob.run("sync")
    try bob.run("send", "Garden", "with Carol")
    try carol.run("sync")
    try carol.run("send", "Garden", "from Carol")
    try alice.run("sync")
    try bob.run("sync")
    let expected = ["Alice: before Carol", "Bob: with Carol", "Carol: from Carol"]
    #expect(try alice.texts("Garden") == expected)
    #expect(try bob.texts("Garden") == expected)
    #expect(try carol.texts("Garden") == Array(expected.dropFirst()))

    // Removed while away: Carol still has all her keys.
    let carolsKeys = try Insider(carol).conversation(titled: "Garden")
    try alice.run("group", "remove", "Garden", "Carol")

    // She appends with the write key that she has, before she knows and after.
    let connection = try server.connection()
    let refused = try await connection.ask(.append(carolsKeys.append))
    #expect(refused == .refused)

    // The next message is handed to her too: the very frame that goes to the others, over her own delivery key.
    let (frame, _) = try Insider(alice).nextFrame("after Carol", in: "Garden")
    let handed = try await connection.ask(.send(id: .random(using: SystemRandom()), frame: frame, recipients: [carolsKeys.recipient]))
    #expect(handed == .sent([.accepted]))
    await connection.shutDown()

    try alice.run("sync")
    try bob.run("sync")
    try carol.run("sync")
    let (bobsTexts, carolsTexts) = (try bob.texts("Garden"), try carol.texts("Garden"))
    #expect(bobsTexts == expected + ["Alice: after Carol"])
    #expect(carolsTexts == Array(expected.dropFirst()))
    let groups = try carol.run("group", "list").output
    #expect(!groups.contains("after Carol"))
    // And the two who are left go on.
    try bob.run("send", "Garden", "still here")
    try alice.run("sync")
    #expect(try alice.texts("Garden") == expected + ["Alice: after Carol", "Bob: still here"])
    let stopped = try #require(server.stop())
    #expect(stopped.status == 0)
  }
}
