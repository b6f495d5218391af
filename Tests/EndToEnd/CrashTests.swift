import Foundation
import Testing

extension EndToEndTests {
  @Test func `a server killed again and again loses nothing that it accepted, and nothing is shown twice`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)

    var sent: [String] = []
    for round in 1...4 {
      // So many are accepted, then one is under way when the server dies.
      for number in 1...round {
        let text = "round \(round), message \(number)"
        try alice.run("send", "Bob", text)
        sent.append(text)
      }
      let last = "round \(round), under way"
      let sending = try alice.start(["send", "Bob", last, "--timeout", "2"])
      server.kill()
      let outcome = sending.outcome()
      #expect([0, 69, 75].contains(outcome.status), "\(outcome.errors)")
      sent.append(last)
      try server.start()
      // Whether it had been accepted or not, it is sent exactly once.
      try alice.run("sync")
      if round % 2 == 0 { try bob.run("sync") }
    }
    #expect(try bob.texts("Alice") == sent.map { "Alice: \($0)" })
    #expect(try alice.texts("Bob") == sent.map { "Alice: \($0)" })
  }

  @Test func `a reader killed while it receives shows every message once`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    let texts = (1...6).map { "message \($0)" }
    for text in texts.prefix(5) { try alice.run("send", "Bob", text) }
    for _ in 1...3 {
      let reading = try bob.start(["read", "Alice", "--wait", "100", "--timeout", "60"])
      // It dies with its output; where it is then is for the machine to say, and every place must be good.
      reading.kill()
    }
    try alice.run("send", "Bob", texts[5])
    #expect(try bob.texts("Alice") == texts.map { "Alice: \($0)" })
  }
}
