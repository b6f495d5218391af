import MailboxClient
import MailboxServer
import Testing

@Suite(.timeLimit(.minutes(10)))
struct StreamTests {
  @Test func `messages go both ways in order`() async throws {
    try await withServer(EchoApplication()) { running in
      let stream = try await ServerConnection(endpoint: running.endpoint).openStream()
      let messages = (0..<100).map { [UInt8](repeating: UInt8($0), count: $0 * 1000) }
      async let received = {
        var received: [[UInt8]] = []
        for try await message in stream.incoming {
          received.append(message)
          if received.count == messages.count { break }
        }
        return received
      }()
      for message in messages {
        try await stream.send(message)
      }
      #expect(try await received == messages)
      await stream.close()
    }
  }

  @Test func `a greeting that comes in one read with the answer to the upgrade is not lost`() async throws {
    try await ScriptedServer.run(.upgradeAndGreet([7, 8, 9])) { port in
      let connection = ServerConnection(endpoint: ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true }))
      let stream = try await connection.openStream()
      for try await message in stream.incoming {
        #expect(message == [7, 8, 9])
        break
      }
      await stream.close()
    }
  }

  @Test func `a reader that comes late gets everything in order, and the server waits for it`() async throws {
    var limits = ClientLimits()
    limits.maximumWaitingByteCount = 150_000
    try await withServer(EchoApplication()) { [limits] running in
      let stream = try await ServerConnection(endpoint: running.endpoint, limits: limits).openStream()
      try await stream.send([0xfe])
      // Calls go on beside it, over their own connection.
      let other = ServerConnection(endpoint: running.endpoint)
      for _ in 0..<50 {
        _ = try await other.call([1])
      }
      var count = 0
      for try await message in stream.incoming {
        #expect(message.count == EchoApplication.burstMessageByteCount)
        #expect(message.first == UInt8(count))
        count += 1
        if count == EchoApplication.burstCount { break }
      }
      #expect(count == EchoApplication.burstCount)
    }
  }

  @Test func `an orderly end from the server ends the sequence, after what came before`() async throws {
    try await withServer(EchoApplication()) { running in
      let stream = try await ServerConnection(endpoint: running.endpoint).openStream()
      try await stream.send([0xfd])
      var received: [[UInt8]] = []
      for try await message in stream.incoming {
        received.append(message)
      }
      #expect(received == [[1]])
      await #expect(throws: ClientError.streamClosed) { try await stream.send([1]) }
    }
  }

  @Test func `a message that the server finds malformed is told so`() async throws {
    try await withServer(EchoApplication()) { running in
      let stream = try await ServerConnection(endpoint: running.endpoint).openStream()
      try await stream.send([0xff])
      await #expect(throws: ClientError.malformedRefused) {
        for try await _ in stream.incoming {}
      }
    }
  }

  @Test func `a server that shuts down ends its streams`() async throws {
    try await withServer(EchoApplication()) { running in
      let connection = ServerConnection(endpoint: running.endpoint)
      let streams = [try await connection.openStream(), try await connection.openStream()]
      await running.server.shutDown()
      for stream in streams {
        for try await _ in stream.incoming {}
      }
    }
  }

  @Test func `closing ends one's own reader`() async throws {
    try await withServer(EchoApplication()) { running in
      let stream = try await ServerConnection(endpoint: running.endpoint).openStream()
      let reader = Task {
        for try await _ in stream.incoming {}
      }
      await stream.close()
      try await reader.value
    }
  }

  @Test func `cancelling the reader ends its loop and loses nothing`() async throws {
    try await withServer(EchoApplication()) { running in
      let stream = try await ServerConnection(endpoint: running.endpoint).openStream()
      let reader = Task {
        for try await _ in stream.incoming {}
      }
      reader.cancel()
      try await reader.value
      try await stream.send([7, 8])
      for try await message in stream.incoming {
        #expect(message == [7, 8])
        break
      }
    }
  }

  @Test func `messages over the limit are not sent, and not taken`() async throws {
    var limits = ClientLimits()
    limits.maximumStreamMessageByteCount = 1000
    try await withServer(EchoApplication()) { [limits] running in
      let stream = try await ServerConnection(endpoint: running.endpoint, limits: limits).openStream()
      await #expect(throws: ClientError.messageTooLarge(byteCount: 1001, limit: 1000)) {
        try await stream.send([UInt8](repeating: 0, count: 1001))
      }
      // The burst's messages are larger than this client takes.
      try await stream.send([0xfe])
      await #expect(throws: ClientError.unacceptableReply) {
        for try await _ in stream.incoming {}
      }
    }
  }

  @Test func `a stream that the server refuses to open`() async throws {
    let answer = Array("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".utf8)
    try await ScriptedServer.run(.answer(answer)) { port in
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true }))
      await #expect(throws: ClientError.busy(retryAfterSeconds: 7)) { _ = try await connection.openStream() }
    }
    try await ScriptedServer.run(.closeAfterRequest) { port in
      let connection = ServerConnection(
        endpoint: ServerEndpoint(host: "127.0.0.1", port: port, pinnedSPKI: { _ in true }))
      await #expect(throws: ClientError.unreachable) { _ = try await connection.openStream() }
    }
  }

  @Test func `a stream on which nothing comes any more is lost`() async throws {
    var limits = ClientLimits()
    limits.streamSilenceTimeout = .milliseconds(100)
    try await withServer(EchoApplication()) { [limits] running in
      let stream = try await ServerConnection(endpoint: running.endpoint, limits: limits).openStream()
      await #expect(throws: ClientError.streamClosed) {
        for try await _ in stream.incoming {}
      }
    }
  }
}
