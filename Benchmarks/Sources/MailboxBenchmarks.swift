import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import Metering
import ServerStorage
import SottoProtocol
import WireFormat

/// A server with many mailboxes that takes sends: what the engine costs, and what the disk allows.
///
/// The work runs on several threads, so CPU time is the process's; sends to a disk are counted by the clock on the wall.
struct MailboxBenchmarks {
  private static let mailboxCount = 64
  private static let frame = [UInt8](repeating: 9, count: 2_048)

  /// A clock that stands still brings no allowance back.
  private static var unlimited: DeliveryLimits {
    var limits = DeliveryLimits()
    limits.pace = .unlimited
    limits.share = .unlimited
    return limits
  }

  private let engine: MailboxEngine
  private let recipients: [Recipient]

  /// Registers the mailboxes over a store.
  init(_ store: any MailboxStore) async throws {
    let random = SystemRandom()
    let secrets = try ServerSecrets(
      identityKey: SignatureAlgorithm.ed25519.generateKey(), root: Secret(randomByteCount: ServerSecrets.rootByteCount, using: random))
    let engine = MailboxEngine(
      store: store, secrets: secrets, issuer: try TestIssuer.make(), clock: ManualClock(), random: random,
      deliveryLimits: Self.unlimited)
    self.engine = engine
    var recipients: [Recipient] = []
    for _ in 0..<Self.mailboxCount {
      let owner = SignatureAlgorithm.ed25519.generateKey()
      let recipient = Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random))
      guard let ownerKey = PublicKey32(owner.publicKey), let sealKey = PublicKey32(FirstContact.suite.generateKeyPair().publicKey) else {
        throw BenchmarkError.refused
      }
      let register = Request.register(
        token: try TestIssuer.token(.entry, using: random), mailbox: recipient.mailbox, ownerKey: ownerKey, sealKey: sealKey)
      guard await engine.call(register.encoded) == .reply(Answer.registered.encoded) else { throw BenchmarkError.refused }
      try await Self.attach(owner, recipient, engine, serverKey: secrets.identity.publicKey)
      recipients.append(recipient)
    }
    self.recipients = recipients
  }

  /// Tells the server the mailbox's delivery key, as its owner does.
  static func attach(
    _ owner: SigningKey, _ recipient: Recipient, _ engine: MailboxEngine, serverKey: PublicKey32
  ) async throws {
    let session = engine.openSession()
    guard case .send(let hello)? = await session.start(wake: {}).first, case .hello(_, let nonce) = try ServerMessage(decoding: hello)
    else {
      throw BenchmarkError.refused
    }
    let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: recipient.mailbox)
    guard let signature = Signature64(try owner.sign(content)) else { throw BenchmarkError.refused }
    _ = await session.receive(OwnerMessage.attach(mailbox: recipient.mailbox, signature: signature).encoded)
    let hashes = [KeyHash](repeating: recipient.deliveryKey.hash, count: Limits.deliveryKeyPadding)
    _ = await session.receive(OwnerMessage.delivery(id: 1, keyHashes: hashes).encoded)
    await session.closed()
  }

  /// Sends so many frames, each to so many mailboxes, from so many clients at once.
  ///
  /// - Returns: CPU time of the process and time on the wall, in nanoseconds for one send.
  private func send(_ count: Int, recipientCount: Int, clients: Int) async throws -> (cpu: Double, wall: Double) {
    let random = SystemRandom()
    let all = (0..<count).map { index in
      let to = (0..<recipientCount).map { recipients[(index + $0) % recipients.count] }
      return Request.send(id: .random(using: random), frame: Self.frame, recipients: to).encoded
    }
    let expected = CallOutcome.reply(Answer.sent([RecipientAnswer](repeating: .accepted, count: recipientCount)).encoded)
    let (cpu, wall) = (processNanoseconds(), wallNanoseconds())
    let isGood = await withTaskGroup(of: Bool.self) { group in
      for client in 0..<clients {
        group.addTask {
          for index in stride(from: client, to: all.count, by: clients) where await engine.call(all[index]) != expected { return false }
          return true
        }
      }
      return await group.reduce(true) { $0 && $1 }
    }
    guard isGood else { throw BenchmarkError.refused }
    return ((processNanoseconds() - cpu) / Double(count), (wallNanoseconds() - wall) / Double(count))
  }

  // MARK: Reports

  static func run(_ report: inout Report) async throws {
    let random = SystemRandom()
    let pair = FirstContact.suite.generateKeyPair()
    let hpke = try best { keep(try FirstContact.suite.seal(frame, to: pair.publicKey, info: [1], aad: random.bytes(16))) }
    let memory = try await MailboxBenchmarks(InMemoryMailboxStore())
    for recipientCount in [1, 16, 64] {
      var times: [Double] = []
      for _ in 0..<9 { times.append(try await memory.send(512 / recipientCount, recipientCount: recipientCount, clients: 1).cpu) }
      report.add(
        "server", "send over memory, CPU", size: recipientCount, (times.min() ?? 0) / 1e3, "us", floor: Double(recipientCount) * hpke / 1e3,
        of: "1 HPKE seal a recipient")
    }

    let folder = FileManager.default.temporaryDirectory.appending(path: "sotto-bench-\(UInt64.random(in: 0...UInt64.max))")
    defer { try? FileManager.default.removeItem(at: folder) }
    let directory = ServerDirectory(folder.path)
    let lock = try directory.lock()
    let store = try directory.openStore(creating: true, checking: false)
    let disk = try await MailboxBenchmarks(store)
    let raw = try RawInserts(path: folder.appending(path: "raw.sqlite").path)
    for clients in [1, 16, 200] {
      var sends: [(cpu: Double, wall: Double)] = []
      var inserts: [Double] = []
      let count = clients == 1 ? 100 : 2_000
      for _ in 0..<5 {
        sends.append(try await disk.send(count, recipientCount: 1, clients: clients))
        inserts.append(try raw.insert(count, batch: clients))
      }
      report.add(
        "server", "send over SQLite, on the wall", size: clients, (sends.map(\.wall).min() ?? 0) / 1e3, "us",
        floor: (inserts.min() ?? 0) / 1e3,
        of: "1 row, N to a flushed transaction")
      report.add(
        "server", "send over SQLite, CPU", size: clients, (sends.map(\.cpu).min() ?? 0) / 1e3, "us", floor: hpke / 1e3, of: "1 HPKE seal")
    }
    try store.close()
    withExtendedLifetime(lock) {}
  }
}

enum BenchmarkError: Error {
  /// The server did not do what it must.
  case refused
}

/// The least that a durable server does: rows of the size of an envelope, so many to a transaction, each transaction flushed.
struct RawInserts {
  private let pool: DatabasePool

  init(path: String) throws {
    pool = try DatabasePool(path: path)
    try pool.writeWithoutTransaction { db in
      // Opening the pool has turned this down.
      try db.execute(sql: "PRAGMA synchronous = FULL")
      try db.execute(
        sql:
          "CREATE TABLE rows (name BLOB NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, number)) WITHOUT ROWID")
    }
  }

  /// - Returns: time on the wall for one row, in nanoseconds.
  func insert(_ count: Int, batch: Int) throws -> Double {
    let bytes = Data(repeating: 5, count: 2_048 + Envelope.overheadByteCount)
    let random = SystemRandom()
    let start = wallNanoseconds()
    for first in stride(from: 0, to: count, by: batch) {
      try pool.write { db in
        for number in first..<min(count, first + batch) {
          try db.cachedStatement(sql: "INSERT INTO rows VALUES (?, ?, ?)").execute(
            arguments: [Data(random.bytes(32)), number, bytes])
        }
      }
    }
    return (wallNanoseconds() - start) / Double(count)
  }
}
