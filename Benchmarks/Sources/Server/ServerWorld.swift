import CryptoSuite
import Foundation
import MailboxEngine
import MailboxEngineTesting
import ServerStorage
import SottoProtocol
import WireFormat

/// A server's data directory with mailboxes in it, and what their owners know: made once, and copied for each server that is
/// measured.
struct ServerWorld: Codable, Sendable {
  struct Mailbox: Codable, Sendable {
    var id: [UInt8]
    var deliveryKey: [UInt8]
    var ownerSeed: [UInt8]
  }

  var directory: String
  var mailboxes: [Mailbox] = []
  /// A log, empty and without a GroupInfo.
  var log: [UInt8] = []
  /// Another one, and the key that appends to it.
  var openLog: [UInt8] = []
  var openLogKey: [UInt8] = []
  /// A capability whose only blob is taken.
  var capability: [UInt8] = []
  var issuerKeys: [UInt8] = []
  /// A voucher that is used up.
  var voucher: [UInt8] = []
  /// An entry token that is spent, and a common one: the id, then the signature.
  var token: [UInt8] = []
  var commonToken: [UInt8] = []
  /// The write key of a file that is complete, of two mebibytes.
  var file: [UInt8] = []
  /// The write key of a file of which nothing has come.
  var unfinishedFile: [UInt8] = []

  static let fileByteCount = 4 * Limits.objectPieceByteCount

  func recipient(_ index: Int) throws -> Recipient {
    let mailbox = mailboxes[index % mailboxes.count]
    guard let id = MailboxID(mailbox.id), let key = Permission(mailbox.deliveryKey) else { throw BenchmarkError.refused }
    return Recipient(mailbox: id, deliveryKey: key)
  }

  func owner(_ index: Int) throws -> SigningKey {
    try SigningKey(.ed25519, privateKey: Secret(mailboxes[index % mailboxes.count].ownerSeed))
  }
}

/// Makes worlds.
struct WorldMaker {
  private let engine: MailboxEngine
  private let serverKey: PublicKey32
  private let issuerKeys: IssuerKeys
  private let random = SystemRandom()

  /// Makes a directory that a server can be started on.
  static func make(directory path: String, mailboxCount: Int) async throws -> ServerWorld {
    let directory = ServerDirectory(path)
    let lock = try directory.lock()
    defer { withExtendedLifetime(lock) {} }
    let store = try directory.openStore(creating: true, checking: false)
    let secrets = try directory.keys(creating: true).secrets()
    let clock = WallClock()
    let issuer = TokenIssuer(keys: try directory.issuerKeys(today: clock.today))
    guard let issuerKeys = issuer.publicKeys(today: clock.today).first else { throw BenchmarkError.refused }
    let engine = MailboxEngine(
      store: store, objects: try directory.openObjects(), secrets: secrets, issuer: issuer, clock: clock, random: SystemRandom())
    let maker = WorldMaker(engine: engine, serverKey: secrets.identity.publicKey, issuerKeys: issuerKeys)
    var world = ServerWorld(directory: path)
    world.issuerKeys = issuerKeys.encoded
    world.mailboxes = try await maker.makeMailboxes(mailboxCount)
    try await maker.addOthers(to: &world)
    try store.close()
    return world
  }

  private struct WallClock: ServerClock {
    func secondsSince1970() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970)) }
  }

  private func call(_ request: Request) async throws -> Answer {
    guard case .reply(let bytes) = await engine.call(request.encoded) else { throw BenchmarkError.refused }
    return try Answer(decoding: bytes)
  }

  private func makeVoucher() async throws -> Permission {
    guard let voucher = try await engine.makeVouchers(1).first else { throw BenchmarkError.refused }
    return voucher
  }

  /// - Parameter count: tokens that the voucher is to bring, of which the first makes a mailbox.
  private func makeTokens(_ count: Int, _ voucher: Permission) async throws -> [Token] {
    let batch = try TestBatch(count, issuer: issuerKeys, random: random)
    return try batch.finish(try await call(batch.redeem(voucher)))
  }

  /// Each by a voucher of its own.
  private func makeMailboxes(_ count: Int) async throws -> [ServerWorld.Mailbox] {
    try await withThrowingTaskGroup(of: [ServerWorld.Mailbox].self) { group in
      // As many at once as fill a transaction.
      let workerCount = 128
      for worker in 0..<workerCount {
        group.addTask {
          var made: [ServerWorld.Mailbox] = []
          for _ in stride(from: worker, to: count, by: workerCount) {
            for token in try await makeTokens(1, makeVoucher()) { made.append(try await makeMailbox(token)) }
          }
          return made
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  private func makeMailbox(_ token: Token) async throws -> ServerWorld.Mailbox {
    let seed = random.bytes(32)
    let owner = try SigningKey(.ed25519, privateKey: Secret(seed))
    let recipient = Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random))
    guard let ownerKey = PublicKey32(owner.publicKey), let sealKey = PublicKey32(FirstContact.suite.generateKeyPair().publicKey)
    else { throw BenchmarkError.refused }
    let register = Request.register(token: token, mailbox: recipient.mailbox, ownerKey: ownerKey, sealKey: sealKey)
    guard try await call(register) == .registered else { throw BenchmarkError.refused }
    try await MailboxBenchmarks.attach(owner, recipient, engine, serverKey: serverKey)
    return ServerWorld.Mailbox(id: recipient.mailbox.bytes, deliveryKey: recipient.deliveryKey.bytes, ownerSeed: seed)
  }

  /// What requests are refused for, each of which exists.
  private func addOthers(to world: inout ServerWorld) async throws {
    let voucher = try await makeVoucher()
    let tokens = try await makeTokens(Limits.tokensPerVoucher, voucher)
    guard tokens.count == 4 else { throw BenchmarkError.refused }
    world.voucher = voucher.bytes
    world.token = tokens[0].encoded
    world.commonToken = tokens[1].encoded

    let mailbox = TestMailbox(random: random)
    guard try await call(mailbox.registration(token: tokens[0])) == .registered else { throw BenchmarkError.refused }
    let capability = Permission.random(using: random)
    let stream = TestStream(engine.openSession(), mailbox: mailbox)
    try await stream.attach()
    try await stream.send(.publish(id: 7, capabilityHash: capability.hash, days: 30, blobs: [random.bytes(3_000)]))
    await stream.close()
    guard case .claimed = try await call(.claim(capability: capability, id: .random(using: random))) else {
      throw BenchmarkError.refused
    }
    world.capability = capability.bytes

    world.log = try await makeLog(tokens[1], Permission.random(using: random))
    let more = try await makeTokens(2, makeVoucher())
    guard more.count == 2 else { throw BenchmarkError.refused }
    let writeKey = Permission.random(using: random)
    world.openLog = try await makeLog(more[1], writeKey)
    world.openLogKey = writeKey.bytes

    world.file = try await makeFile(tokens[2], isComplete: true)
    world.unfinishedFile = try await makeFile(tokens[3], isComplete: false)
  }

  private func makeLog(_ token: Token, _ writeKey: Permission) async throws -> [UInt8] {
    let handle = HandleID.random(using: random)
    let administrator = SignatureAlgorithm.ed25519.generateKey()
    guard let key = PublicKey32(administrator.publicKey) else { throw BenchmarkError.refused }
    let log = Request.createLog(token: token, handle: handle, writeKeyHash: writeKey.hash, administratorKeys: [key])
    guard try await call(log) == .created else { throw BenchmarkError.refused }
    return handle.bytes
  }

  private func makeFile(_ token: Token, isComplete: Bool) async throws -> [UInt8] {
    let writeKey = Permission.random(using: random)
    let byteCount = ServerWorld.fileByteCount
    var requests: [ObjectRequest] = [.create(writeKey: writeKey, byteCount: UInt64(byteCount), days: 30, tokens: [token])]
    if isComplete {
      for offset in stride(from: 0, to: byteCount, by: Limits.objectPieceByteCount) {
        requests.append(.write(writeKey: writeKey, offset: UInt64(offset), bytes: random.bytes(Limits.objectPieceByteCount)))
      }
      requests.append(.finish(writeKey: writeKey))
    }
    for request in requests {
      guard case .object = try await call(.object(request)) else { throw BenchmarkError.refused }
    }
    return writeKey.bytes
  }
}
