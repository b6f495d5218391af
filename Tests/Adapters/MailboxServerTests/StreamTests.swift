import MailboxServer
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct StreamTests {
  /// The code of a close frame (RFC 6455 §7.4.1).
  private func closeCode(_ frames: [RawFrame]) -> Int? {
    guard let close = frames.last, close.opcode == 8, close.payload.count == 2 else { return nil }
    return Int(close.payload[0]) << 8 | Int(close.payload[1])
  }

  private func framesUntilClosed(_ probe: Probe) async -> [RawFrame] {
    await probe.frames { _ in false }
  }

  @Test func `messages go both ways in order, and the session hears of the end once`() async throws {
    let application = EchoApplication()
    try await withServer(application) { _, port in
      let probe = try await Probe.openStream(port: port)
      let messages = (0..<100).map { [UInt8](repeating: UInt8($0), count: $0 * 100) }
      for message in messages {
        probe.sendFrame(opcode: 2, message)
      }
      // On a busy machine the server asks meanwhile whether anybody is there.
      @Sendable func withoutPings(_ frames: [RawFrame]) -> [RawFrame] { frames.filter { $0.opcode != 9 } }
      let frames = withoutPings(await probe.frames { withoutPings($0).count == 101 })
      let areAllThere = frames.map(\.payload) == [EchoSession.greeting] + messages
      #expect(areAllThere)
      #expect(frames.allSatisfy { $0.opcode == 2 && $0.isFinal })
      probe.sendFrame(opcode: 8, [0x03, 0xe8])
      #expect(closeCode(await framesUntilClosed(probe)) == 1000)
    }
    let session = try #require(application.sessions.withLock { $0 }.first)
    #expect(session.notes.withLock { $0.closedCount } == 1)
  }

  @Test func `the upgrade is answered as the standard computes it`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.openStream(port: port)
      let head = String(decoding: await probe.received { _ in true }, as: UTF8.self).lowercased()
      #expect(head.hasPrefix("http/1.1 101 switching protocols\r\n"))
      #expect(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"))
      #expect(head.contains("sec-websocket-protocol: sotto.1\r\n"))
    }
  }

  @Test(arguments: [nil, "sotto.2", "sotto.10"])
  func `a stream without our subprotocol is refused`(subprotocol: String?) async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(Probe.upgradeRequest(subprotocol: subprotocol))
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
    }
  }

  @Test func `requests that only resemble one for a stream are refused`() async throws {
    let good = Probe.upgradeRequest()
    let variants = [
      good.replacing("Version: 13", with: "Version: 12"),
      good.replacing("GET", with: "POST"),
      good.replacing("Upgrade: websocket", with: "Upgrade: websocket, h2c"),
      good.replacing("Sec-WebSocket-Key", with: "X-Key"),
      good.replacing("Connection: Upgrade", with: "Connection: close"),
      good.replacing("Host: a", with: "Host: a\r\nContent-Length: 3") + "abc",
      good.replacing("/v1/stream", with: "/v1/streams"),
    ]
    try await withServer(EchoApplication()) { _, port in
      for variant in variants {
        let probe = try await Probe.connect(port: port)
        probe.send(variant)
        #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 4"), "\(variant)")
      }
    }
  }

  @Test func `wakes asked for together come as one, and again after that`() async throws {
    let application = EchoApplication()
    try await withServer(application) { _, port in
      let probe = try await Probe.openStream(port: port)
      let session = try #require(application.sessions.withLock { $0 }.first)
      let wake = try #require(session.notes.withLock { $0.wake })
      for round in 1...5 {
        wake()
        let frames = await probe.frames { $0.count == 1 + round }
        #expect(frames.last?.payload == EchoSession.wokenMessage)
      }
    }
  }

  @Test func `text, unmasked, reserved and unasked-for frames close the stream`() async throws {
    let cases: [(bytes: [UInt8], code: Int)] = [
      (RawFrame(opcode: 1, payload: [0x61]).encoded(isMasked: true), 1003),
      (RawFrame(opcode: 2, payload: [0x61]).encoded(isMasked: false), 1002),
      (RawFrame(opcode: 3, payload: [0x61]).encoded(isMasked: true), 1002),
      (RawFrame(opcode: 0, payload: [0x61]).encoded(isMasked: true), 1002),
      ([0xc2, 0x80, 0, 0, 0, 0], 1002),
      // A ping of 126 bytes, and one in fragments.
      (RawFrame(opcode: 9, payload: [UInt8](repeating: 0, count: 126)).encoded(isMasked: true), 1002),
      (RawFrame(opcode: 9, payload: [], isFinal: false).encoded(isMasked: true), 1002),
    ]
    let application = EchoApplication()
    try await withServer(application) { _, port in
      for (bytes, code) in cases {
        let probe = try await Probe.openStream(port: port)
        probe.send(bytes)
        #expect(closeCode(await framesUntilClosed(probe)) == code, "\(bytes.prefix(2))")
      }
    }
    let notes = application.sessions.withLock { $0 }.map { $0.notes.withLock { ($0.received.count, $0.closedCount) } }
    #expect(notes.count == cases.count)
    #expect(notes.allSatisfy { $0 == (0, 1) })
  }

  @Test func `a message of the limit passes, one byte more closes the stream`() async throws {
    var limits = ServerLimits()
    limits.maximumStreamMessageByteCount = 70_000
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.openStream(port: port)
      probe.sendFrame(opcode: 2, [UInt8](repeating: 7, count: 70_000))
      let frames = await probe.frames { $0.count == 2 }
      #expect(frames.last?.payload.count == 70_000)
      probe.sendFrame(opcode: 2, [UInt8](repeating: 7, count: 70_001))
      #expect(closeCode(await framesUntilClosed(probe)) == 1009)
      let inFragments = try await Probe.openStream(port: port)
      inFragments.sendFrame(opcode: 2, [UInt8](repeating: 7, count: 69_999), isFinal: false)
      inFragments.sendFrame(opcode: 0, [7, 7])
      #expect(closeCode(await framesUntilClosed(inFragments)) == 1009)
    }
  }

  @Test func `fragments are put together around a ping, and too many of them close the stream`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.openStream(port: port)
      probe.sendFrame(opcode: 2, [1, 2], isFinal: false)
      probe.sendFrame(opcode: 9, [9, 9])
      probe.sendFrame(opcode: 0, [3], isFinal: false)
      probe.sendFrame(opcode: 0, [4])
      let frames = await probe.frames { $0.count == 3 }
      #expect(frames.contains(RawFrame(opcode: 10, payload: [9, 9])))
      #expect(frames.contains(RawFrame(opcode: 2, payload: [1, 2, 3, 4])))
      probe.sendFrame(opcode: 2, [0], isFinal: false)
      for _ in 0..<100 {
        probe.sendFrame(opcode: 0, [0], isFinal: false)
      }
      #expect(closeCode(await framesUntilClosed(probe)) == 1002)
    }
  }

  @Test func `a session that finds a message malformed closes with that code`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.openStream(port: port)
      probe.sendFrame(opcode: 2, [0xff])
      #expect(closeCode(await framesUntilClosed(probe)) == 1002)
    }
  }
}
