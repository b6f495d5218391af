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
    engine = MailboxEngine(store: store, secrets: secrets, clock: clock, random: random)
  }

  /// Starts again with what is on the disk.
  func restart() {
    store.reopen()
    engine = MailboxEngine(store: store, secrets: secrets, clock: clock, random: random)
  }

  var isDown: Bool { store.isCrashed }
}

/// What went wrong in a world, in words.
package struct WorldFailure: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
