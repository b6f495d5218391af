import Foundation
import MailboxClient
import MailboxServer
import Synchronization
import Testing

/// Answers calls with the request in reverse, and echoes streams. A first byte of 0xff is malformed; on a stream, 0xfe
/// asks for a burst of messages and 0xfd for an orderly end.
final class EchoApplication: MailboxApplication {
  static let statement: [UInt8] = Array("the identity statement".utf8)
  static let burstCount = 200
  static let burstMessageByteCount = 100_000

  private let calls = Mutex<[[UInt8]]>([])

  /// The requests that have arrived.
  var received: [[UInt8]] { calls.withLock { $0 } }

  func call(_ request: [UInt8]) async -> CallAnswer {
    calls.withLock { $0.append(request) }
    return request.first == 0xff ? .malformed : .reply(request.reversed())
  }

  func identityStatement() async -> [UInt8] { Self.statement }

  func openStream() async -> any StreamSession { Session() }

  private struct Session: StreamSession {
    func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] { [.proved] }

    func receive(_ message: [UInt8]) async -> [StreamOutput] {
      switch message.first {
      case 0xff: [.close(malformed: true)]
      case 0xfe:
        (0..<EchoApplication.burstCount).map {
          .send([UInt8](repeating: UInt8($0), count: EchoApplication.burstMessageByteCount))
        }
      case 0xfd: [.send([1]), .close(malformed: false)]
      default: [.send(message)]
      }
    }

    func wake() async -> [StreamOutput] { [] }
    func closed() async {}
  }
}

/// A server that runs until it is told otherwise.
struct RunningServer: Sendable {
  let server: MailboxServer
  let port: Int
  let leafSPKIHash: [UInt8]

  /// An endpoint whose pin takes this server's key and no other.
  var endpoint: ServerEndpoint {
    ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { [leafSPKIHash] in $0 == leafSPKIHash })
  }
}

/// Runs a server for the time of `body`; on the given port, or one of the system's choice.
func withServer<Output: Sendable>(
  _ application: any MailboxApplication, port: Int = 0, limits: ServerLimits = ServerLimits(), material: TLSMaterial? = nil,
  _ body: @Sendable (RunningServer) async throws -> Output
) async throws -> Output {
  let material = try material ?? makeMaterial()
  let (ports, continuation) = AsyncStream<Int>.makeStream()
  let server = try MailboxServer(
    application: application, tls: material, configuration: MailboxServerConfiguration(port: port, limits: limits),
    onBound: { continuation.yield($0) })
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      defer { continuation.finish() }
      try await server.run()
    }
    let port = try #require(await ports.first { _ in true })
    let output: Output
    do {
      output = try await body(RunningServer(server: server, port: port, leafSPKIHash: material.leafSPKIHash))
    } catch {
      await server.shutDown()
      throw error
    }
    await server.shutDown()
    try await group.waitForAll()
    return output
  }
}

/// A new self-made certificate.
func makeMaterial() throws -> TLSMaterial {
  let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  return try TLSMaterial.make(file: directory.appending(path: "tls.pem").path())
}
