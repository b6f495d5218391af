import NIOCore
import NIOHTTP1

/// Serves the plain HTTP requests of one connection: executes what `HTTPExchange` decides, and keeps its time.
///
/// While a request is being answered nothing more is read; what had come with it waits.
final class HTTPRequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let application: any MailboxApplication
  private let limits: ServerLimits
  private let observer: ServerObserver
  private let work: ConnectionWork
  private var exchange: HTTPExchange
  private var context: ChannelHandlerContext?
  private var waitingParts = CircularBuffer<HTTPServerRequestPart>()
  private var isProcessing = false
  private var deadline: Scheduled<Void>?

  init(
    application: any MailboxApplication, limits: ServerLimits, observer: @escaping ServerObserver = { _ in },
    work: ConnectionWork
  ) {
    self.application = application
    self.limits = limits
    self.observer = observer
    self.work = work
    exchange = HTTPExchange(maximumRequestByteCount: limits.maximumRequestByteCount)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
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
      execute(exchange.quiesce())
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
    while !exchange.isPerforming, let part = waitingParts.popFirst() {
      switch part {
      case .head(let head): execute(exchange.receiveHead(head))
      case .body(let buffer): execute(exchange.receiveBody(buffer.readableBytesView))
      case .end: execute(exchange.receiveEnd())
      }
    }
  }

  private func readOn() {
    if !exchange.isPerforming {
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
      deadline?.cancel()
      deadline = nil
      perform(route, body)
    case .refuse(let status):
      if status == .payloadTooLarge { observer(.refused(.requestSize)) }
      write(status: status, body: [], keepsAlive: false)
    case .close:
      context?.close(promise: nil)
    }
  }

  private func perform(_ route: HTTPExchange.Route, _ body: [UInt8]) {
    switch route {
    case .health: finish(.reply([]))
    case .identity: perform { application in .reply(await application.identityStatement()) }
    case .identityProof(let nonce): perform { application in await application.identityProof(nonce: nonce) }
    case .call: perform { application in await application.call(body) }
    case .report: perform { application in await application.report(body) }
    case .securityText: perform { application in await application.securityText() }
    }
  }

  private func perform(_ body: @escaping @Sendable (any MailboxApplication) async -> CallAnswer) {
    guard let eventLoop = context?.eventLoop else { return }
    work.begin()
    let handler = NIOLoopBound(self, eventLoop: eventLoop)
    Task { [application] in
      let answer = await body(application)
      eventLoop.execute {
        handler.value.finish(answer)
        handler.value.process()
        handler.value.readOn()
        handler.value.work.end()
      }
    }
  }

  private func finish(_ answer: CallAnswer) {
    switch answer {
    case .reply(let bytes):
      guard let keepsAlive = exchange.respond(closing: false) else { return }
      write(status: .ok, body: bytes, keepsAlive: keepsAlive)
    case .text(let text):
      guard let keepsAlive = exchange.respond(closing: false) else { return }
      write(status: .ok, body: Array(text.utf8), contentType: "text/plain; charset=utf-8", keepsAlive: keepsAlive)
    case .absent: close(with: .notFound)
    case .busy: close(with: .serviceUnavailable)
    case .malformed: close(with: .badRequest)
    }
  }

  private func close(with status: HTTPResponseStatus) {
    guard exchange.respond(closing: true) != nil else { return }
    write(status: status, body: [], keepsAlive: false)
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
    if !keepsAlive {
      headers.add(name: "connection", value: "close")
    }
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
    if !body.isEmpty {
      context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    }
    setDeadline(keepsAlive ? limits.idleTimeout : limits.lingerTimeout)
    let written = context.writeAndFlush(Self.wrapOutboundOut(.end(nil)))
    if !keepsAlive {
      written.assumeIsolated().whenComplete { _ in
        self.execute(self.exchange.lastResponseFlushed())
      }
    }
  }

  private func setDeadline(_ duration: Duration) {
    deadline?.cancel()
    deadline = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) {
      self.observer(.refused(.idleTime))
      self.context?.close(promise: nil)
    }
  }

  private func end() {
    exchange.connectionClosed()
    deadline?.cancel()
    deadline = nil
    waitingParts.removeAll()
    context = nil
  }
}
