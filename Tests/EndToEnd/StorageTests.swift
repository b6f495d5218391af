import CryptoSuite
import Foundation
import SottoProtocol
import Testing
import WireFormat

extension EndToEndTests {
  @Test(.enabled(if: Tools.has(Tools.curl), "curl is not installed"))
  func `a server without room says when to come back, people go on receiving, and a reload makes room`() async throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try alice.run("send", "Bob", "while there was room")
    let (notes, saved) = (scratch.url.appending(path: "notes.txt"), scratch.url.appending(path: "saved.txt"))
    try Data("canary in a file".utf8).write(to: notes)
    try bob.run("send", "Alice", "--file", notes.path)
    let emil = try Person("Emil", at: server, in: scratch)
    let link = try #require(try alice.run("invite").lines.first { $0.hasPrefix("sotto://") })

    // No voucher that anybody knows: with room it is refused, without none is even looked for.
    let random = SystemRandom()
    let redeem = Request.redeem(
      voucher: .random(using: random), issuerKey: .random(using: random), blinded: [BlindNumber(trusted: [UInt8](repeating: 1, count: 256))]
    )
    func answer() async throws -> Answer { try Answer(decoding: try await server.exchange(.post("/v1/call", redeem.encoded)).body) }
    #expect(try await answer() == .issuerUnknown)

    try server.write(["storage.free = 1048576GiB"])
    try server.hangUp(expecting: "read again")
    // People hear that it is the server, and do not have to wait for it.
    let held = try alice.attempt(["send", "Bob", "without room", "--timeout", "600"])
    #expect(held.status == 75 && held.errors.contains("the server takes no more for now"), "\(held.errors)")
    do {
      _ = try Person("Cleo", at: server, in: scratch)
      Issue.record("there is no room for a mailbox")
    } catch EndToEndError.failed(_, let status, let errors) {
      #expect(status == 75 && errors.contains("the server takes no more for now"), "\(errors)")
    }
    #expect(try bob.run("read", "Alice").output.contains("while there was room"))
    // Who waits for room goes on reading.
    let reading = try alice.run("read", "Bob")
    #expect(reading.errors.contains("what you asked for stays queued"), "\(reading.errors)")
    try alice.run("save", "Bob", "--to", saved.path)
    #expect(try Data(contentsOf: saved) == Data(contentsOf: notes))
    // What is written behind it is queued, too, and a person who asks hears what the server says now.
    #expect(try alice.attempt(["send", "Bob", "nor now", "--timeout", "600"]).status == 75)
    let asked = try alice.attempt(["sync", "--timeout", "600"])
    #expect(asked.status == 75 && asked.errors.contains("the server takes no more for now"), "\(asked.errors)")
    // A link would lead to nothing now.
    let invitation = try server.command("invite", arguments: ["--config", server.settings.path])
    #expect(invitation.status == 75 && invitation.errors.contains("no room for more"), "\(invitation.errors)")
    let status = try server.command("status")
    #expect(status.output.contains("nothing is added for want of room"), "\(status.output)")

    try server.write([])
    try server.hangUp(expecting: "read again")
    // What waits until the server had said to come back holds up nothing that others did meanwhile.
    try emil.run("accept", link)
    let confirmed = try alice.attempt(["contacts", "confirm", "Emil"])
    #expect(confirmed.status == 0 && confirmed.errors.contains("Confirmed."), "\(confirmed.errors)")
    #expect(confirmed.errors.contains("what waits for that stays queued"), "\(confirmed.errors)")
    // At once, and not when the server had said to come back.
    #expect(try alice.run("sync", "--timeout", "60").status == 0)
    #expect(try bob.texts("Alice").suffix(2) == ["Alice: without room", "Alice: nor now"])
    #expect(try bob.run("send", "Alice", "with room again").status == 0)
    #expect(try alice.run("read", "Bob").output.contains("with room again"))
  }

  @Test func `keys without their database are refused, until the operator asks for an empty one`() throws {
    let scratch = try Scratch()
    let server = try OperatedServer(in: scratch)
    let alice = try Person("Alice", at: server, in: scratch)
    _ = alice
    #expect(try server.command("new-database").status == 75, "a server has it")
    #expect(server.stop()?.status == 0)
    #expect(try server.command("new-database").status == 73, "it is there")
    for name in ["server.sqlite", "server.sqlite-wal", "server.sqlite-shm"] {
      try? FileManager.default.removeItem(at: server.data.appending(path: name))
    }
    let refused = try Programs.run("sotto-server", ["serve", "--config", server.settings.path], in: scratch.url)
    #expect(refused.status == 65)
    #expect(refused.errors.contains("server.sqlite is missing or empty beside server.keys"))
    #expect(refused.errors.contains("sotto-server new-database"))
    #expect(!FileManager.default.fileExists(atPath: server.data.appending(path: "server.sqlite").path))
    #expect(try server.command("new-database").status == 0)
    try server.start()
    _ = try Person("Bob", at: server, in: scratch)
    #expect(!server.words.contains("older than"))
  }
}
