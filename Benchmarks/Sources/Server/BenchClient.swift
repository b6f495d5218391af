import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A small client of the server's: one connection, calls one after the other, or a stream.
final class BenchClient: Sendable {
  private let channel: any Channel
  private let inbox: Inbox

  /// What has come and nobody has taken yet; one reader at a time.
  private final class Inbox: Sendable {
    struct State {
      var bytes = ByteBuffer()
      var isClosed = false
      /// Something has come since the reader last looked.
      var hasNews = false
      var waiter: CheckedContinuation<Void, Never>?
    }
    let state = Mutex(State())
  }

  private init(channel: any Channel, inbox: Inbox) {
    self.channel = channel
    self.inbox = inbox
  }

  private static let tls: NIOSSLContext? = {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    configuration.minimumTLSVersion = .tlsv13
    return try? NIOSSLContext(configuration: configuration)
  }()

  /// - Parameters:
  ///   - address: the address to connect from; nil lets the system choose.
  ///   - isEncrypted: false for a peer that says nothing of TLS.
  ///   - receiveBufferByteCount: what the system takes for a client that does not read.
  static func connect(
    port: Int, from address: String? = nil, isEncrypted: Bool = true, receiveBufferByteCount: Int? = nil
  ) async throws -> BenchClient {
    let inbox = Inbox()
    var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        if isEncrypted, let tls {
          try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil))
        }
        try channel.pipeline.syncOperations.addHandler(Receiver(inbox))
      }
    }
    if let receiveBufferByteCount {
      bootstrap = bootstrap.channelOption(ChannelOptions.socketOption(.so_rcvbuf), value: .init(receiveBufferByteCount))
    }
    if let address { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: address, port: 0)) }
    return BenchClient(channel: try await bootstrap.connect(host: "127.0.0.1", port: port).get(), inbox: inbox)
  }

  func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

  /// Sends and waits until the system has taken it.
  func push(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }

  func close() async { try? await channel.close().get() }

  func setReading(_ isReading: Bool) async throws { try await channel.setOption(ChannelOptions.autoRead, value: isReading).get() }

  var isClosed: Bool { inbox.state.withLock { $0.isClosed } }

  /// Bytes that have come and were not taken.
  var receivedByteCount: Int { inbox.state.withLock { $0.bytes.readableBytes } }

  /// Takes what `body` finds in the bytes that have come, as soon as it finds something; nil when the connection ends.
  private func take<Value: Sendable>(_ body: (inout ByteBuffer) -> Value?) async -> Value? {
    while true {
      let (value, isClosed) = inbox.state.withLock { state in (body(&state.bytes), state.isClosed) }
      if let value { return value }
      if isClosed { return nil }
      await withCheckedContinuation { continuation in
        let isLate = inbox.state.withLock { state in
          if state.isClosed || state.hasNews {
            state.hasNews = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if isLate { continuation.resume() }
      }
    }
  }

  /// Takes nothing more in; returns when the connection has ended.
  func waitUntilClosed() async {
    _ = await take { bytes -> Bool? in
      bytes.clear()
      return nil
    }
  }

  /// Waits for the first bytes that come; false when the connection ends.
  func waitForBytes() async -> Bool { await take { $0.readableBytes > 0 ? true : nil } ?? false }

  // MARK: HTTP

  static func request(_ body: [UInt8], path: String = "/v1/call") -> [UInt8] {
    body.isEmpty
      ? Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
      : Array("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
  }

  struct Reply: Sendable {
    var status: Int
    var body: [UInt8]
  }

  func exchange(_ request: [UInt8]) async throws -> Reply {
    send(request)
    return try await reply()
  }

  func reply() async throws -> Reply {
    let reply: Reply? = await take { bytes in
      let view = bytes.readableBytesView
      guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
      let lines = String(decoding: view[..<end.lowerBound], as: UTF8.self).lowercased().split(separator: "\r\n")
      let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      let length = lines.first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0
      guard view.distance(from: end.upperBound, to: view.endIndex) >= length else { return nil }
      let body = Array(view[end.upperBound...].prefix(length))
      bytes.moveReaderIndex(forwardBy: view.distance(from: view.startIndex, to: end.upperBound) + length)
      return Reply(status: status, body: body)
    }
    guard let reply else { throw BenchmarkError.refused }
    return reply
  }

  // MARK: Streams

  static let upgradeRequest = Array(
    ("GET /v1/stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sotto.1\r\n\r\n").utf8)

  func upgrade() async throws {
    guard try await exchange(Self.upgradeRequest).status == 101 else { throw BenchmarkError.refused }
  }

  /// The next binary message; pings are answered on the way.
  func message() async throws -> [UInt8]? {
    while let (opcode, payload) = await frame() {
      if opcode == 2 { return payload }
      if opcode == 9 { sendFrame(10, payload) }
    }
    return nil
  }

  private func frame() async -> (UInt8, [UInt8])? {
    await take { bytes in
      var look = bytes
      guard let first = look.readInteger(as: UInt8.self), let second = look.readInteger(as: UInt8.self) else { return nil }
      var length = Int(second & 0x7f)
      if length == 126 {
        guard let long = look.readInteger(as: UInt16.self) else { return nil }
        length = Int(long)
      } else if length == 127 {
        guard let long = look.readInteger(as: UInt64.self) else { return nil }
        length = Int(clamping: long)
      }
      guard let payload = look.readBytes(length: length) else { return nil }
      bytes = look
      return (first & 0x0f, payload)
    }
  }

  func sendMessage(_ bytes: [UInt8]) { sendFrame(2, bytes) }

  func sendFrame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) { send(Self.frame(opcode, payload, isFinal: isFinal)) }

  /// A masked frame, with a mask of zeros (RFC 6455 §5.3).
  static func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
    var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
    switch payload.count {
    case ..<126: bytes.append(0x80 | UInt8(payload.count))
    case ..<65_536: bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
    default: bytes += [0x80 | 127] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) }
    }
    return bytes + [0, 0, 0, 0] + payload
  }

  private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      var bytes = Self.unwrapInboundIn(data)
      update { state in
        state.bytes.discardReadBytes()
        state.bytes.writeBuffer(&bytes)
      }
    }

    func channelInactive(context: ChannelHandlerContext) { update { $0.isClosed = true } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func update(_ change: (inout Inbox.State) -> Void) {
      let waiter = inbox.state.withLock { state in
        change(&state)
        defer { state.waiter = nil }
        state.hasNews = state.waiter == nil
        return state.waiter
      }
      waiter?.resume()
    }
  }
}
