import FoundationEssentials
import MailboxServer
import Synchronization
import Testing

/// Sends messages without end, as fast as it is woken.
private final class FloodApplication: MailboxApplication {
  static let messageByteCount = 256 << 10
  let messageCount: Int
  /// Yields when a session has ended.
  let ends: AsyncStream<Void>
  private let ended: AsyncStream<Void>.Continuation
  let produced = Mutex(0)
  private let wakeClosure = Mutex<(@Sendable () -> Void)?>(nil)

  init(messageCount: Int) {
    self.messageCount = messageCount
    (ends, ended) = AsyncStream<Void>.makeStream()
  }

  func call(_ request: [UInt8]) async -> CallAnswer { .malformed }
  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { Session(application: self) }

  private struct Session: StreamSession {
    let application: FloodApplication

    func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] {
      application.wakeClosure.withLock { $0 = wake }
      wake()
      return [.proved, .send([0x01])]
    }

    func receive(_ message: [UInt8]) async -> [StreamOutput] { [] }

    func wake() async -> [StreamOutput] {
      let isLast = application.produced.withLock {
        $0 += 1
        return $0 == application.messageCount
      }
      if !isLast {
        application.wakeClosure.withLock { $0 }?()
      }
      return [.send([UInt8](repeating: 0x5a, count: FloodApplication.messageByteCount))]
    }

    func closed() async {
      application.ended.yield()
    }
  }
}

@Suite(.timeLimit(.minutes(10)))
struct SlowReaderTests {
  @Test func `a peer that does not read holds back its own session only`() async throws {
    let application = FloodApplication(messageCount: 160)
    try await withServer(application) { _, port in
      let slow = try await Probe.connect(port: port, receiveBufferByteCount: 64 << 10)
      slow.send(Probe.upgradeRequest())
      _ = await slow.received { !$0.isEmpty }
      try await slow.setReading(false)
      // The rest of the server works meanwhile, and paces the test: until nothing is produced any more.
      let other = try await Probe.connect(port: port)
      var answers = 0
      var quietRounds = 0
      var last = 0
      while quietRounds < 100 {
        other.send("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
        answers += 1
        let expected = answers
        _ = await other.received { String(decoding: $0, as: UTF8.self).components(separatedBy: "\r\n\r\n").count > expected }
        let produced = application.produced.withLock { $0 }
        quietRounds = produced == last ? quietRounds + 1 : 0
        last = produced
      }
      // What the two kernels buffer, a few MiB, and one message in the process; not the 40 MiB that wait.
      #expect(last < 80)
      try await slow.setReading(true)
      let total = 160 * (FloodApplication.messageByteCount + 10)
      let received = await slow.received { $0.count >= total }
      #expect(received.count >= total)
      #expect(application.produced.withLock { $0 } == 160)
    }
  }

  @Test func `a peer that never reads is cut`() async throws {
    var limits = ServerLimits()
    limits.pingInterval = .milliseconds(100)
    let application = FloodApplication(messageCount: .max)
    try await withServer(application, limits: limits) { _, port in
      let slow = try await Probe.connect(port: port, receiveBufferByteCount: 64 << 10)
      slow.send(Probe.upgradeRequest())
      _ = await slow.received { !$0.isEmpty }
      try await slow.setReading(false)
      // Seen from the server: the peer itself would have to read before it could notice.
      _ = await application.ends.first { _ in true }
    }
  }
}
