import CryptoSuite
import MailboxClient
import SottoProtocol
import Synchronization
import WireFormat

/// What one server's session acts on: its connections, pinned to the TLS keys that the server has proven to be its own.
final class ServerWire: Sendable {
  /// Hashes of the keys that are accepted in a handshake; none before the server has proven any.
  private final class Pins: Sendable {
    let hashes = Mutex<Set<[UInt8]>>([])
  }

  private struct Open: Sendable {
    var stream: ServerStream
    var outbox: AsyncStream<[UInt8]>.Continuation
  }

  let address: ServerAddress
  private let endpoint: ServerEndpoint
  private let connection: ServerConnection
  private let pins: Pins
  private let open = Mutex<Open?>(nil)

  init(address: ServerAddress) {
    self.address = address
    let pins = Pins()
    self.pins = pins
    let trust: ServerEndpoint.Trust =
      switch address.trust {
      case .statement: .pinned { hash in pins.hashes.withLock { $0.contains(hash) } }
      case .webPKI: .certified(by: .system)
      }
    endpoint = ServerEndpoint(host: address.host, port: Int(address.port), trust: trust)
    connection = ServerConnection(endpoint: endpoint)
  }

  /// Another connection to the same server, for files: it carries nothing else, so that it links nothing else with them. Its owner shuts it down.
  func fileConnection() -> ServerConnection { ServerConnection(endpoint: endpoint) }

  func pin(_ keys: [KeyHash]) {
    pins.hashes.withLock { $0 = Set(keys.map(\.bytes)) }
  }

  func call(_ request: Request) async throws(ClientError) -> Answer {
    let reply: [UInt8]
    // What was paid for with a voucher is not to be told from the connection by what is spent next.
    if case .redeem = request {
      reply = try await connection.callAlone(request.encoded)
    } else {
      reply = try await connection.call(request.encoded)
    }
    do { return try Answer(decoding: reply) } catch { throw .unacceptableReply }
  }

  /// Fetches the server's statement of its keys and checks it (docs/protocol.md §3).
  ///
  /// - Parameters:
  ///   - now: seconds since 1970.
  ///   - lastSequence: the highest sequence seen from this server.
  static func identify(
    _ address: ServerAddress, now: UInt64, lastSequence: UInt64, random: any RandomSource = SystemRandom()
  ) async throws(ServerProblem) -> IdentityStatement {
    switch address.trust {
    case .statement: try await identifyByKey(address, now: now, lastSequence: lastSequence)
    case .webPKI: try await identifyByNonce(address, now: now, lastSequence: lastSequence, random: random)
    }
  }

  /// The web's authorities vouch for the name, and the server's key signs a nonce of ours.
  private static func identifyByNonce(
    _ address: ServerAddress, now: UInt64, lastSequence: UInt64, random: any RandomSource
  ) async throws(ServerProblem) -> IdentityStatement {
    let nonce = IdentityProof.Nonce.random(using: random)
    let endpoint = ServerEndpoint(host: address.host, port: Int(address.port), trust: .certified(by: .system))
    let bytes: [UInt8]
    do { bytes = try await ServerConnection.fetchIdentityProof(endpoint, nonce: nonce.text) } catch { throw ServerProblem(error) }
    do {
      let proof = try IdentityProof(verifying: bytes, nonce: nonce, server: address)
      return try IdentityStatement(
        verifying: proof.statement, serverKey: address.serverKey, now: now, lastSequence: lastSequence)
    } catch { throw ServerProblem(error) }
  }

  private static func identifyByKey(
    _ address: ServerAddress, now: UInt64, lastSequence: UInt64
  ) async throws(ServerProblem) -> IdentityStatement {
    let answer: IdentityAnswer
    do {
      answer = try await ServerConnection.fetchIdentityStatement(host: address.host, port: Int(address.port))
    } catch { throw ServerProblem(error) }
    let statement: IdentityStatement
    do {
      statement = try IdentityStatement(
        verifying: answer.statement, serverKey: address.serverKey, now: now, lastSequence: lastSequence)
    } catch { throw ServerProblem(error) }
    guard statement.keyHashes.contains(where: { $0.bytes == answer.leafSPKIHash }) else { throw .notThisServer }
    return statement
  }

  /// Opens the stream; messages are sent in the order of `send`.
  func openStream() async throws(ClientError) -> ServerStream {
    let stream = try await connection.openStream()
    let (messages, outbox) = AsyncStream<[UInt8]>.makeStream()
    let previous = open.withLock { open in
      defer { open = Open(stream: stream, outbox: outbox) }
      return open
    }
    previous?.outbox.finish()
    Task {
      for await message in messages {
        do { try await stream.send(message) } catch { break }
      }
      // Ends the reader too, whether the outbox was closed or the connection was lost.
      await stream.close()
    }
    return stream
  }

  /// Queues a message on the open stream; without one it is dropped, and its sender hears of the loss.
  func send(_ message: OwnerMessage) {
    let open = self.open.withLock { $0 }
    open?.outbox.yield(message.encoded)
  }

  func closeStream() {
    let last = open.withLock { open in
      defer { open = nil }
      return open
    }
    last?.outbox.finish()
  }

  func shutDown() async {
    closeStream()
    await connection.shutDown()
  }
}
