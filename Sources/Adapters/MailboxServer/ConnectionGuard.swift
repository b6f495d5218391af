import NIOCore
import NIOHTTP1
import NIOTLS

/// Bounds the time of a connection before it has asked for anything, and of all connections at shutdown; the bytes of a
/// stream before its owner has proved to be one; and, with those of all others, what a stream has sent of frames that are
/// not whole yet.
///
/// It stands next to the TLS handler for the whole life of the connection: a peer that does not finish its handshake
/// or its first request head in time is cut, as is one whose TLS breaks, or which outlives the shutdown deadline.
final class ConnectionGuard: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// Tells the stream's handler that what its peer sends found no room in memory, and was dropped.
  struct NoRoom: Sendable {}

  private let pass: ConnectionPass
  private let observer: ServerObserver
  private var deadline: Scheduled<Void>?
  private var shutdownDeadline: Scheduled<Void>?
  private var isNegotiating = true
  /// What an unproved stream may still send; nil when nothing is counted.
  private var remainingByteCount: Int?
  private var isStream = false
  private var isDropping = false
  private var undecoded = UndecodedBytes()

  private var limits: ServerLimits { pass.limits }

  init(pass: ConnectionPass, observer: @escaping ServerObserver = { _ in }) {
    self.pass = pass
    self.observer = observer
  }

  func handlerAdded(context: ChannelHandlerContext) {
    setDeadline(limits.handshakeTimeout, context: context)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  /// The first request head is complete; from here on the handler of its protocol keeps the time.
  func negotiationEnded() {
    isNegotiating = false
    deadline?.cancel()
    deadline = nil
  }

  /// The connection is a stream from here on, of somebody yet unknown: no frame of theirs may fill the decoder.
  func streamBegan() {
    negotiationEnded()
    remainingByteCount = limits.maximumUnprovedByteCount
    isStream = true
  }

  /// The owner of the stream has proved to be one.
  func streamProved() {
    remainingByteCount = nil
  }

  /// A frame has come out of the decoder.
  ///
  /// - Returns: how many bytes of it are still counted, and are to be released by who asks.
  func frameCame(payloadByteCount: Int) -> Int {
    let (payload, rest) = undecoded.frameCame(payloadByteCount: payloadByteCount)
    pass.release(rest)
    return payload
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // What came in one read with the request for the stream is not counted: it is no more than a read.
    guard isStream else {
      context.fireChannelRead(data)
      return
    }
    let count = Self.unwrapInboundIn(data).readableBytes
    if let remaining = remainingByteCount {
      guard count <= remaining else {
        context.close(promise: nil)
        return
      }
      remainingByteCount = remaining - count
    }
    guard !isDropping else { return }
    guard pass.hold(count) else {
      isDropping = true
      context.fireUserInboundEventTriggered(NoRoom())
      return
    }
    undecoded.came(count)
    context.fireChannelRead(data)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event, isNegotiating {
      setDeadline(limits.headerTimeout, context: context)
    } else if event is ChannelShouldQuiesceEvent {
      if isNegotiating {
        context.close(promise: nil)
        return
      }
      shutdownDeadline = close(after: limits.gracefulShutdownTimeout, context: context)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Only the TLS handler and the socket stand before this one: what fails there cannot be answered.
    context.close(promise: nil)
  }

  private func setDeadline(_ duration: Duration, context: ChannelHandlerContext) {
    deadline?.cancel()
    deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) {
      self.observer(.refused(.handshakeTime))
      context.close(promise: nil)
    }
  }

  private func close(after duration: Duration, context: ChannelHandlerContext) -> Scheduled<Void> {
    context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) {
      context.close(promise: nil)
    }
  }

  private func end() {
    isDropping = true
    pass.release(undecoded.end())
    deadline?.cancel()
    shutdownDeadline?.cancel()
    deadline = nil
    shutdownDeadline = nil
  }
}

/// Refuses a connection whose first request is no HTTP.
final class NegotiationErrorHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Any
  typealias OutboundOut = HTTPServerResponsePart

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is HTTPParserError {
      let headers: HTTPHeaders = ["content-length": "0", "connection": "close"]
      let head = HTTPResponseHead(version: .http1_1, status: .badRequest, headers: headers)
      context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
      context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    }
    context.close(promise: nil)
  }
}
