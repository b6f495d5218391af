import Metering
import NIOCore
import NIOWebSocket

/// Runs one stream session over one WebSocket: delivers the events that `StreamSchedule` names, writes what the
/// session wants sent, keeps the connection alive with pings, and ends it.
final class StreamHandler: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  /// Pings that may go unanswered, or ping intervals that a blocked write may last.
  private static let maximumMissedPings = 2
  /// The close code of a server that has no room now (registered by IANA for RFC 6455).
  private static let tryAgainLater = WebSocketErrorCode(codeNumber: 1013)

  private let application: any MailboxApplication
  private let pass: ConnectionPass
  private let connectionGuard: ConnectionGuard
  private let observer: ServerObserver
  private let plaintextTap: PlaintextTap?
  private let work: ConnectionWork
  private let wakeSignal: WakeSignal
  private var session: (any StreamSession)?
  private var schedule = StreamSchedule()
  private var assembler: FrameAssembler
  private var context: ChannelHandlerContext?
  private var isEnding = false
  private var pingTimer: Scheduled<Void>?
  private var attachDeadline: Scheduled<Void>?
  private var isProved = false
  /// Whether it was counted among the streams that nobody proved to own.
  private var isCounted = false
  private var frames = Spending()
  /// The last ping of the read in progress. One answer serves for those before it (RFC 6455 §5.5.3): a read holds thousands.
  private var unansweredPing: ByteBuffer?
  /// Bytes of fragments and of messages that wait, as `pass` counts them.
  private var heldByteCount = 0
  private var delayedRead: Scheduled<Void>?
  private var endDeadline: Scheduled<Void>?
  private var madeProgress = true
  private var missedPings = 0

  init(
    application: any MailboxApplication, pass: ConnectionPass, connectionGuard: ConnectionGuard,
    observer: @escaping ServerObserver = { _ in }, plaintextTap: PlaintextTap?, work: ConnectionWork, channel: any Channel
  ) {
    let limits = pass.limits
    self.application = application
    self.pass = pass
    self.connectionGuard = connectionGuard
    self.observer = observer
    self.plaintextTap = plaintextTap
    self.work = work
    wakeSignal = WakeSignal(channel: channel)
    assembler = FrameAssembler(maximumMessageByteCount: limits.maximumStreamMessageByteCount)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    attachDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(pass.limits.attachTimeout)) {
      self.observer(.refused(.attachTime))
      self.end(.policyViolation)
    }
    schedulePing()
    advance()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    connectionEnded()
  }

  func channelInactive(context: ChannelHandlerContext) {
    connectionEnded()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Self.unwrapInboundIn(data)
    heldByteCount += connectionGuard.frameCame(payloadByteCount: frame.length)
    defer { settle() }
    guard !isEnding else { return }
    madeProgress = true
    frames.charge(to: pass.limits.streamFrames, at: microseconds)
    do throws(FrameAssembler.Refusal) {
      switch try assembler.receive(frame) {
      case .incomplete, .pong: break
      case .message(let message):
        plaintextTap?(.received, message)
        schedule.messageReceived(message)
      case .ping(let payload): unansweredPing = payload
      case .close: end(.normalClosure)
      }
    } catch {
      switch error {
      case .protocolError: end(.protocolError)
      case .unacceptableData: end(.unacceptableData)
      case .messageTooLarge: end(.messageTooLarge)
      }
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if let payload = unansweredPing, !isEnding { write(WebSocketFrame(fin: true, opcode: .pong, data: payload)) }
    unansweredPing = nil
    advance()
    context.fireChannelReadComplete()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is WakeSignal.Requested:
      schedule.wakeRequested()
      advance()
    case is ConnectionGuard.NoRoom:
      end(Self.tryAgainLater)
    case is ChannelShouldQuiesceEvent:
      end(.goingAway)
    case ChannelEvent.inputClosed:
      context.close(promise: nil)
    default:
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case NIOWebSocketError.invalidFrameLength: end(.messageTooLarge)
    case is NIOWebSocketError: end(.protocolError)
    default: context.close(promise: nil)
    }
  }

  /// Delivers the next event if its time has come, and reads on if none is due.
  private func advance() {
    if let event = schedule.nextEvent() {
      deliver(event)
    } else if schedule.wantsRead {
      readOn()
    }
  }

  /// Reads on, now or when the peer's pace allows it.
  private func readOn() {
    guard let context, delayedRead == nil else { return }
    let verdict = frames.look(in: pass.limits.streamFrames, at: microseconds)
    guard !isEnding, case .refused(let wait) = verdict else {
      context.read()
      return
    }
    delayedRead = context.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Int64(clamping: wait))) {
      self.delayedRead = nil
      self.advance()
    }
  }

  private var microseconds: UInt64 { work.finished.eventLoop.now.uptimeNanoseconds / 1_000 }

  private func deliver(_ event: StreamSchedule.Event) {
    if event == .wake {
      wakeSignal.lower()
    }
    // The application holds a message until it has dealt with it, whether or not its peer is still there.
    var lentByteCount = 0
    if case .receive(let message) = event {
      lentByteCount = min(message.count, heldByteCount)
      heldByteCount -= lentByteCount
    }
    work.perform { [application, session, wakeSignal] in
      var current = session
      let outputs: [StreamOutput]
      switch event {
      case .start:
        let opened = await application.openStream()
        current = opened
        outputs = await opened.start(wake: { wakeSignal.raise() })
      case .receive(let message): outputs = await session?.receive(message) ?? []
      case .wake: outputs = await session?.wake() ?? []
      case .closed:
        await session?.closed()
        outputs = []
      }
      return (session: current, outputs: outputs)
    } then: { [self] ended in
      pass.release(lentByteCount)
      eventEnded(event, session: ended.session, ended.outputs)
    }
  }

  /// Lets go of bytes that are neither of a fragment nor of a message that waits.
  private func settle() {
    let excess = heldByteCount - assembler.heldByteCount - schedule.waitingByteCount
    guard excess > 0 else { return }
    heldByteCount -= excess
    pass.release(excess)
  }

  /// Nothing that comes is of any use from now on.
  private func stopReceiving() {
    isEnding = true
    schedule.end()
    assembler.end()
    settle()
  }

  private func eventEnded(_ event: StreamSchedule.Event, session: (any StreamSession)?, _ outputs: [StreamOutput]) {
    self.session = event == .closed ? nil : session
    schedule.eventEnded()
    for output in outputs where !isEnding {
      switch output {
      case .send(let message):
        guard pass.hold(message.count) else {
          end(Self.tryAgainLater)
          break
        }
        write(WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: message)), flushing: false)
      case .proved:
        isProved = true
        attachDeadline?.cancel()
        connectionGuard.streamProved()
      case .close(let malformed):
        end(malformed ? .protocolError : .normalClosure)
      }
    }
    context?.flush()
    advance()
  }

  private func write(_ frame: WebSocketFrame, flushing: Bool = true) {
    guard let context else { return }
    schedule.writeBegan()
    let heldByteCount = frame.opcode == .binary ? frame.data.readableBytes : 0
    context.write(Self.wrapOutboundOut(frame)).assumeIsolated().whenComplete { _ in
      self.pass.release(heldByteCount)
      self.madeProgress = true
      self.schedule.writeEnded()
      self.advance()
    }
    if flushing {
      context.flush()
    }
  }

  /// Ends the stream from our side: the close frame goes behind what was written, and the connection follows it.
  private func end(_ code: WebSocketErrorCode) {
    guard !isEnding, let context else { return }
    stopReceiving()
    countIfUnproved()
    pingTimer?.cancel()
    attachDeadline?.cancel()
    var payload = ByteBuffer()
    payload.write(webSocketErrorCode: code)
    let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: payload)
    context.writeAndFlush(Self.wrapOutboundOut(frame)).assumeIsolated().whenComplete { _ in
      context.close(promise: nil)
    }
    // A peer that does not read never takes the close frame.
    endDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(pass.limits.lingerTimeout)) {
      context.close(promise: nil)
    }
    advance()
  }

  /// As soon as it is known, and not when the peer has taken the end: it could have come again by then.
  private func countIfUnproved() {
    guard !isProved, !isCounted else { return }
    isCounted = true
    pass.streamFailed()
  }

  private func connectionEnded() {
    guard context != nil else { return }
    context = nil
    stopReceiving()
    countIfUnproved()
    for timer in [pingTimer, attachDeadline, delayedRead, endDeadline] {
      timer?.cancel()
    }
    advance()
  }

  private func schedulePing() {
    pingTimer = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(pass.limits.pingInterval)) {
      self.pingTimeCame()
    }
  }

  private func pingTimeCame() {
    // While the application works nothing is read, so silence then says nothing about the peer.
    if madeProgress || schedule.isBusy {
      missedPings = 0
    } else {
      missedPings += 1
    }
    madeProgress = false
    guard missedPings < Self.maximumMissedPings else {
      observer(.refused(.silentStream))
      context?.close(promise: nil)
      return
    }
    if let context, !schedule.hasPendingWrites {
      // Its write does not count as progress: the system takes it whether or not the peer still lives.
      let frame = WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer())
      context.writeAndFlush(Self.wrapOutboundOut(frame), promise: nil)
    }
    schedulePing()
  }
}
