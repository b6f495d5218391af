public import CryptoSuite
public import MailboxEngine
public import SottoProtocol
import WireFormat

/// A server in one process: an engine over a store, with a clock that stands still and randomness from a seed.
public struct EngineFixture: Sendable {
  public let store: any MailboxStore
  public let objects: (any ObjectStore)?
  public let clock: ManualClock
  public let random: SeededRandom
  public let secrets: ServerSecrets
  public let engine: MailboxEngine

  public init(
    store: any MailboxStore, objects: (any ObjectStore)? = nil, seed: UInt64 = 1, clock: ManualClock = ManualClock()
  ) throws(CryptoError) {
    self.store = store
    self.objects = objects
    self.clock = clock
    random = SeededRandom(seed: seed)
    secrets = try ServerSecrets(
      identityKey: SignatureAlgorithm.ed25519.generateKey(using: random),
      root: Secret(randomByteCount: ServerSecrets.rootByteCount, using: random))
    engine = MailboxEngine(
      store: store, objects: objects, secrets: secrets, issuer: try TestIssuer.make(day: clock.today), clock: clock, random: random)
  }

  private init(_ other: EngineFixture, store: any MailboxStore) {
    self.store = store
    objects = other.objects
    clock = other.clock
    random = other.random
    secrets = other.secrets
    engine = MailboxEngine(
      store: store, objects: other.objects, secrets: other.secrets, issuer: other.engine.issuer, clock: other.clock,
      random: other.random)
  }

  /// The same server after a restart: the same secrets over a store that was opened again.
  public func restarted(over store: any MailboxStore) -> EngineFixture { EngineFixture(self, store: store) }

  public func call(_ request: Request) async throws -> Answer {
    guard case .reply(let bytes) = await engine.call(request.encoded) else { throw FixtureError.malformed }
    return try Answer(decoding: bytes)
  }

  /// Registers a mailbox with these delivery keys, padded as the protocol asks.
  public func makeMailbox(deliveryKeys: [Permission] = []) async throws -> TestMailbox {
    let mailbox = TestMailbox(random: random)
    guard try await call(mailbox.registration(token: entryToken())) == .registered else { throw FixtureError.unexpectedAnswer }
    if !deliveryKeys.isEmpty {
      let stream = try await attach(mailbox)
      try await stream.send(.delivery(id: 1, keyHashes: TestMailbox.padded(deliveryKeys.map(\.hash), random: random)))
      guard await stream.messages.contains(.done(id: 1, outcome: .done)) else { throw FixtureError.unexpectedAnswer }
      await stream.close()
    }
    return mailbox
  }

  /// A common token that is good at this server, and that nobody has spent.
  public func token() throws(CryptoError) -> Token { try TestIssuer.token(.common, using: random) }

  /// One that makes a mailbox.
  public func entryToken() throws(CryptoError) -> Token { try TestIssuer.token(.entry, using: random) }

  /// Has tokens signed for a voucher: the first makes a mailbox, the others are common ones.
  public func redeem(_ voucher: Permission, count: Int = Limits.tokensPerVoucher) async throws -> [Token] {
    let batch = try TestBatch(count, random: random)
    return try batch.finish(await call(batch.redeem(voucher)))
  }

  /// Opens a stream and attaches to a mailbox.
  public func attach(_ mailbox: TestMailbox, acknowledging: Bool = false) async throws -> TestStream {
    let stream = TestStream(engine.openSession(), mailbox: mailbox, acknowledging: acknowledging)
    try await stream.attach()
    return stream
  }

  /// A frame that no client made, of the smallest size.
  public func frame(_ text: String = "") -> [UInt8] {
    Array(text.utf8) + random.bytes(Limits.smallestFrameByteCount - text.utf8.count)
  }
}

/// What a test did not expect of a server.
public enum FixtureError: Error, Equatable, Sendable { case malformed, unexpectedAnswer, notAttached, closed }
