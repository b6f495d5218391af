import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection that carries one request after the other.
struct HTTPConnection: Sendable {
  struct Reply: Sendable {
    let head: HTTPResponseHead
    let body: [UInt8]
    var keepsAlive: Bool { head.isKeepAlive }
  }

  let channel: any Channel
  let handler: NIOLoopBound<HTTPCallHandler>

  var isOpen: Bool { channel.isActive }

  /// Adds the handlers of such a connection to a channel that is being set up; called on its event loop.
  static func configure(_ channel: any Channel, limits: ClientLimits) throws -> HTTPConnection {
    try channel.pipeline.syncOperations.addHTTPClientHandlers()
    let handler = HTTPCallHandler(limits: limits)
    try channel.pipeline.syncOperations.addHandler(handler)
    return HTTPConnection(channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
  }

  /// Sends one request and awaits its whole answer; cancelling the task closes the connection.
  ///
  /// - Throws: `.unreachable`, `.outcomeUnknown`, `.unacceptableReply`.
  func exchange(_ head: HTTPRequestHead, body: [UInt8]) async throws(ClientError) -> Reply {
    let promise = channel.eventLoop.makePromise(of: Reply.self)
    channel.eventLoop.execute {
      handler.value.start(head, body: body, promise: promise)
    }
    do {
      return try await withTaskCancellationHandler {
        try await promise.futureResult.get()
      } onCancel: {
        channel.close(promise: nil)
      }
    } catch {
      throw error as? ClientError ?? .outcomeUnknown
    }
  }

  func close() {
    channel.close(promise: nil)
  }
}

/// The channel's side of `HTTPConnection`: writes a request, collects its answer, and knows whether the request had
/// left when something broke.
final class HTTPCallHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private struct Exchange {
    let promise: EventLoopPromise<HTTPConnection.Reply>
    var hasLeft = false
    var head: HTTPResponseHead?
    var body: [UInt8] = []
    var deadline: Scheduled<Void>?
  }

  private let limits: ClientLimits
  private var context: ChannelHandlerContext?
  private var exchange: Exchange?

  init(limits: ClientLimits) {
    self.limits = limits
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    connectionEnded()
  }

  func channelInactive(context: ChannelHandlerContext) {
    connectionEnded()
    context.fireChannelInactive()
  }

  func start(_ head: HTTPRequestHead, body: [UInt8], promise: EventLoopPromise<HTTPConnection.Reply>) {
    precondition(exchange == nil, "requests on one connection are made one after the other")
    guard let context, context.channel.isActive else {
      promise.fail(ClientError.unreachable)
      return
    }
    var current = Exchange(promise: promise)
    current.deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.callTimeout)) {
      self.fail(nil)
    }
    exchange = current
    context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
    if !body.isEmpty {
      context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    }
    // Without its end a request is not processed, so only the last write decides what is certain.
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).assumeIsolated().whenSuccess { _ in
      self.exchange?.hasLeft = true
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard exchange != nil else {
      // An answer to nothing: whatever follows could be taken for the answer to the next request.
      context.close(promise: nil)
      return
    }
    switch Self.unwrapInboundIn(data) {
    case .head(let head):
      // The server answers before it has read all that it refuses, so an answer shows that enough has left.
      exchange?.hasLeft = true
      if head.status.code >= 200 {
        exchange?.head = head
      }
    case .body(let buffer):
      guard let count = exchange?.body.count, buffer.readableBytes <= limits.maximumReplyByteCount - count else {
        fail(.unacceptableReply)
        return
      }
      exchange?.body.append(contentsOf: buffer.readableBytesView)
    case .end:
      guard let exchange, let head = exchange.head else { return }
      self.exchange = nil
      exchange.deadline?.cancel()
      exchange.promise.succeed(HTTPConnection.Reply(head: head, body: exchange.body))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(error is HTTPParserError ? .unacceptableReply : nil)
    context.close(promise: nil)
  }

  /// Ends the exchange without an answer and closes the connection; nil stands for what follows from how far it was.
  private func fail(_ error: ClientError?) {
    guard let exchange else { return }
    self.exchange = nil
    exchange.deadline?.cancel()
    exchange.promise.fail(error ?? (exchange.hasLeft ? .outcomeUnknown : .unreachable))
    context?.close(promise: nil)
  }

  private func connectionEnded() {
    fail(nil)
    context = nil
  }
}
