import FoundationEssentials
import MailboxServer
import Metering
import Synchronization
import Testing

/// What peers hear when they ask for too much, over real sockets.
@Suite(.timeLimit(.minutes(10)))
struct LimitTests {
  private static let call = "POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
  private static let health = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"

  private func count(_ part: String, in bytes: [UInt8]) -> Int {
    String(decoding: bytes, as: UTF8.self).components(separatedBy: part).count - 1
  }

  @Test func `who asks too much is told when to come back, and nothing of it reaches the application`() async throws {
    var limits = ServerLimits()
    limits.requests = Allowance(burst: 2, perMinute: 1)
    let application = EchoApplication()
    try await withServer(application, limits: limits) { server, port in
      let probe = try await Probe.connect(port: port)
      probe.send(Self.call + Self.call + Self.call)
      let text = await probe.textUntilClosed()
      #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
      let refusal = try #require(text.components(separatedBy: "HTTP/1.1 429 Too Many Requests").last).lowercased()
      let seconds = try #require(refusal.split(separator: "retry-after: ").last?.prefix { $0.isNumber })
      #expect((1...61).contains(Int(seconds) ?? 0))
      // Another connection of the same peer finds the same.
      let again = try await Probe.connect(port: port)
      again.send(Self.health)
      #expect(await again.textUntilClosed().hasPrefix("HTTP/1.1 429 "))
      #expect(server.statistics.requestsRefusedByRate == 2)
    }
    #expect(application.callCount == 2)
  }

  @Test func `a request of weight counts for many`() async throws {
    var limits = ServerLimits()
    limits.requests = Allowance(burst: 100, perMinute: 1)
    let application = HeavyApplication()
    try await withServer(application, limits: limits) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(Self.call + Self.call + Self.call)
      let answers = await probe.received { _ in false }
      #expect(self.count("200 OK", in: answers) == 1)
      #expect(self.count("429 Too Many Requests", in: answers) == 1)
    }
  }

  @Test func `connections of one peer beyond its share are closed at once, and the others go on`() async throws {
    var limits = ServerLimits()
    limits.maximumConnectionCountPerPeer = 4
    try await withServer(EchoApplication(), limits: limits) { server, port in
      let held = try await Self.connectAll(4, port: port)
      for _ in 0..<10 {
        let refused = try await Probe.connect(port: port, security: .none)
        #expect(await refused.textUntilClosed() == "")
      }
      #expect(server.statistics.connectionsRefusedByPeer == 10)
      for probe in held {
        probe.send(Self.health)
        _ = await probe.received { self.count("200 OK", in: $0) == 2 }
      }
      held[0].send("GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      _ = await held[0].textUntilClosed()
      // The peer sees the end before the server has counted it.
      while server.statistics.openConnectionCount > 3 { await Task.yield() }
      let next = try await Probe.connect(port: port)
      next.send(Self.health)
      #expect(self.count("200 OK", in: await next.received { self.count("200 OK", in: $0) == 1 }) == 1)
    }
  }

  @Test func `with all places taken a connection is closed at once instead of left waiting`() async throws {
    var limits = ServerLimits()
    limits.maximumConnectionCount = 3
    limits.distinguishesPeers = false
    try await withServer(EchoApplication(), limits: limits) { server, port in
      let held = try await Self.connectAll(3, port: port)
      let refused = try await Probe.connect(port: port, security: .none)
      #expect(await refused.textUntilClosed() == "")
      #expect(server.statistics.connectionsRefusedForWant == 1)
      #expect(server.statistics.openConnectionCount == 3)
      var larger = ServerLimits()
      larger.maximumConnectionCount = 4
      larger.distinguishesPeers = false
      server.replaceLimits(with: larger)
      let next = try await Self.connectAll(1, port: port)
      withExtendedLifetime((held, next)) {}
    }
  }

  @Test func `a stream whose owner does not prove to be one is closed, and too many of them are refused`() async throws {
    var limits = ServerLimits()
    limits.attachTimeout = .milliseconds(50)
    limits.failedStreams = Allowance(burst: 2, perMinute: 1)
    try await withServer(UnprovedApplication(), limits: limits) { server, port in
      for _ in 0..<2 {
        let probe = try await Probe.connect(port: port)
        probe.send(Probe.upgradeRequest())
        let frames = await probe.frames { _ in false }
        // 1008: policy violation (RFC 6455 §7.4.1).
        #expect(frames.last == RawFrame(opcode: 8, payload: [0x03, 0xf0]))
      }
      let probe = try await Probe.connect(port: port)
      probe.send(Probe.upgradeRequest())
      let text = await probe.textUntilClosed()
      #expect(text.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
      #expect(text.lowercased().contains("retry-after: "))
      #expect(server.statistics.failedStreamCount == 2)
      // Calls are another matter.
      let caller = try await Probe.connect(port: port)
      caller.send(Self.health)
      _ = await caller.received { self.count("200 OK", in: $0) == 1 }
    }
  }

  @Test func `before the proof a stream takes a few hundred bytes and no frame that has to be waited for`() async throws {
    try await withServer(UnprovedApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(Probe.upgradeRequest())
      _ = await probe.frames { $0.contains { $0.opcode == 2 } }
      // The start of a frame that would be taken from the owner.
      probe.send(RawFrame(opcode: 2, payload: [UInt8](repeating: 1, count: 200_000)).encoded(isMasked: true).dropLast())
      #expect(!(await probe.frames { _ in false }).contains { $0.opcode == 8 })
    }
  }

  @Test func `bodies that do not fit into memory are refused as busy, and the memory is free again`() async throws {
    var limits = ServerLimits()
    limits.maximumHeldByteCount = 500_000
    try await withServer(EchoApplication(), limits: limits) { server, port in
      let head = "POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n"
      let slow = try await Probe.connect(port: port)
      slow.send(Array(head.utf8) + [UInt8](repeating: 1, count: 100_000))
      // Round trips of somebody else, until the server has the first body.
      let other = try await Probe.connect(port: port)
      var answers = 0
      while server.statistics.heldByteCount < 100_000 {
        answers += 1
        let expected = answers
        other.send(Self.health)
        _ = await other.received { self.count("200 OK", in: $0) == expected }
      }
      let second = try await Probe.connect(port: port)
      second.send(Array(head.utf8) + [UInt8](repeating: 1, count: 100_000))
      let refusal = await second.textUntilClosed()
      #expect(refusal.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
      #expect(refusal.lowercased().contains("retry-after: 5\r\n"))
      #expect(server.statistics.heldByteCount == 100_000)
      slow.send([2])
      _ = await slow.received { self.count("200 OK", in: $0) == 1 }
    }
  }

  @Test func `an application that does not answer in time is busy, and its answer comes too late`() async throws {
    var limits = ServerLimits()
    limits.answerTimeout = .milliseconds(50)
    let application = StuckApplication()
    let server = try await withServer(application, limits: limits) { server, port in
      let probe = try await Probe.connect(port: port)
      probe.send(Self.call)
      let text = await probe.textUntilClosed()
      #expect(text.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
      #expect(text.lowercased().contains("retry-after: 5\r\n"))
      // The application still has the request.
      #expect(server.statistics.heldByteCount == 3)
      application.release()
      return server
    }
    #expect(server.statistics.heldByteCount == 0)
  }

  /// Connections that the server has certainly accepted.
  static func connectAll(_ count: Int, port: Int) async throws -> [Probe] {
    var probes: [Probe] = []
    for _ in 0..<count {
      let probe = try await Probe.connect(port: port)
      probe.send(health)
      let reply = await probe.received { !$0.isEmpty }
      #expect(!reply.isEmpty)
      probes.append(probe)
    }
    return probes
  }
}

private struct HeavyApplication: MailboxApplication {
  func weight(of request: [UInt8]) -> Int { 99 }
  func call(_ request: [UInt8]) async -> CallAnswer { .reply([]) }
  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { EchoSession() }
}

/// Its streams greet, and believe nobody.
private struct UnprovedApplication: MailboxApplication {
  func call(_ request: [UInt8]) async -> CallAnswer { .malformed }
  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { Session() }

  private struct Session: StreamSession {
    func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] { [.send([1])] }
    func receive(_ message: [UInt8]) async -> [StreamOutput] { [] }
    func wake() async -> [StreamOutput] { [] }
    func closed() async {}
  }
}

/// Answers when it is released.
private final class StuckApplication: MailboxApplication {
  private let gate: AsyncStream<Void>
  private let opener: AsyncStream<Void>.Continuation

  init() { (gate, opener) = AsyncStream<Void>.makeStream() }

  func release() { opener.finish() }

  func call(_ request: [UInt8]) async -> CallAnswer {
    for await _ in gate {}
    return .reply([1])
  }
  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { EchoSession() }
}
