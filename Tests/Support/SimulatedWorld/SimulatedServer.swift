import CryptoSuite
package import MailboxEngine
package import MailboxEngineTesting
package import SottoProtocol
import Synchronization

/// The server of a simulated world: the engine over a store in memory that can crash.
package final class SimulatedServer {
  /// The world's time as the server's clock; it stands still but for `advance`.
  final class Clock: ServerClock {
    private let milliseconds: Mutex<UInt64>

    init(_ milliseconds: UInt64) { self.milliseconds = Mutex(milliseconds) }
    func set(_ value: UInt64) { milliseconds.withLock { $0 = value } }
    func secondsSince1970() -> UInt64 { milliseconds.withLock { $0 / 1_000 } }
  }

  /// Streams whose session wants to look at its mailbox.
  final class WakeList: Sendable {
    private let streams = Mutex<Set<Int>>([])

    func add(_ stream: Int) { streams.withLock { _ = $0.insert(stream) } }

    func take() -> [Int] {
      streams.withLock { streams in
        defer { streams = [] }
        return streams.sorted()
      }
    }
  }

  package let address: ServerAddress
  package let store = InMemoryMailboxStore()
  package private(set) var engine: MailboxEngine
  let clock: Clock
  let wakes = WakeList()
  private let secrets: ServerSecrets
  private let issuer: TokenIssuer
  private let random: SeededRandom

  init(seed: UInt64, now: UInt64) throws {
    random = SeededRandom(seed: seed ^ 0x5e5e_5e5e)
    clock = Clock(now)
    let key = SignatureAlgorithm.ed25519.generateKey(using: random)
    secrets = try ServerSecrets(identityKey: key, root: Secret(random.bytes(ServerSecrets.rootByteCount)))
    guard let address = ServerAddress(host: "server.example", port: 443, serverKey: secrets.identity.publicKey) else {
      throw WorldFailure("the address is good")
    }
    self.address = address
    issuer = try TestIssuer.make(day: Day(secondsSince1970: now / 1_000))
    engine = MailboxEngine(store: store, secrets: secrets, issuer: issuer, clock: clock, random: random)
  }

  /// Starts again with what is on the disk.
  func restart() {
    store.reopen()
    engine = MailboxEngine(store: store, secrets: secrets, issuer: issuer, clock: clock, random: random)
  }

  var isDown: Bool { store.isCrashed }

  /// What `GET /v1/identity` gives, as a client takes it.
  func statement() throws -> IdentityStatement {
    let today = clock.today
    let statement = try secrets.identity.statement(
      tlsKeyHashes: [KeyHash(trusted: [UInt8](repeating: 1, count: KeyHash.byteCount))], issuerKeys: issuer.publicKeys(today: today),
      now: clock.secondsSince1970())
    return try IdentityStatement(
      verifying: statement.encoded, serverKey: address.serverKey, now: clock.secondsSince1970(), lastSequence: 0)
  }
}

/// What went wrong in a world, in words.
package struct WorldFailure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
