import Foundation
import Testing

@testable import MailboxServer

@Suite(.timeLimit(.minutes(10)))
struct OperatorPortTests {
  @Test func `whoever takes all places of the port leaves the owner those of the socket`() async throws {
    // Short: the path of a socket has at most some hundred bytes.
    let socket = "/tmp/sotto-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: socket) }
    let begun = AsyncStream<Void>.makeStream()
    let ended = AsyncStream<Void>.makeStream()
    let port = OperatorPort { _, asker in
      if asker == .anybodyHere {
        begun.continuation.yield()
        for await _ in ended.stream {}
      }
      return OperatorAnswer(contentType: "text/plain", body: Array("ok".utf8))
    }
    let number = try await port.listen(host: "127.0.0.1", port: 0)
    try await port.listen(socket: socket)
    var held: [Probe] = []
    for _ in 0..<16 {
      let probe = try await Probe.connect(port: number, security: .none)
      probe.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      held.append(probe)
    }
    var count = 0
    for await _ in begun.stream {
      count += 1
      if count == held.count { break }
    }
    let refused = try await Probe.connect(port: number, security: .none)
    #expect(await refused.textUntilClosed() == "")
    #expect(try await OperatorPort.fetch("/", socket: socket) == Array("ok".utf8))
    ended.continuation.finish()
    for probe in held { #expect(await probe.textUntilClosed().hasSuffix("ok")) }
    await port.close()
  }
}
