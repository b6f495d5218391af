import CryptoSuite
import Foundation
import SottoProtocol
import Synchronization
import WireFormat

/// One way to be a nuisance, by many connections at once.
struct Attack: Sendable {
  /// For the command line.
  let name: String
  let title: String
  /// Connections, each of which begins anew when it ends.
  let count: Int
  /// How many addresses they come from.
  let addressCount: Int
  /// The life of one connection, until it ends.
  let act: @Sendable (AttackSite, Int) async throws -> Void

  init(
    _ name: String, _ title: String, count: Int, addresses: Int, act: @escaping @Sendable (AttackSite, Int) async throws -> Void
  ) {
    self.name = name
    self.title = title
    self.count = count
    addressCount = addresses
    self.act = act
  }
}

/// What the connections of an attack share.
final class AttackSite: Sendable {
  let server: ServerUnderTest
  /// What a TLS client says first; the same for all that do not mean it.
  let hello: [UInt8]
  private let addressCount: Int
  private let gate = Gate(64)
  private let openedCount = Atomic<Int>(0)

  init(server: ServerUnderTest, hello: [UInt8], addressCount: Int) {
    self.server = server
    self.hello = hello
    self.addressCount = addressCount
  }

  var world: ServerWorld { server.world }
  var opened: Int { openedCount.load(ordering: .relaxed) }

  func connect(_ index: Int, isEncrypted: Bool = true, receiveBufferByteCount: Int? = nil) async throws -> BenchClient {
    let peer = try await BenchClient.connect(
      port: server.port, from: Loopback.address(100, index % addressCount), isEncrypted: isEncrypted,
      receiveBufferByteCount: receiveBufferByteCount)
    openedCount.add(1, ordering: .relaxed)
    return peer
  }

  func attach(_ index: Int, receiveBufferByteCount: Int? = nil) async throws -> BenchClient {
    let peer = try await connect(index, receiveBufferByteCount: receiveBufferByteCount)
    return try await server.attach(index, to: peer)
  }

  /// Lets some tens at a time through, so that thousands who begin at once do not wait for each other's time limits.
  func opening<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
    await gate.enter()
    defer { gate.leave() }
    return try await body()
  }
}

/// Lets so many in at a time.
private final class Gate: Sendable {
  private struct State {
    var free: Int
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private let state: Mutex<State>

  init(_ count: Int) { state = Mutex(State(free: count)) }

  func enter() async {
    await withCheckedContinuation { continuation in
      let isIn = state.withLock { state in
        if state.free > 0 {
          state.free -= 1
          return true
        }
        state.waiting.append(continuation)
        return false
      }
      if isIn { continuation.resume() }
    }
  }

  func leave() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard let next = state.waiting.first else {
        state.free += 1
        return nil
      }
      state.waiting.removeFirst()
      return next
    }
    next?.resume()
  }
}

/// The process of an attack: this program again, at a low priority, so that it takes what the server and honest clients leave.
enum AttackProcess {
  static let flag = "--attack"

  /// Says `ready`, attacks until standard input ends, and says how many connections it opened.
  static func run(_ name: String, port: Int, worldFile: String) async throws {
    DescriptorLimit.raise()
    guard let attack = Attack.all.first(where: { $0.name == name }) else { throw BenchmarkError.refused }
    let world = try JSONDecoder().decode(ServerWorld.self, from: Data(contentsOf: URL(filePath: worldFile)))
    let site = AttackSite(
      server: ServerUnderTest(world: world, pid: 0, port: port), hello: try await ClientHello.capture(),
      addressCount: attack.addressCount)
    for index in 0..<attack.count {
      Task {
        while true {
          // Whoever is refused tries again.
          do { try await attack.act(site, index) } catch { try? await Task.sleep(for: .milliseconds(20)) }
        }
      }
    }
    say("ready")
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        while !FileHandle.standardInput.availableData.isEmpty {}
        continuation.resume()
      }
    }
    say("\(site.opened)")
    exit(0)
  }

  private static func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

  static func start(_ attack: Attack, on server: ServerUnderTest, worldFile: String) throws -> ChildProcess {
    let child = try ChildProcess(
      "/bin/sh",
      ["-c", "exec nice -n 10 \"$0\" \"$@\"", "/proc/self/exe".resolved, flag, attack.name, "\(server.port)", worldFile])
    guard try child.readLine() == "ready" else { throw BenchmarkError.refused }
    return child
  }
}

extension String {
  fileprivate var resolved: String { URL(filePath: self).resolvingSymlinksInPath().path }
}

/// Files that a process may have open.
enum DescriptorLimit {
  static func raise() {
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    // `unsafe`: the system reads and writes the value during the calls.
    guard unsafe getrlimit(files, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(files, &limit)
  }
}
