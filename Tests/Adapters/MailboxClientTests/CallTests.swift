import MailboxClient
import MailboxServer
import NIOSSL
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct CallTests {
  private func endpoint(port: Int) -> ServerEndpoint {
    ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true })
  }

  @Test func `calls of all sizes come back, over the one connection`() async throws {
    let handshakes = Mutex(0)
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "127.0.0.1", port: running.port) { hash in
          handshakes.withLock { $0 += 1 }
          return hash == running.leafSPKIHash
        })
      for count in [0, 1, 100, 65_536, 1 << 20] {
        let request = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) & 0x7f }
        let reply = try await connection.call(request)
        #expect(reply == request.reversed())
      }
      await connection.shutDown()
    }
    #expect(handshakes.withLock { $0 } == 1)
  }

  @Test func `a call made alone has a connection that nothing else has`() async throws {
    let handshakes = Mutex(0)
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "127.0.0.1", port: running.port) { hash in
          handshakes.withLock { $0 += 1 }
          return hash == running.leafSPKIHash
        })
      let first = try await connection.call([1, 2])
      let alone = try await connection.callAlone([3, 4])
      let aloneAgain = try await connection.callAlone([5, 6])
      #expect([first, alone, aloneAgain] == [[2, 1], [4, 3], [6, 5]])
      #expect(handshakes.withLock { $0 } == 3)
      let last = try await connection.call([7, 8])
      #expect(last == [8, 7])
      await #expect(throws: ClientError.malformedRefused) { try await connection.callAlone([0xff]) }
      await connection.shutDown()
    }
    #expect(handshakes.withLock { $0 } == 4)
  }

  @Test func `calls made at the same time are all answered, each with its own reply`() async throws {
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0..<50 {
          group.addTask { try await connection.call([UInt8(index), 1, 2]) == [2, 1, UInt8(index)] }
        }
        for try await isRight in group {
          #expect(isRight)
        }
      }
    }
  }

  @Test func `a wrong pin is refused, before the server learns anything`() async throws {
    let application = EchoApplication()
    try await withServer(application) { running in
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "127.0.0.1", port: running.port, pinnedSPKI: { _ in false }))
      await #expect(throws: ClientError.refusedTLS) { try await connection.call([1]) }
      await #expect(throws: ClientError.refusedTLS) { _ = try await connection.openStream() }
    }
    #expect(application.received.isEmpty)
  }

  @Test func `the pin is asked again after the server changed its key`() async throws {
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      let reply = try await connection.call([1, 2])
      #expect(reply == [2, 1])
      try running.server.replaceTLS(with: makeMaterial())
      // The connection that exists has been checked; the next one shows the new key.
      let second = try await connection.call([1, 2])
      #expect(second == [2, 1])
      await #expect(throws: ClientError.malformedRefused) { try await connection.call([0xff]) }
      await #expect(throws: ClientError.refusedTLS) { try await connection.call([1, 2]) }
    }
  }

  @Test func `a server that speaks only TLS 1.2 is refused`() async throws {
    try await ScriptedServer.run(.silence, maximumTLSVersion: .tlsv12) { port in
      let connection = ServerConnection(endpoint: endpoint(port: port))
      await #expect(throws: ClientError.refusedTLS) { try await connection.call([1]) }
    }
  }

  @Test func `after a malformed request the next call opens a connection anew`() async throws {
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      for _ in 0..<3 {
        await #expect(throws: ClientError.malformedRefused) { try await connection.call([0xff]) }
        let reply = try await connection.call([1, 2])
        #expect(reply == [2, 1])
      }
    }
  }

  @Test func `a server that is not there is unreachable, and reached when it is back`() async throws {
    let material = try makeMaterial()
    let application = EchoApplication()
    let running = try await withServer(application, material: material) { running in
      _ = try await ServerConnection(endpoint: running.endpoint).call([1])
      return running
    }
    let connection = ServerConnection(endpoint: running.endpoint)
    await #expect(throws: ClientError.unreachable) { try await connection.call([1]) }
    await #expect(throws: ClientError.unreachable) { _ = try await connection.openStream() }
    try await withServer(application, port: running.port, material: material) { _ in
      let reply = try await connection.call([3, 4])
      #expect(reply == [4, 3])
    }
    let another = ServerConnection(endpoint: running.endpoint)
    await #expect(throws: ClientError.unreachable) { try await another.call([1]) }
    #expect(application.received == [[1], [3, 4]])
  }

  @Test func `a connection cut before TLS is unreachable`() async throws {
    try await ScriptedServer.run(.closeAtOnce) { port in
      let connection = ServerConnection(endpoint: endpoint(port: port))
      await #expect(throws: ClientError.unreachable) { try await connection.call([1]) }
    }
  }

  @Test func `a connection cut after the request leaves the outcome open`() async throws {
    try await ScriptedServer.run(.closeAfterRequest) { port in
      let connection = ServerConnection(endpoint: endpoint(port: port))
      await #expect(throws: ClientError.outcomeUnknown) { try await connection.call([1]) }
    }
  }

  @Test func `a server that never answers leaves the outcome open`() async throws {
    var limits = ClientLimits()
    limits.callTimeout = .milliseconds(100)
    try await ScriptedServer.run(.silence) { [limits] port in
      let connection = ServerConnection(endpoint: endpoint(port: port), limits: limits)
      await #expect(throws: ClientError.outcomeUnknown) { try await connection.call([1]) }
    }
  }

  @Test func `cancelling a call ends it`() async throws {
    try await ScriptedServer.run(.silence) { port in
      let connection = ServerConnection(endpoint: endpoint(port: port))
      let call = Task { try await connection.call([1]) }
      call.cancel()
      await #expect(throws: ClientError.self) { try await call.value }
    }
  }

  @Test func `other answers are told apart`() async throws {
    let cases: [(answer: String, error: ClientError)] = [
      ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", .busy(retryAfterSeconds: nil)),
      ("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", .busy(retryAfterSeconds: 5)),
      ("HTTP/1.1 429 Too Many Requests\r\nRetry-After: x\r\nContent-Length: 0\r\n\r\n", .busy(retryAfterSeconds: nil)),
      ("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n", .serverError(status: 413)),
      ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", .malformedRefused),
      ("SSH-2.0-OpenSSH_9.2p1\r\n", .unacceptableReply),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + String(repeating: "a", count: 1001), .unacceptableReply),
    ]
    var limits = ClientLimits()
    limits.maximumReplyByteCount = 1000
    for (answer, error) in cases {
      try await ScriptedServer.run(.answer(Array(answer.utf8))) { [limits] port in
        let connection = ServerConnection(endpoint: endpoint(port: port), limits: limits)
        await #expect(throws: error) { try await connection.call([1]) }
      }
    }
  }

  @Test func `a request over the limit is not sent`() async throws {
    let application = EchoApplication()
    try await withServer(application) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      await #expect(throws: ClientError.messageTooLarge(byteCount: (1 << 20) + 1, limit: 1 << 20)) {
        try await connection.call([UInt8](repeating: 0, count: (1 << 20) + 1))
      }
    }
    #expect(application.received.isEmpty)
  }

  @Test func `after shutting down nothing is sent`() async throws {
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      _ = try await connection.call([1])
      await connection.shutDown()
      await #expect(throws: ClientError.shutDown) { try await connection.call([1]) }
    }
  }

  @Test func `the identity statement comes with the key that the server showed`() async throws {
    try await withServer(EchoApplication()) { running in
      let answer = try await ServerConnection.fetchIdentityStatement(host: "127.0.0.1", port: running.port)
      #expect(answer.statement == EchoApplication.statement)
      #expect(answer.leafSPKIHash == running.leafSPKIHash)
      // By name, with a pin that would refuse: this function asks no pin.
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "localhost", port: running.port, pinnedSPKI: { _ in false }))
      let again = try await connection.fetchIdentityStatement()
      #expect(again.leafSPKIHash == running.leafSPKIHash)
    }
  }
}
