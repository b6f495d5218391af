import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Answers the operator's own questions, apart from the port for clients: on a loopback address, which everybody on this machine
/// reaches, and on a socket in the data directory, which its owner alone does. It speaks just enough HTTP/1.1 for a scraper and a
/// command: one `GET` a connection, without a body.
public final class OperatorPort: Sendable {
  /// The answer to a path, or nil where nothing is.
  public typealias Answers = @Sendable (_ path: String, _ asker: Asker) async -> OperatorAnswer?

  /// Who can have asked.
  public enum Asker: Sendable {
    case anybodyHere, owner
  }

  /// Time that a connection may take: the answer is some kilobytes.
  private static let timeout = TimeAmount.seconds(10)
  /// Largest answer that `fetch` takes, bytes.
  private static let answerByteCount = 1 << 20
  /// Connections at a time to each of the two: clients need the descriptors, too, and whoever takes all places of one leaves the other's.
  private static let connectionCount = 16

  private let answers: Answers
  private let channels = Mutex<[any Channel]>([])

  public init(answers: @escaping Answers) { self.answers = answers }

  /// Listens on an address of this machine that no other machine can reach.
  ///
  /// - Returns: the port, which the system chooses for 0.
  /// - Throws: `.notLoopback` for any other address, `.cannotListen`.
  public func listen(host: String, port: Int) async throws(MailboxServerError) -> Int {
    let address: SocketAddress
    do {
      address = try SocketAddress(ipAddress: host == "localhost" ? "127.0.0.1" : host, port: port)
    } catch { throw .notLoopback }
    guard address.isLoopback else { throw .notLoopback }
    let channel = try await bound { try await self.bootstrap(.anybodyHere).bind(to: address).get() }
    return channel.localAddress?.port ?? port
  }

  /// Listens on a socket file, in place of one that an earlier process left.
  ///
  /// - Throws: `.cannotListen`, for a path of more than about 100 bytes too.
  public func listen(socket path: String) async throws(MailboxServerError) {
    _ = try await bound {
      try await self.bootstrap(.owner).bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
    }
  }

  /// Stops listening.
  public func close() async {
    let open = channels.withLock { channels in
      defer { channels = [] }
      return channels
    }
    for channel in open { try? await channel.close() }
  }

  /// Asks the server that listens on a socket file.
  ///
  /// - Throws: `.cannotListen` when nobody does, or the answer is no 200.
  public static func fetch(_ path: String, socket: String) async throws(MailboxServerError) -> [UInt8] {
    do {
      let (channel, answer) = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(timeout)
        .connect(unixDomainSocketPath: socket) { channel in
          channel.eventLoop.makeCompletedFuture {
            let answer = channel.eventLoop.makePromise(of: [UInt8].self)
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(OperatorFetch(limit: answerByteCount, answer: answer))
            return (channel, answer.futureResult)
          }
        }
      let deadline = channel.eventLoop.scheduleTask(in: timeout) { channel.close(promise: nil) }
      defer {
        deadline.cancel()
        channel.close(promise: nil)
      }
      let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: ["host": "localhost", "connection": "close"])
      channel.write(HTTPClientRequestPart.head(head), promise: nil)
      channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
      return try await answer.get()
    } catch { throw .cannotListen(errno: (error as? IOError)?.errnoCode) }
  }

  private func bootstrap(_ asker: Asker) -> ServerBootstrap {
    let openCount = OpenCount()
    return ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(ChannelOptions.backlog, value: 16)
      .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          let isRefused = openCount.value.add(1, ordering: .relaxed).newValue > Self.connectionCount
          channel.closeFuture.whenComplete { _ in openCount.value.subtract(1, ordering: .relaxed) }
          if isRefused { return channel.close(promise: nil) }
          let deadline = channel.eventLoop.scheduleTask(in: Self.timeout) { channel.close(promise: nil) }
          channel.closeFuture.whenComplete { _ in deadline.cancel() }
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          try channel.pipeline.syncOperations.addHandler(OperatorHandler(asker: asker, answers: answers))
        }
      }
  }

  private func bound(_ bind: () async throws -> any Channel) async throws(MailboxServerError) -> any Channel {
    do {
      let channel = try await bind()
      channels.withLock { $0.append(channel) }
      return channel
    } catch { throw .cannotListen(errno: (error as? IOError)?.errnoCode) }
  }
}

/// Connections that one listener has.
private final class OpenCount: Sendable {
  let value = Atomic(0)
}

/// One answer of the operator's port.
public struct OperatorAnswer: Sendable {
  /// The HTTP status: 200, or 503 for a server that is not ready.
  public var status: Int
  public var contentType: String
  public var body: [UInt8]

  public init(status: Int = 200, contentType: String, body: [UInt8]) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }
}

/// Serves one request.
final class OperatorHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let asker: OperatorPort.Asker
  private let answers: OperatorPort.Answers
  private var head: HTTPRequestHead?
  private var hasAnswered = false

  init(asker: OperatorPort.Asker, answers: @escaping OperatorPort.Answers) {
    self.asker = asker
    self.answers = answers
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body: context.close(promise: nil)
    case .end:
      guard let head, !hasAnswered else { return }
      hasAnswered = true
      guard head.method == .GET else { return write(nil, context) }
      guard Self.isOfThisMachine(head.headers["host"]) else {
        return write(OperatorAnswer(status: 421, contentType: "text/plain", body: []), context)
      }
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      let eventLoop = context.eventLoop
      Task { [answers, asker] in
        let answer = await answers(head.uri, asker)
        eventLoop.execute { bound.value.0.write(answer, bound.value.1) }
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  /// Whether a request means this machine by a name that nobody else can give: a web page whose name's owner has it point to
  /// 127.0.0.1 could otherwise read the answer in a browser here.
  static func isOfThisMachine(_ hosts: [String]) -> Bool {
    guard hosts.count == 1, let host = hosts.first?.lowercased() else { return false }
    let name: Substring
    if host.hasPrefix("[") {
      guard let end = host.firstIndex(of: "]") else { return false }
      name = host[host.index(after: host.startIndex)..<end]
    } else {
      name = host.prefix { $0 != ":" }
    }
    if name == "localhost" { return true }
    return (try? SocketAddress(ipAddress: String(name), port: 0))?.isLoopback ?? false
  }

  private func write(_ answer: OperatorAnswer?, _ context: ChannelHandlerContext) {
    guard context.channel.isActive else { return }
    let body = answer?.body ?? []
    var headers: HTTPHeaders = ["content-length": String(body.count), "connection": "close"]
    if let answer { headers.add(name: "content-type", value: answer.contentType) }
    let status = HTTPResponseStatus(statusCode: answer?.status ?? 404)
    context.write(Self.wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
    context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    let channel = context.channel
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
  }
}

/// Collects the answer to one request.
private final class OperatorFetch: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart

  struct NoAnswer: Error {}

  private let limit: Int
  private let answer: EventLoopPromise<[UInt8]>
  private var bytes: [UInt8] = []
  private var isDone = false

  init(limit: Int, answer: EventLoopPromise<[UInt8]>) {
    self.limit = limit
    self.answer = answer
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .head(let head): if head.status != .ok { end(.failure(NoAnswer())) }
    case .body(let buffer):
      guard buffer.readableBytes <= limit - bytes.count else { return end(.failure(NoAnswer())) }
      bytes += buffer.readableBytesView
    case .end: end(.success(bytes))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.failure(error)) }

  func handlerRemoved(context: ChannelHandlerContext) { end(.failure(NoAnswer())) }

  private func end(_ result: Result<[UInt8], any Error>) {
    guard !isDone else { return }
    isDone = true
    answer.completeWith(result)
  }
}

extension SocketAddress {
  /// Whether only this machine can reach it: 127.0.0.0/8 or ::1.
  var isLoopback: Bool {
    guard let text = ipAddress else { return false }
    return text == "::1" || (text.hasPrefix("127.") && !text.contains(":"))
  }
}
