import NIOCore

/// Sees the bytes of all connections on the plaintext side of TLS. It is called on event loops: it must not block.
///
/// What a WebSocket client sends is masked (RFC 6455 §5.3), so that a search of the raw bytes would find nothing: each
/// received stream message is therefore shown once more, unmasked and whole.
public typealias PlaintextTap = @Sendable (TapDirection, [UInt8]) -> Void

/// Which way the bytes went.
public enum TapDirection: Sendable, Equatable {
  case received
  case sent
}

/// Shows the decrypted bytes of one connection to a tap, and changes nothing.
final class PlaintextTapHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let tap: PlaintextTap

  init(_ tap: @escaping PlaintextTap) {
    self.tap = tap
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    tap(.received, Array(Self.unwrapInboundIn(data).readableBytesView))
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    tap(.sent, Array(Self.unwrapOutboundIn(data).readableBytesView))
    context.write(data, promise: promise)
  }
}
