import CryptoSuite
import Foundation
import MailboxEngine
import MailboxServer
import Metering
import ServerStorage
import SottoProtocol
import WireFormat

/// The server that is measured: a process of its own, so that its processor time and memory are nobody else's. It is this
/// program again, with what `sotto-server` is made of: TLS, the engine, SQLite.
enum BenchServer {
  static let flag = "--serve"

  /// Mailboxes for a client to use.
  struct Mailbox: Codable, Sendable {
    var mailbox: [UInt8]
    var deliveryKey: [UInt8]
    var ownerSeed: [UInt8]
  }

  struct Announcement: Codable, Sendable {
    var port: Int
    var serverKey: [UInt8]
    var mailboxes: [Mailbox]
  }

  /// Makes mailboxes in a new directory and serves until standard input ends.
  static func run(directory path: String, mailboxCount: Int, isLimited: Bool) async throws {
    raiseDescriptorLimit()
    let directory = ServerDirectory(path)
    let lock = try directory.lock()
    let store = try directory.openStore(creating: true, checking: false)
    let random = SystemRandom()
    let secrets = try ServerSecrets(
      identityKey: SignatureAlgorithm.ed25519.generateKey(), root: Secret(randomByteCount: ServerSecrets.rootByteCount, using: random))
    var deliveries = DeliveryLimits()
    if !isLimited {
      deliveries.pace = .unlimited
      deliveries.share = .unlimited
    }
    let engine = MailboxEngine(store: store, secrets: secrets, clock: WallClock(), random: random, deliveryLimits: deliveries)
    let mailboxes = try await makeMailboxes(mailboxCount, engine, serverKey: secrets.identity.publicKey)

    var limits = ServerLimits()
    limits.maximumConnectionCount = 12_000
    if !isLimited {
      // All clients have one address here.
      limits.distinguishesPeers = false
      limits.requests = .unlimited
    }
    let (ports, port) = AsyncStream<Int>.makeStream()
    let server = try MailboxServer(
      application: Application(engine: engine), tls: TLSMaterial.loadOrMake(file: directory.tlsFile),
      configuration: MailboxServerConfiguration(limits: limits)
    ) { port.yield($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      for await port in ports {
        let announcement = Announcement(port: port, serverKey: secrets.identity.publicKey.bytes, mailboxes: mailboxes)
        FileHandle.standardOutput.write(try JSONEncoder().encode(announcement) + Data("\n".utf8))
        break
      }
      // Whoever started this is done, or gone.
      group.addTask {
        // A thread of its own waits for the end.
        await withCheckedContinuation { continuation in
          Thread.detachNewThread {
            while !FileHandle.standardInput.availableData.isEmpty {}
            continuation.resume()
          }
        }
      }
      try await group.next()
      await server.shutDown()
      group.cancelAll()
    }
    try store.close()
    withExtendedLifetime(lock) {}
  }

  static func raiseDescriptorLimit() {
    var limit = rlimit()
    // `unsafe`: the system reads and writes the value during the calls.
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  private static func makeMailboxes(_ count: Int, _ engine: MailboxEngine, serverKey: PublicKey32) async throws -> [Mailbox] {
    try await withThrowingTaskGroup(of: Mailbox.self) { group in
      var made: [Mailbox] = []
      for index in 0..<count {
        // As many at once as one commit takes.
        if index >= 128, let mailbox = try await group.next() { made.append(mailbox) }
        group.addTask { try await makeMailbox(engine, serverKey: serverKey) }
      }
      for try await mailbox in group { made.append(mailbox) }
      return made
    }
  }

  private static func makeMailbox(_ engine: MailboxEngine, serverKey: PublicKey32) async throws -> Mailbox {
    let random = SystemRandom()
    let seed = random.bytes(32)
    let owner = try SigningKey(.ed25519, privateKey: Secret(seed))
    let recipient = Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random))
    guard let token = try await engine.makeTokens(1).first, let ownerKey = PublicKey32(owner.publicKey),
      let sealKey = PublicKey32(FirstContact.suite.generateKeyPair().publicKey)
    else { throw BenchmarkError.refused }
    let register = Request.register(token: token, mailbox: recipient.mailbox, ownerKey: ownerKey, sealKey: sealKey)
    guard await engine.call(register.encoded) == .reply(Answer.registered.encoded) else { throw BenchmarkError.refused }
    try await MailboxBenchmarks.attach(owner, recipient, engine, serverKey: serverKey)
    return Mailbox(mailbox: recipient.mailbox.bytes, deliveryKey: recipient.deliveryKey.bytes, ownerSeed: seed)
  }

  private struct Application: MailboxApplication {
    let engine: MailboxEngine

    func weight(of request: [UInt8]) -> Int { MailboxEngine.weight(of: request) }

    func call(_ request: [UInt8]) async -> CallAnswer {
      switch await engine.call(request) {
      case .reply(let bytes): .reply(bytes)
      case .malformed: .malformed
      }
    }

    func identityStatement() async -> [UInt8] { [] }
    func openStream() async -> any StreamSession { Stream(session: engine.openSession()) }
  }

  private struct Stream: StreamSession {
    let session: OwnerSession

    func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] { Self.outputs(await session.start(wake: wake)) }
    func receive(_ message: [UInt8]) async -> [StreamOutput] { Self.outputs(await session.receive(message)) }
    func wake() async -> [StreamOutput] { Self.outputs(await session.wake()) }
    func closed() async { await session.closed() }

    private static func outputs(_ outputs: [SessionOutput]) -> [StreamOutput] {
      outputs.map { output in
        switch output {
        case .send(let bytes): .send(bytes)
        case .proved: .proved
        case .close(let malformed): .close(malformed: malformed)
        }
      }
    }
  }

  private struct WallClock: ServerClock {
    func secondsSince1970() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970)) }
  }
}
