import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol
import Testing

extension EndToEndTests {
  /// Uses a person's profile at another time than now.
  private func at(_ days: Int, with person: Person, _ body: (inout ConversationEngine, UInt64) throws -> Void) throws {
    let key = Secret([UInt8](try Data(contentsOf: person.keyFile)))
    let store = try EncryptedDeviceStore.open(directory: person.profile.path, key: .keyFile(key, path: person.keyFile.path))
    defer { store.close() }
    var engine = try #require(try ConversationEngine.open(store: store, random: SystemRandom()))
    try body(&engine, UInt64((Date().timeIntervalSince1970 + Double(days) * 86_400) * 1_000))
  }

  @Test func `who was away too long is told by the first command that reaches the server, and who wrote to them by the history`() throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch, isTapped: false)
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    try bob.run("sync")
    // Bob's device was there last 40 days ago, and Alice wrote 35 days ago.
    // A clock that goes back by less than a year and some is not believed.
    for days in stride(from: -500, through: -40, by: 20) {
      try at(days, with: bob) { engine, then in
        for server in engine.servers { try engine.caughtUp(with: server, now: then) }
      }
    }
    try at(-35, with: alice) { engine, then in
      let bob = try #require(engine.contacts.first?.conversation)
      _ = try engine.send(text: "do you read this?", to: bob, now: then)
      _ = try engine.nextWork(now: then)
    }

    // Nobody is named before what they may have said was fetched.
    try alice.run("sync")
    let told = try alice.run("read", "Bob")
    #expect(told.output.contains("one message of yours is older than 30 days, and one device of Bob has not said to have it"))
    #expect(try alice.run("read", "Bob").output.isEmpty)
    let entries = try alice.run("read", "Bob", "--all", "--json").lines
    #expect(entries.contains { $0.contains(#""kind":"notFetched""#) && $0.contains(#""count":1"#) && $0.contains(#""devices":1"#) })

    let synced = try bob.run("sync")
    #expect(synced.errors.contains("some may be gone"))
    #expect(!(try bob.run("sync")).errors.contains("some may be gone"))
    let read = try bob.run("read", "Alice")
    #expect(read.output.contains("nothing was fetched here from"))
    #expect(read.output.contains("do you read this?"))
    let absence = try bob.run("read", "Alice", "--all", "--json").lines.first { $0.contains(#""kind":"mayHaveExpired""#) }
    #expect(absence?.contains(#""since":"2"#) == true)
  }
}
