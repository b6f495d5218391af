import NIOCore
import NIOHTTP1

/// Serves the plain HTTP requests of one connection: executes what `HTTPExchange` decides, and keeps its time.
///
/// Until a request is answered and the peer has taken the answer nothing more is read; what had come with it waits.
final class HTTPRequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// What a report costs: it is written to disk, and anybody may send one.
  private static let reportWeight = 100
  /// What of an answer is encrypted at a time.
  private static let partByteCount = 65_536

  private let application: any MailboxApplication
  private let pass: ConnectionPass
  private let observer: ServerObserver
  private let work: ConnectionWork
  private var exchange: HTTPExchange
  private var context: ChannelHandlerContext?
  private var waitingParts = CircularBuffer<HTTPServerRequestPart>()
  private var isProcessing = false
  private var hasUntakenAnswer = false
  /// The server shuts down, which is for the time when the answer under way has been taken.
  private var quiescesAfterAnswer = false
  private var deadline: MovingDeadline?
  /// Bytes of the request that is coming in, as `pass` counts them.
  private var heldByteCount = 0
  /// When to come back, for the refusal that is about to be written.
  private var retryAfter: Int?

  private var limits: ServerLimits { pass.limits }

  init(
    application: any MailboxApplication, pass: ConnectionPass, observer: @escaping ServerObserver = { _ in },
    work: ConnectionWork
  ) {
    self.application = application
    self.pass = pass
    self.observer = observer
    self.work = work
    exchange = HTTPExchange(maximumRequestByteCount: pass.limits.maximumRequestByteCount)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    deadline = MovingDeadline(context.eventLoop)
    setDeadline(limits.idleTimeout)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    waitingParts.append(Self.unwrapInboundIn(data))
    process()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    readOn()
    context.fireChannelReadComplete()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent {
      quiescesAfterAnswer = hasUntakenAnswer
      if !hasUntakenAnswer { execute(exchange.quiesce()) }
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is HTTPParserError {
      execute(exchange.inputFailed())
    } else {
      context.close(promise: nil)
    }
  }

  private func process() {
    guard !isProcessing else { return }
    isProcessing = true
    defer { isProcessing = false }
    while !isOccupied, let part = waitingParts.popFirst() {
      switch part {
      case .head(let head): receiveHead(head)
      case .body(let buffer): receiveBody(buffer)
      case .end: execute(exchange.receiveEnd())
      }
    }
  }

  private func receiveHead(_ head: HTTPRequestHead) {
    let refusal = pass.streamRefusal ?? pass.requestBegan()
    retryAfter = refusal?.retryAfter
    execute(exchange.receiveHead(head, refusal: refusal?.status))
  }

  private func receiveBody(_ buffer: ByteBuffer) {
    let count = buffer.readableBytes
    guard exchange.isCollecting else { return execute(exchange.receiveBody(buffer.readableBytesView)) }
    guard pass.hold(count) else {
      retryAfter = pass.busy.retryAfter
      return execute(exchange.bodyDoesNotFit())
    }
    heldByteCount += count
    execute(exchange.receiveBody(buffer.readableBytesView))
  }

  /// Whether what follows on the connection has to wait.
  private var isOccupied: Bool { exchange.isPerforming || hasUntakenAnswer }

  private func readOn() {
    if !isOccupied {
      context?.read()
    }
  }

  private func execute(_ action: HTTPExchange.Action) {
    switch action {
    case .none:
      break
    case .awaitBody:
      setDeadline(limits.bodyTimeout)
    case .perform(let route, let body):
      deadline?.move(to: limits.answerTimeout) {
        self.observer(.refused(.answerTime))
        self.finishBusy()
      }
      perform(route, body)
    case .refuse(let status):
      if status == .payloadTooLarge { observer(.refused(.requestSize)) }
      releaseBody()
      write(status: status, body: [], keepsAlive: false)
    case .close:
      context?.close(promise: nil)
    }
  }

  private func perform(_ route: HTTPExchange.Route, _ body: [UInt8]) {
    if let refusal = pass.workBegins(weight(of: route, body)) { return turnAway(refusal) }
    switch route {
    case .health: finish(.reply([]))
    case .identity: perform { application in .reply(await application.identityStatement()) }
    case .identityProof(let nonce): perform { application in await application.identityProof(nonce: nonce) }
    case .call: perform { application in await application.call(body) }
    case .report:
      if let refusal = pass.takeReport() { return turnAway(refusal) }
      perform({ application in await application.report(body) }) { [pass] answer in
        // Of one that was turned away nothing was written: who sends it again, as it was asked to, has its share still.
        if case .reply = answer {} else { pass.giveBackReport() }
      }
    case .reportPage: perform { application in await application.reportPage() }
    case .securityText: perform { application in await application.securityText() }
    }
  }

  private func weight(of route: HTTPExchange.Route, _ body: [UInt8]) -> Int {
    switch route {
    case .call: application.weight(of: body)
    case .report: Self.reportWeight
    case .health, .identity, .identityProof, .reportPage, .securityText: 1
    }
  }

  /// - Parameter note: sees the answer first.
  private func perform(
    _ call: @escaping @Sendable (any MailboxApplication) async -> CallAnswer, noting note: @escaping (CallAnswer) -> Void = { _ in }
  ) {
    // The application holds the body until it answers, however long that takes and whether or not its peer is still there.
    let lentByteCount = heldByteCount
    heldByteCount = 0
    work.perform { [application] in
      await call(application)
    } then: { [self] answer in
      pass.release(lentByteCount)
      note(answer)
      finish(answer)
      process()
      readOn()
    }
  }

  private func finish(_ answer: CallAnswer) {
    guard exchange.isPerforming else { return }
    releaseBody()
    switch answer {
    case .reply(let bytes): reply(bytes, contentType: "application/octet-stream")
    case .text(let text): reply(Array(text.utf8), contentType: "text/plain; charset=utf-8")
    case .absent: close(with: .notFound)
    case .busy: finishBusy()
    case .malformed: close(with: .badRequest)
    }
  }

  private func reply(_ bytes: [UInt8], contentType: String) {
    // Until the peer has taken it: who does not read holds no more than the others leave.
    guard pass.hold(bytes.count) else { return finishBusy() }
    guard let keepsAlive = exchange.respond(closing: false) else { return pass.release(bytes.count) }
    write(status: .ok, body: bytes, contentType: contentType, keepsAlive: keepsAlive)
  }

  private func close(with status: HTTPResponseStatus) {
    guard exchange.respond(closing: true) != nil else { return }
    write(status: status, body: [], keepsAlive: false)
  }

  /// The application is busy or takes too long, or there is no room for its answer.
  private func finishBusy() {
    guard exchange.isPerforming else { return }
    turnAway(pass.busy)
  }

  private func turnAway(_ refusal: ConnectionPass.Refusal) {
    releaseBody()
    retryAfter = refusal.retryAfter
    close(with: refusal.status)
  }

  private func releaseBody() {
    pass.release(heldByteCount)
    heldByteCount = 0
  }

  private func write(
    status: HTTPResponseStatus, body: [UInt8], contentType: String = "application/octet-stream", keepsAlive: Bool
  ) {
    guard let context else { return }
    var headers = HTTPHeaders([("content-length", String(body.count))])
    if !body.isEmpty {
      headers.add(name: "content-type", value: contentType)
    }
    if status == .upgradeRequired {
      headers.add(name: "upgrade", value: "websocket")
    }
    if let retryAfter {
      headers.add(name: "retry-after", value: String(retryAfter))
      self.retryAfter = nil
    }
    if !keepsAlive {
      headers.add(name: "connection", value: "close")
    }
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
    setDeadline(keepsAlive ? limits.idleTimeout : limits.lingerTimeout)
    // The next answer waits until this one is taken, so that a peer that asks and does not read makes nothing grow.
    hasUntakenAnswer = keepsAlive
    // The bytes are in memory once: in the buffer, and not in the array as well.
    let byteCount = body.count
    writeRest(ByteBuffer(bytes: body)) { [self] in
      pass.release(byteCount)
      guard keepsAlive else { return execute(exchange.lastResponseFlushed()) }
      hasUntakenAnswer = false
      if quiescesAfterAnswer { execute(exchange.quiesce()) }
      process()
      readOn()
    }
  }

  /// Writes what is left of a body and the end of the answer, a part at a time: TLS encrypts a part when the one before has left,
  /// so that an answer which nobody takes is in memory once, and not a second time as records.
  private func writeRest(_ body: ByteBuffer, then done: @escaping () -> Void) {
    guard let context else { return done() }
    var rest = body
    guard body.readableBytes > Self.partByteCount, let part = rest.readSlice(length: Self.partByteCount) else {
      if body.readableBytes > 0 {
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
      }
      return context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in done() }
    }
    let isWritten = context.writeAndFlush(Self.wrapOutboundOut(.body(.byteBuffer(part)))).assumeIsolated()
    isWritten.whenComplete { [self, rest] result in
      switch result {
      case .success: writeRest(rest, then: done)
      case .failure: done()
      }
    }
  }

  private func setDeadline(_ duration: Duration) {
    deadline?.move(to: duration) {
      self.observer(.refused(.idleTime))
      self.context?.close(promise: nil)
    }
  }

  private func end() {
    exchange.connectionClosed()
    releaseBody()
    deadline?.cancel()
    deadline = nil
    waitingParts.removeAll()
    context = nil
  }
}
