import BreachDrill
import CryptoSuite
import DeviceStorage
import Foundation
import MailboxClient
import SottoProtocol
import Testing
import WireFormat

extension EndToEndTests {
  @Test func `neither the plaintext side of TLS nor the disk ever holds what people say, or who they are`() async throws {
    let scratch = try Scratch()
    let server = try ServerProcess(in: scratch)
    let words = ["the-lighthouse-keeper-knows", "meet-me-at-the-old-mill-at-nine", "our-secret-garden-committee"]
    let alice = try Person("Alice-of-the-canaries", at: server, in: scratch)
    let bob = try Person("Bob-of-the-canaries", at: server, in: scratch)
    try alice.meet(bob)
    try alice.run("send", bob.name, words[0])
    try bob.run("send", alice.name, words[1])
    try alice.run("group", "create", words[2], bob.name)
    try bob.run("sync")
    try bob.run("accept", words[2])
    try alice.run("sync")
    try bob.run("sync")
    try bob.run("send", words[2], words[0])
    try alice.run("sync")

    var canaries = words.map { Canary("text", text: $0) }
    for person in [alice, bob] {
      canaries.append(Canary("name", text: person.name))
      canaries += try Insider(person).canaries()
    }
    let tapped = try server.tappedBytes()
    #expect(tapped.count > 10_000)
    #expect(hits(canaries.filter { $0.rule == .never }, in: tapped).isEmpty)
    // What the server is shown, it keeps only as hashes.
    #expect(!hits(canaries.filter { $0.rule == .inFlight }, in: tapped).isEmpty)
    let files = try server.storedFiles()
    #expect(files.contains { $0.bytes.count > 4_096 })
    for file in files { #expect(hits(canaries, in: file.bytes).isEmpty, "in \(file.name)") }

    // The same search finds a client that leaks on purpose: a text in place of a sealed frame, and a bundle that was not sealed.
    let leak = "leaked-on-purpose-0123456789"
    let leaked = [Canary("leak", text: leak)]
    #expect(hits(leaked, in: tapped).isEmpty)
    let connection = try server.connection()
    let frame = Array(leak.utf8) + [UInt8](repeating: 0, count: 512 - leak.utf8.count)
    _ = try await connection.ask(.send(id: .random(using: SystemRandom()), frame: frame, recipients: []))
    try await publishUnsealed(Array(leak.utf8), as: alice, over: connection)
    await connection.shutDown()
    #expect(server.stop()?.status == 0)
    #expect(hits(leaked, in: try server.tappedBytes()) == ["leak (raw)"])
    // Not even that reaches the disk in the clear: the server seals what it stores once more.
    for file in try server.storedFiles() { #expect(hits(leaked, in: file.bytes).isEmpty, "in \(file.name)") }
  }

  /// Does what no client of ours does: lays out a bundle in the clear.
  private func publishUnsealed(_ blob: [UInt8], as person: Person, over connection: ServerConnection) async throws {
    let insider = try Insider(person)
    let home = try insider.home
    let stream = try await connection.openStream()
    for try await bytes in stream.incoming {
      switch try ServerMessage(decoding: bytes) {
      case .hello(_, let nonce): try await stream.send(insider.attachMessage(server: home, nonce: nonce).encoded)
      case .attached:
        let publish = OwnerMessage.publish(id: 1, capabilityHash: .random(using: SystemRandom()), days: 1, blobs: [blob])
        try await stream.send(publish.encoded)
      case .done(_, let outcome):
        #expect(outcome == .done)
        await stream.close()
        insider.store.close()
        return
      case .refused: throw EndToEndError.notReady("attach was refused")
      case .envelope, .drained, .vouchers, .issued: break
      }
    }
  }
}
