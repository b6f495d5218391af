import NIOCore

/// Puts small writes that leave together into one buffer, and so into one TLS record: the head and the body of a reply, the header
/// and the payload of a frame, and the frames that one event brings.
///
/// It holds no more than its limit, and nothing after a flush.
final class WriteGatherer: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Two frames of the most frequent sizes with what stands around them. What is larger costs more to copy than a record of its own.
  private static let limit = 8 << 10

  private var gathered = ByteBuffer()
  private var promises: [EventLoopPromise<Void>] = []

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    var buffer = Self.unwrapOutboundIn(data)
    if gathered.readableBytes + buffer.readableBytes > Self.limit { passOn(context) }
    guard buffer.readableBytes <= Self.limit else {
      context.write(data, promise: promise)
      return
    }
    if gathered.readableBytes == 0 { gathered = buffer } else { gathered.writeBuffer(&buffer) }
    if let promise { promises.append(promise) }
  }

  func flush(context: ChannelHandlerContext) {
    passOn(context)
    context.flush()
  }

  /// What is not flushed is lost with the connection, as it would be without this handler, and whoever wrote it hears so.
  func handlerRemoved(context: ChannelHandlerContext) {
    for promise in promises { promise.fail(ChannelError.ioOnClosedChannel) }
    promises = []
  }

  private func passOn(_ context: ChannelHandlerContext) {
    guard gathered.readableBytes > 0 || !promises.isEmpty else { return }
    let promise = promises.count > 1 ? context.eventLoop.makePromise(of: Void.self) : promises.first
    if promises.count > 1 { for waiting in promises { promise?.futureResult.cascade(to: waiting) } }
    promises = []
    let buffer = gathered
    gathered = ByteBuffer()
    context.write(Self.wrapOutboundOut(buffer), promise: promise)
  }
}
