import Foundation
import MailboxServer
import NIOSSL
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct RequestTests {
  private func request(_ method: String, _ path: String, headers: String = "", body: [UInt8] = []) -> [UInt8] {
    let length = method == "POST" ? "Content-Length: \(body.count)\r\n" : ""
    return Array("\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(length)\(headers)\r\n".utf8) + body
  }

  private func hasSuffix(_ suffix: String) -> @Sendable ([UInt8]) -> Bool {
    { $0.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
  }

  @Test func `a request gets its reply, one after the other on one connection`() async throws {
    let application = EchoApplication()
    try await withServer(application) { _, port in
      let probe = try await Probe.connect(port: port)
      for text in ["abc", "defg", "hijkl"] {
        probe.send(request("POST", "/v1/call", body: Array(text.utf8)))
        let reply = await probe.received(until: hasSuffix(String(text.reversed())))
        #expect(hasSuffix(String(text.reversed()))(reply))
      }
    }
    #expect(application.callCount == 3)
  }

  @Test func `requests sent ahead are answered in order`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(
        request("POST", "/v1/call", body: Array("one".utf8)) + request("GET", "/v1/health")
          + request("POST", "/v1/call", body: Array("two".utf8)))
      let text = String(decoding: await probe.received(until: hasSuffix("owt")), as: UTF8.self)
      #expect(text.components(separatedBy: "HTTP/1.1 200 OK").count == 4)
      #expect(text.contains("eno"))
    }
  }

  @Test func `the identity statement and the health are plain requests`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(request("GET", "/v1/identity"))
      let statement = String(decoding: EchoApplication.statement, as: UTF8.self)
      let reply = String(decoding: await probe.received(until: hasSuffix(statement)), as: UTF8.self)
      #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(reply.lowercased().contains("content-type: application/octet-stream\r\n"))
      probe.send(request("GET", "/v1/health", headers: "Connection: close\r\n"))
      #expect(await probe.textUntilClosed().hasSuffix("connection: close\r\n\r\n"))
    }
  }

  @Test(arguments: ["GET /", "GET /v1/call", "POST /v1/identity", "PUT /v1/call", "GET /v1/health?x", "HEAD /v1/health"])
  func `anything else is not found, and ends the connection`(line: String) async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send("\(line) HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 404 Not Found\r\n"))
    }
  }

  @Test func `a malformed request is told so and the connection is closed`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(request("POST", "/v1/call", body: [0xff]))
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
    }
  }

  @Test func `a body of exactly the limit is taken`() async throws {
    var limits = ServerLimits()
    limits.maximumRequestByteCount = 100_000
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.connect(port: port)
      let body = [UInt8](repeating: 0x61, count: 99_999) + [0x62]
      probe.send(request("POST", "/v1/call", body: body))
      let reply = await probe.received { $0.count > 100_000 && $0.last == 0x61 }
      #expect(reply.starts(with: Array("HTTP/1.1 200 OK".utf8)))
    }
  }

  @Test func `an oversized body is refused before it is read, and never reaches the application`() async throws {
    let application = EchoApplication()
    var limits = ServerLimits()
    limits.maximumRequestByteCount = 100_000
    try await withServer(application, limits: limits) { _, port in
      // Announced, and sent.
      let announced = try await Probe.connect(port: port)
      announced.send(request("POST", "/v1/call", body: [UInt8](repeating: 0, count: 100_001)))
      #expect(await announced.textUntilClosed().hasPrefix("HTTP/1.1 413 "))
      // In chunks that do not say how many will come.
      let chunked = try await Probe.connect(port: port)
      chunked.send("POST /v1/call HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      for _ in 0..<3 {
        chunked.send(Array("c350\r\n".utf8) + [UInt8](repeating: 0, count: 50_000) + Array("\r\n".utf8))
      }
      chunked.send("0\r\n\r\n")
      #expect(await chunked.textUntilClosed().hasPrefix("HTTP/1.1 413 "))
      // Without an end: cut after four times the limit.
      let endless = try await Probe.connect(port: port)
      endless.send("POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
      for _ in 0..<9 {
        endless.send([UInt8](repeating: 0, count: 50_000))
      }
      #expect(await endless.textUntilClosed().hasPrefix("HTTP/1.1 413 "))
    }
    #expect(application.callCount == 0)
  }

  @Test func `a body that stops arriving ends the connection`() async throws {
    var limits = ServerLimits()
    limits.bodyTimeout = .milliseconds(50)
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send("POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
      #expect(await probe.textUntilClosed() == "")
    }
  }

  @Test func `a peer that does not finish its handshake is cut`() async throws {
    var limits = ServerLimits()
    limits.handshakeTimeout = .milliseconds(50)
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.connect(port: port, security: .none)
      #expect(await probe.textUntilClosed() == "")
    }
  }

  @Test(arguments: ["", "GET /v1/health HT"])
  func `a peer that does not finish its first request is cut`(start: String) async throws {
    var limits = ServerLimits()
    limits.headerTimeout = .milliseconds(50)
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(start)
      #expect(await probe.textUntilClosed() == "")
    }
  }

  @Test(arguments: ["", "GET /v1/health HT"])
  func `a peer that asks nothing further is cut`(next: String) async throws {
    var limits = ServerLimits()
    limits.idleTimeout = .milliseconds(50)
    try await withServer(EchoApplication(), limits: limits) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(request("GET", "/v1/health") + Array(next.utf8))
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test func `an upgrade to anything but a stream is ignored`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(request("GET", "/v1/health", headers: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"))
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test func `garbage is refused with and without TLS, and the server goes on`() async throws {
    try await withServer(EchoApplication()) { _, port in
      var generator = SeededGenerator(for: "garbage for the server")
      for _ in 0..<20 {
        let garbage = generator.bytes(2_000)
        let raw = try await Probe.connect(port: port, security: .none)
        // A first byte that no TLS record begins with: otherwise the server waits for the record to be complete.
        raw.send([0x7f] + garbage)
        _ = await raw.textUntilClosed()
        let inside = try await Probe.connect(port: port)
        inside.send([0x00] + garbage)
        _ = await inside.textUntilClosed()
      }
      let probe = try await Probe.connect(port: port)
      probe.send(request("GET", "/v1/health", headers: "Connection: close\r\n"))
      #expect(await probe.textUntilClosed().hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test func `headers without end are refused`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port)
      probe.send("GET /v1/health HTTP/1.1\r\n")
      for index in 0..<2_000 {
        probe.send("x-\(index): aaaaaaaaaaaaaaaaaaaa\r\n")
      }
      #expect(!(await probe.textUntilClosed().contains("200 OK")))
    }
  }

  @Test func `a peer that speaks only TLS 1.2 is refused`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let probe = try await Probe.connect(port: port, security: .tls(maximum: .tlsv12))
      probe.send(request("GET", "/v1/health"))
      #expect(await probe.textUntilClosed() == "")
    }
  }

  @Test func `the tap sees the plaintext of both directions`() async throws {
    let seen = Mutex<[(TapDirection, [UInt8])]>([])
    func bytes(_ direction: TapDirection) -> String {
      String(decoding: seen.withLock { $0 }.filter { $0.0 == direction }.flatMap { $0.1 }, as: UTF8.self)
    }
    try await withServer(EchoApplication(), plaintextTap: { direction, bytes in seen.withLock { $0.append((direction, bytes)) } }) {
      _, port in
      let probe = try await Probe.connect(port: port)
      probe.send(request("POST", "/v1/call", body: Array("canary".utf8)))
      _ = await probe.received(until: hasSuffix("yranac"))
      let stream = try await Probe.openStream(port: port)
      stream.sendFrame(opcode: 2, Array("budgerigar".utf8))
      _ = await stream.frames { $0.contains { $0.payload == Array("budgerigar".utf8) } }
    }
    #expect(bytes(.received).contains("POST /v1/call HTTP/1.1\r\n"))
    #expect(bytes(.received).contains("canary"))
    #expect(bytes(.received).contains("budgerigar"))
    #expect(bytes(.sent).contains("HTTP/1.1 200 OK\r\n"))
    #expect(bytes(.sent).contains("yranac"))
    #expect(bytes(.sent).contains("budgerigar"))
  }
}
