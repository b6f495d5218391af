import CryptoSuite
import Foundation
import MailboxClient
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing
import WireFormat

extension EndToEndTests {
  @Test func `a server killed dozens of times while many send loses nothing that it accepted, and delivers nothing twice`() async throws {
    let scratch = try Scratch()
    // All clients come from one address, and come again after each kill.
    let lines = ["limits.requests-per-minute = 10000000", "limits.new-connections-per-minute = 1000000"]
    let server = try OperatedServer(in: scratch, lines: lines)
    try server.write(lines)
    let random = SeededRandom(seed: 71)
    let load = try Load(at: server, random: random)
    // One mailbox is read all the time. Those of the others that nobody reads take turns, since each has room for so many.
    let read = try await load.register(RegistrationLink(server.registrationLink()))
    var unread: [Load.Mailbox] = []
    for _ in 0...(killCount / roundsInTurn) { unread.append(try await load.register(RegistrationLink(server.registrationLink()))) }
    load.write(to: [read, unread[0]])
    // Two people with the real program talk meanwhile.
    let (alice, bob) = (try Person("Alice", at: server, in: scratch), try Person("Bob", at: server, in: scratch))
    try alice.meet(bob)
    var texts: [String] = []

    let reader = Task { try await load.read(read) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for sender in 0..<6 { group.addTask { try await load.send(as: UInt8(sender)) } }
      for round in 1...killCount where !load.isOver {
        load.write(to: [read, unread[round / roundsInTurn]])
        // So many are accepted in this life; where the server is in its writing then is for the machine to say.
        let goal = load.acceptedCount + 1 + Int(random.bytes(1)[0]) % 60
        var sending: Programs.Running?
        if round.isMultiple(of: 8) {
          texts.append("round \(round)")
          sending = try alice.start(["send", "Bob", "round \(round)", "--timeout", "5"])
        }
        // Polls a fact, here and below, and asserts nothing on how long it takes.
        while load.acceptedCount < goal, !load.isOver { try await Task.sleep(for: .milliseconds(1)) }
        server.kill()
        try server.start()
        if let sending { #expect([0, 69, 75].contains(sending.outcome().status)) }
      }
      load.stop()
      try await group.waitForAll()
    }
    reader.cancel()
    try await reader.value

    // The mailboxes that nobody has read meanwhile hold each message once, those of each sender in order, and every one that was accepted.
    var waiting: [Load.Message] = []
    for mailbox in unread { waiting += try await load.drain(mailbox) }
    #expect(Set(waiting).count == waiting.count, "nothing twice")
    #expect(Set(waiting).isSuperset(of: load.accepted), "nothing lost")
    for sender in 0..<6 {
      let numbers = waiting.filter { $0.sender == sender }.map(\.number)
      #expect(numbers == Array(0..<UInt32(numbers.count)), "sender \(sender)")
    }
    // What was read during all this, with what still waits, is the same.
    let rest = try await load.drain(read)
    #expect(load.seen.union(rest) == Set(waiting))
    print("\(killCount) kills, \(load.accepted.count) messages accepted, each to two mailboxes, seed 71")

    try alice.run("sync")
    #expect(try bob.texts("Alice") == texts.map { "Alice: \($0)" })
    #expect(server.stop()?.status == 0)
  }

  /// Kills after which another mailbox is written to.
  private var roundsInTurn: Int { 100 }

  /// `SOTTO_KILLS` asks for more.
  private var killCount: Int { ProcessInfo.processInfo.environment["SOTTO_KILLS"].flatMap { Int($0) }.map { max(1, $0) } ?? 32 }
}

/// Clients without a program: they speak the protocol, remember what the server has answered for, and begin again when it is gone.
private final class Load: Sendable {
  struct Message: Hashable {
    var sender: UInt8
    var number: UInt32
  }

  private struct State {
    var accepted: Set<Message> = []
    var seen: Set<Message> = []
    var mailboxes: [Mailbox] = []
    var isOver = false
  }

  struct Mailbox: Sendable {
    let owner: TestMailbox
    let recipient: Recipient
  }

  private let random: SeededRandom
  private let serverKey: PublicKey32
  private let endpoint: ServerEndpoint
  private let state = Mutex(State())

  init(at server: OperatedServer, random: SeededRandom) throws {
    self.random = random
    let port = server.port
    serverKey = try RegistrationLink(server.registrationLink()).server.serverKey
    // The key is made once and stays; who answers is shown by the statement, and here by the mailboxes being there.
    endpoint = ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true })
  }

  var accepted: Set<Message> { state.withLock { $0.accepted } }
  var seen: Set<Message> { state.withLock { $0.seen } }
  var acceptedCount: Int { state.withLock { $0.accepted.count } }
  /// Whether senders go on: not after the last kill, nor when one of them got an answer that it should not get.
  var isOver: Bool { state.withLock { $0.isOver } }

  func stop() { state.withLock { $0.isOver = true } }

  /// Where the next messages go to.
  func write(to mailboxes: [Mailbox]) { state.withLock { $0.mailboxes = mailboxes } }

  func register(_ link: RegistrationLink) async throws -> Mailbox {
    let connection = ServerConnection(endpoint: endpoint)
    let statement = try IdentityStatement(
      verifying: try await connection.fetchIdentityStatement().statement, serverKey: serverKey,
      now: UInt64(Date().timeIntervalSince1970), lastSequence: 0)
    let issuer: IssuerKeys = try #require(statement.issuerKeys.first)
    let batch = try TestBatch(1, issuer: issuer, random: random)
    guard case .redeemed(let signatures) = try await call(batch.redeem(link.voucher), connection) else { throw Failure() }
    let owner = TestMailbox(random: random)
    let token = try #require(try batch.finish(signatures).first)
    guard case .registered = try await call(owner.registration(token: token), connection) else { throw Failure() }
    let key = Permission.random(using: random)
    let stream = try await attach(owner)
    try await stream.send(OwnerMessage.delivery(id: 1, keyHashes: TestMailbox.padded([key.hash], random: random)).encoded)
    for try await bytes in stream.incoming {
      if case .done(id: 1, let outcome) = try ServerMessage(decoding: bytes) {
        try #require(outcome == .done)
        break
      }
    }
    await stream.close()
    await connection.shutDown()
    return Mailbox(owner: owner, recipient: owner.recipient(key))
  }

  /// Sends one message after the other, each until the server has answered for it.
  func send(as sender: UInt8) async throws {
    let connection = ServerConnection(endpoint: endpoint)
    var number: UInt32 = 0
    while !isOver {
      let message = Message(sender: sender, number: number)
      let recipients = state.withLock { $0.mailboxes.map(\.recipient) }
      let request = Request.send(id: .random(using: random), frame: frame(message), recipients: recipients)
      // The same bytes again until there is an answer, also after the end: what is under way is answered for in the last life.
      while true {
        if let answer = try? await call(request, connection) {
          guard answer == .sent([.accepted, .accepted]) else {
            stop()
            throw Failure()
          }
          state.withLock { _ = $0.accepted.insert(message) }
          break
        }
        try await Task.sleep(for: .milliseconds(3))
      }
      number += 1
    }
    await connection.shutDown()
  }

  /// Reads and acknowledges, with a new stream whenever the server is gone.
  func read(_ mailbox: Mailbox) async throws {
    while !Task.isCancelled {
      do {
        let stream = try await attach(mailbox.owner)
        for try await bytes in stream.incoming {
          if case .envelope(let cursor, let sealed) = try ServerMessage(decoding: bytes) {
            let message = try Self.message(mailbox.owner.open(sealed).frame)
            state.withLock { _ = $0.seen.insert(message) }
            try await stream.send(OwnerMessage.acknowledge(cursor: cursor).encoded)
          }
        }
      } catch is ClientError { try? await Task.sleep(for: .milliseconds(3)) }
    }
  }

  /// Takes all that waits, over one stream, in the order in which it comes.
  func drain(_ mailbox: Mailbox) async throws -> [Message] {
    let stream = try await attach(mailbox.owner)
    var messages: [Message] = []
    for try await bytes in stream.incoming {
      switch try ServerMessage(decoding: bytes) {
      case .envelope(let cursor, let sealed):
        messages.append(try Self.message(mailbox.owner.open(sealed).frame))
        // A server sends only so many ahead.
        try await stream.send(OwnerMessage.acknowledge(cursor: cursor).encoded)
      case .drained:
        await stream.close()
        return messages
      default: break
      }
    }
    throw Failure()
  }

  private func attach(_ owner: TestMailbox) async throws -> ServerStream {
    let stream = try await ServerConnection(endpoint: endpoint).openStream()
    for try await bytes in stream.incoming {
      switch try ServerMessage(decoding: bytes) {
      case .hello(let serverKey, let nonce):
        let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: owner.id)
        let signature = Signature64(trusted: try owner.ownerKey.sign(content))
        try await stream.send(OwnerMessage.attach(mailbox: owner.id, signature: signature).encoded)
      case .attached: return stream
      default: throw Failure()
      }
    }
    throw ClientError.streamClosed
  }

  private func call(_ request: Request, _ connection: ServerConnection) async throws -> Answer {
    try Answer(decoding: try await connection.call(request.encoded))
  }

  private func frame(_ message: Message) -> [UInt8] {
    let number = (0..<4).map { UInt8(truncatingIfNeeded: message.number >> (8 * $0)) }
    return [message.sender] + number + random.bytes(Limits.smallestFrameByteCount - 5)
  }

  private static func message(_ frame: [UInt8]) -> Message {
    Message(sender: frame[0], number: frame[1...4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
  }

  struct Failure: Error {}
}
