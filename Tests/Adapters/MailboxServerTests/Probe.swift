import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A bare TCP or TLS peer that sends any bytes and keeps what comes back.
final class Probe: Sendable {
  enum Security {
    case none
    case tls(maximum: TLSVersion)
  }

  private struct State {
    var received: [UInt8] = []
    var isClosed = false
    var waiters: [(condition: @Sendable ([UInt8]) -> Bool, continuation: CheckedContinuation<[UInt8], Never>)] = []
  }

  private let channel: any Channel
  private let state: StateBox

  private final class StateBox: Sendable {
    let state = Mutex(State())
  }

  private init(channel: any Channel, state: StateBox) {
    self.channel = channel
    self.state = state
  }

  deinit {
    channel.close(promise: nil)
  }

  /// Connects to a server on this machine. A failing handshake shows itself as a closed connection.
  static func connect(
    port: Int, security: Security = .tls(maximum: .tlsv13), receiveBufferByteCount: Int? = nil
  ) async throws -> Probe {
    let box = StateBox()
    var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if case .tls(let maximum) = security {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.maximumTLSVersion = maximum
            configuration.trustRoots = .certificates([])
            configuration.certificateVerification = .noHostnameVerification
            configuration.shutdownTimeout = .milliseconds(100)
            try channel.pipeline.syncOperations.addHandler(
              NIOSSLClientHandler(
                context: NIOSSLContext(configuration: configuration), serverHostname: nil,
                customVerificationCallback: { _, promise in promise.succeed(.certificateVerified) }))
          }
          try channel.pipeline.syncOperations.addHandler(Collector(box))
        }
      }
    if let receiveBufferByteCount {
      bootstrap = bootstrap.channelOption(ChannelOptions.socketOption(.so_rcvbuf), value: receiveBufferByteCount)
    }
    return Probe(channel: try await bootstrap.connect(host: "127.0.0.1", port: port).get(), state: box)
  }

  func send(_ bytes: [UInt8]) {
    channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
  }

  func send(_ text: String) {
    send(Array(text.utf8))
  }

  /// Everything received so far, once it fulfils the condition or the connection is closed.
  func received(until condition: @escaping @Sendable ([UInt8]) -> Bool) async -> [UInt8] {
    await withCheckedContinuation { continuation in
      let ready: [UInt8]? = state.state.withLock { state in
        if state.isClosed || condition(state.received) { return state.received }
        state.waiters.append((condition, continuation))
        return nil
      }
      if let ready {
        continuation.resume(returning: ready)
      }
    }
  }

  /// Everything that came until the server closed the connection, as text.
  func textUntilClosed() async -> String {
    String(decoding: await received(until: { _ in false }), as: UTF8.self)
  }

  func setReading(_ isReading: Bool) async throws {
    try await channel.setOption(ChannelOptions.autoRead, value: isReading).get()
  }

  private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let box: StateBox

    init(_ box: StateBox) {
      self.box = box
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let bytes = Self.unwrapInboundIn(data).readableBytesView
      update { $0.received.append(contentsOf: bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
      update { $0.isClosed = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }

    private func update(_ change: (inout State) -> Void) {
      let (ready, received) = box.state.withLock { state in
        change(&state)
        let ready = state.waiters.filter { state.isClosed || $0.condition(state.received) }
        state.waiters.removeAll { state.isClosed || $0.condition(state.received) }
        return (ready, state.received)
      }
      for waiter in ready {
        waiter.continuation.resume(returning: received)
      }
    }
  }
}

extension Probe {
  /// The request that opens a stream; the key is the one of RFC 6455 §1.3.
  static func upgradeRequest(subprotocol: String? = "sotto.1") -> String {
    var request = "GET /v1/stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    if let subprotocol {
      request += "Sec-WebSocket-Protocol: \(subprotocol)\r\n"
    }
    return request + "\r\n"
  }

  /// Opens a stream and awaits the greeting of its session.
  static func openStream(port: Int, receiveBufferByteCount: Int? = nil) async throws -> Probe {
    let probe = try await connect(port: port, receiveBufferByteCount: receiveBufferByteCount)
    probe.send(upgradeRequest())
    _ = await probe.frames { $0.contains { $0.opcode == 2 } }
    return probe
  }

  /// The frames after the upgrade response, once they fulfil the condition or the connection is closed.
  func frames(until condition: @escaping @Sendable ([RawFrame]) -> Bool) async -> [RawFrame] {
    RawFrame.parse(afterHeadersOf: await received { condition(RawFrame.parse(afterHeadersOf: $0)) })
  }

  /// Sends one frame as a client does.
  func sendFrame(opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) {
    send(RawFrame(opcode: opcode, payload: payload, isFinal: isFinal).encoded(isMasked: isMasked))
  }
}

/// A WebSocket frame in its simplest reading (RFC 6455 §5.2), independent of the code under test.
struct RawFrame: Equatable, Sendable {
  var opcode: UInt8
  var payload: [UInt8]
  var isFinal = true

  func encoded(isMasked: Bool) -> [UInt8] {
    var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
    let maskBit: UInt8 = isMasked ? 0x80 : 0
    switch payload.count {
    case ..<126: bytes.append(maskBit | UInt8(payload.count))
    case ..<65_536: bytes += [maskBit | 126] + Self.bigEndian(payload.count, byteCount: 2)
    default: bytes += [maskBit | 127] + Self.bigEndian(payload.count, byteCount: 8)
    }
    guard isMasked else { return bytes + payload }
    let mask: [UInt8] = [0x11, 0x22, 0x33, 0x44]
    return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
  }

  /// The whole frames behind the first empty line.
  static func parse(afterHeadersOf bytes: [UInt8]) -> [RawFrame] {
    guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else { return [] }
    var rest = bytes[end...]
    var frames: [RawFrame] = []
    while rest.count >= 2 {
      let first = rest[rest.startIndex]
      var length = Int(rest[rest.startIndex + 1] & 0x7f)
      var header = 2
      if length >= 126 {
        let count = length == 126 ? 2 : 8
        guard rest.count >= 2 + count else { break }
        length = rest.dropFirst(2).prefix(count).reduce(0) { $0 << 8 | Int($1) }
        header += count
      }
      guard rest.count >= header + length else { break }
      frames.append(
        RawFrame(opcode: first & 0x0f, payload: Array(rest.dropFirst(header).prefix(length)), isFinal: first & 0x80 != 0))
      rest = rest.dropFirst(header + length)
    }
    return frames
  }

  private static func bigEndian(_ value: Int, byteCount: Int) -> [UInt8] {
    (0..<byteCount).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}
