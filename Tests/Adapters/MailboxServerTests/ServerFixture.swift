import Foundation
import MailboxServer
import Synchronization
import Testing

/// Answers calls with the request in reverse, and echoes streams; requests that begin with 0xff are malformed.
final class EchoApplication: MailboxApplication {
  static let statement: [UInt8] = Array("the identity statement".utf8)

  let sessions = Mutex<[EchoSession]>([])
  private let calls = Mutex(0)

  /// How many calls have arrived.
  var callCount: Int { calls.withLock { $0 } }

  func call(_ request: [UInt8]) async -> CallAnswer {
    calls.withLock { $0 += 1 }
    return request.first == 0xff ? .malformed : .reply(request.reversed())
  }

  func identityStatement() async -> [UInt8] { Self.statement }

  func openStream() async -> any StreamSession {
    let session = EchoSession()
    sessions.withLock { $0.append(session) }
    return session
  }
}

/// Greets, echoes each message, and notes what happens to it.
final class EchoSession: StreamSession {
  static let greeting: [UInt8] = [0x01]
  static let wokenMessage: [UInt8] = [0x02]

  struct Notes {
    var wake: (@Sendable () -> Void)?
    var received: [[UInt8]] = []
    var closedCount = 0
  }

  let notes = Mutex(Notes())

  func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] {
    notes.withLock { $0.wake = wake }
    return [.proved, .send(Self.greeting)]
  }

  func receive(_ message: [UInt8]) async -> [StreamOutput] {
    notes.withLock { $0.received.append(message) }
    if message.first == 0xff {
      return [.close(malformed: true)]
    }
    return [.send(message)]
  }

  func wake() async -> [StreamOutput] { [.send(Self.wokenMessage)] }

  func closed() async {
    notes.withLock { $0.closedCount += 1 }
  }
}

/// A file name in a new directory, which is removed afterwards.
func withTemporaryFile<Output>(_ body: (String) async throws -> Output) async throws -> Output {
  let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  return try await body(directory.appending(path: "tls.pem").path())
}

/// Runs a server on a port of the system's choice for the time of `body`, and shuts it down.
func withServer<Output: Sendable>(
  _ application: any MailboxApplication, limits: ServerLimits = ServerLimits(), plaintextTap: PlaintextTap? = nil,
  _ body: @Sendable (_ server: MailboxServer, _ port: Int) async throws -> Output
) async throws -> Output {
  let material = try await withTemporaryFile { try TLSMaterial.loadOrMake(file: $0) }
  let (ports, continuation) = AsyncStream<Int>.makeStream()
  let server = try MailboxServer(
    application: application, tls: material,
    configuration: MailboxServerConfiguration(limits: limits, plaintextTap: plaintextTap),
    onBound: { continuation.yield($0) })
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      defer { continuation.finish() }
      try await server.run()
    }
    let port = try #require(await ports.first { _ in true })
    do {
      let output = try await body(server, port)
      await server.shutDown()
      try await group.waitForAll()
      return output
    } catch {
      await server.shutDown()
      throw error
    }
  }
}
