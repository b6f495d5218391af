import NIOCore
import NIOWebSocket

/// The channel's side of `ServerStream`: keeps received messages until they are asked for, reads no more than its bound
/// allows, answers pings, and ends the stream. Used on the event loop only.
final class StreamHandler: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  private enum Ending {
    case inOrder
    case failed(ClientError)
  }

  private let limits: ClientLimits
  private var context: ChannelHandlerContext?
  private var waiting = CircularBuffer<[UInt8]>()
  /// Bytes of messages that wait for a reader.
  private(set) var waitingByteCount = 0
  private var readers = CircularBuffer<EventLoopPromise<[UInt8]?>>()
  private var ending: Ending?
  private var lastHeard = NIODeadline.uptimeNanoseconds(0)
  private var silenceTimer: Scheduled<Void>?

  private var wantsRead: Bool { ending != nil || waitingByteCount < limits.maximumWaitingByteCount }

  init(limits: ClientLimits) {
    self.limits = limits
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    lastHeard = context.eventLoop.now
    scheduleSilenceCheck(in: TimeAmount(limits.streamSilenceTimeout))
    context.read()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    connectionEnded()
  }

  func channelInactive(context: ChannelHandlerContext) {
    connectionEnded()
    context.fireChannelInactive()
  }

  /// Completes `promise` with the next message, with nil after the last one, or with the error that ended the stream.
  func next(_ promise: EventLoopPromise<[UInt8]?>) {
    if let message = waiting.popFirst() {
      waitingByteCount -= message.count
      promise.succeed(message)
      if wantsRead {
        context?.read()
      }
    } else if let ending {
      complete(promise, with: ending)
    } else {
      readers.append(promise)
    }
  }

  /// The task that reads was cancelled: for it the sequence ends, and nothing is lost for another reader.
  func cancelReaders() {
    while let reader = readers.popFirst() {
      reader.succeed(nil)
    }
  }

  /// Sends one binary message; `promise` completes when it has left.
  func send(_ message: [UInt8], promise: EventLoopPromise<Void>) {
    let limit = limits.maximumStreamMessageByteCount
    guard message.count <= limit else {
      promise.fail(ClientError.messageTooLarge(byteCount: message.count, limit: limit))
      return
    }
    guard let context, ending == nil else {
      promise.fail(ClientError.streamClosed)
      return
    }
    let written = write(.binary, ByteBuffer(bytes: message), context)
    written.cascade(to: promise)
  }

  /// Closes the stream from our side.
  func close() {
    end(.inOrder, code: .normalClosure)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard ending == nil else { return }
    lastHeard = context.eventLoop.now
    let frame = Self.unwrapInboundIn(data)
    guard frame.maskKey == nil, frame.reservedBits.isEmpty else {
      end(.failed(.unacceptableReply), code: .protocolError)
      return
    }
    switch frame.opcode {
    case .binary:
      deliver(Array(frame.data.readableBytesView))
    case .ping:
      _ = write(.pong, frame.data, context)
    case .pong:
      break
    case .connectionClose:
      var payload = frame.data
      end(Self.ending(for: payload.readWebSocketErrorCode()), code: .normalClosure)
    default:
      end(.failed(.unacceptableReply), code: .protocolError)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if wantsRead {
      context.read()
    }
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is NIOWebSocketError || error is NIOWebSocketFrameAggregator.Error {
      end(.failed(.unacceptableReply), code: .protocolError)
    } else {
      context.close(promise: nil)
    }
  }

  private func deliver(_ message: [UInt8]) {
    if let reader = readers.popFirst() {
      reader.succeed(message)
    } else {
      waiting.append(message)
      waitingByteCount += message.count
    }
  }

  /// RFC 6455 §5.3: whatever a client sends is masked.
  private func write(
    _ opcode: WebSocketOpcode, _ data: ByteBuffer, _ context: ChannelHandlerContext
  ) -> EventLoopFuture<Void> {
    context.writeAndFlush(
      Self.wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)))
  }

  private func end(_ reason: Ending, code: WebSocketErrorCode) {
    guard ending == nil, let context else { return }
    finish(reason)
    var payload = ByteBuffer()
    payload.write(webSocketErrorCode: code)
    write(.connectionClose, payload, context).assumeIsolated().whenComplete { _ in
      context.close(promise: nil)
    }
    // A server that does not read never takes the close frame.
    silenceTimer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) {
      context.close(promise: nil)
    }
    context.read()
  }

  private func finish(_ reason: Ending) {
    ending = reason
    silenceTimer?.cancel()
    silenceTimer = nil
    while let reader = readers.popFirst() {
      complete(reader, with: reason)
    }
  }

  private func complete(_ promise: EventLoopPromise<[UInt8]?>, with ending: Ending) {
    switch ending {
    case .inOrder: promise.succeed(nil)
    case .failed(let error): promise.fail(error)
    }
  }

  private func connectionEnded() {
    guard context != nil else { return }
    context = nil
    silenceTimer?.cancel()
    if ending == nil {
      finish(.failed(.streamClosed))
    }
  }

  private static func ending(for code: WebSocketErrorCode?) -> Ending {
    switch code {
    case nil, .normalClosure, .goingAway: .inOrder
    case .protocolError, .unacceptableData, .dataInconsistentWithMessage, .policyViolation, .messageTooLarge:
      .failed(.malformedRefused)
    default: .failed(.streamClosed)
    }
  }

  private func scheduleSilenceCheck(in delay: TimeAmount) {
    silenceTimer = context?.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.checkSilence() }
  }

  private func checkSilence() {
    guard let context else { return }
    let timeout = TimeAmount(limits.streamSilenceTimeout)
    let now = context.eventLoop.now
    let silence = now - lastHeard
    if !wantsRead {
      // Nothing is read until our own reader takes what waits, so silence says nothing about the server.
      lastHeard = now
      scheduleSilenceCheck(in: timeout)
    } else if silence < timeout {
      scheduleSilenceCheck(in: timeout - silence)
    } else {
      context.close(promise: nil)
    }
  }
}
