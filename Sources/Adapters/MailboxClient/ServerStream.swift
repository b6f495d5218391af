import NIOCore
import NIOHTTP1
import NIOWebSocket

/// An open stream: binary messages in both directions, in order, over one WebSocket.
///
/// What has been received waits, up to a bound, until `incoming` is read; beyond it the server is held back. The stream
/// is closed when the last reference to it is gone.
public final class ServerStream: Sendable {
  private let channel: any Channel
  private let handler: NIOLoopBound<StreamHandler>

  private init(channel: any Channel, handler: NIOLoopBound<StreamHandler>) {
    self.channel = channel
    self.handler = handler
  }

  deinit {
    channel.close(promise: nil)
  }

  /// The server's messages. The sequence ends when either side closes the stream in order, and throws
  /// `.malformedRefused` if the server says that we broke the protocol, `.unacceptableReply` if the server did, and
  /// `.streamClosed` if the connection is lost.
  public var incoming: Incoming { Incoming(stream: self) }

  /// Sends one message; returns when it has left this machine, so a slow server holds back its sender.
  ///
  /// - Throws: `.messageTooLarge`, `.streamClosed`.
  public func send(_ message: [UInt8]) async throws(ClientError) {
    let promise = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { [handler] in
      handler.value.send(message, promise: promise)
    }
    do {
      try await promise.futureResult.get()
    } catch {
      throw error as? ClientError ?? .streamClosed
    }
  }

  /// Closes the stream; what was sent before still leaves.
  public func close() async {
    channel.eventLoop.execute { [handler] in
      handler.value.close()
    }
    try? await channel.closeFuture.get()
  }

  fileprivate func next() async throws(ClientError) -> [UInt8]? {
    let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
    channel.eventLoop.execute { [handler] in
      handler.value.next(promise)
    }
    do {
      return try await withTaskCancellationHandler {
        try await promise.futureResult.get()
      } onCancel: {
        channel.eventLoop.execute { [handler] in
          handler.value.cancelReaders()
        }
      }
    } catch {
      throw error as? ClientError ?? .streamClosed
    }
  }

  /// The messages of a stream, for one reader.
  public struct Incoming: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = ClientError

    fileprivate let stream: ServerStream

    public struct AsyncIterator: AsyncIteratorProtocol {
      fileprivate let stream: ServerStream

      public mutating func next() async throws(ClientError) -> [UInt8]? {
        try await stream.next()
      }

      public mutating func next(isolation: isolated (any Actor)?) async throws(ClientError) -> [UInt8]? {
        try await stream.next()
      }
    }

    public func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(stream: stream)
    }
  }
}

extension ServerStream {
  /// What came of the request for a stream.
  enum Negotiated: Sendable {
    case upgraded(NIOLoopBound<StreamHandler>)
    case refused(EventLoopFuture<ClientError>)
  }

  /// The WebSocket subprotocol of a stream.
  private static let subprotocol = "sotto.1"

  static func open(_ dialer: Dialer) async throws(ClientError) -> ServerStream {
    let limits = dialer.limits
    let authority = dialer.endpoint.authority
    let connection = try await dialer.connect { channel in
      try configure(channel, authority: authority, limits: limits)
    }
    let channel = connection.channel
    let outcome: Result<NIOLoopBound<StreamHandler>, ClientError>
    do {
      outcome = try await dialer.bounded(channel, by: limits.connectTimeout) {
        switch try await connection.result.get() {
        case .upgraded(let handler): return .success(handler)
        case .refused(let refusal): return .failure(try await refusal.get())
        }
      }
    } catch {
      channel.close(promise: nil)
      throw error as? ClientError ?? .unreachable
    }
    switch outcome {
    case .success(let handler):
      return ServerStream(channel: channel, handler: handler)
    case .failure(let error):
      channel.close(promise: nil)
      throw error
    }
  }

  /// Adds the handlers of a stream to a channel that is being set up; called on its event loop.
  ///
  /// - Parameter requestKey: a random one for each stream (RFC 6455 §4.1).
  static func configure(
    _ channel: any Channel, authority: String, limits: ClientLimits,
    requestKey: String = NIOWebSocketClientUpgrader.randomRequestKey()
  ) throws -> EventLoopFuture<Negotiated> {
    let upgrader = NIOTypedWebSocketClientUpgrader<Negotiated>(
      requestKey: requestKey,
      maxFrameSize: limits.maximumStreamMessageByteCount,
      enableAutomaticErrorHandling: false,
      upgradePipelineHandler: { channel, response in
        channel.eventLoop.makeCompletedFuture {
          guard response.headers[canonicalForm: "sec-websocket-protocol"] == [subprotocol[...]] else {
            throw ClientError.unacceptableReply
          }
          // From here on the stream handler asks for each read.
          try channel.syncOptions?.setOption(ChannelOptions.autoRead, value: false)
          let pipeline = channel.pipeline.syncOperations
          let handler = StreamHandler(limits: limits)
          try pipeline.addHandler(
            NIOWebSocketFrameAggregator(
              minNonFinalFragmentSize: 1, maxAccumulatedFrameCount: 64,
              maxAccumulatedFrameSize: limits.maximumStreamMessageByteCount))
          try pipeline.addHandler(handler)
          return .upgraded(NIOLoopBound(handler, eventLoop: channel.eventLoop))
        }
      })
    let headers = HTTPHeaders([("host", authority), ("sec-websocket-protocol", subprotocol)])
    var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
      upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration<Negotiated>(
        upgradeRequestHead: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/v1/stream", headers: headers),
        upgraders: [upgrader],
        notUpgradingCompletionHandler: { channel in
          channel.eventLoop.makeCompletedFuture {
            let refusal = channel.eventLoop.makePromise(of: ClientError.self)
            try channel.pipeline.syncOperations.addHandler(RefusalReader(refusal: refusal))
            return .refused(refusal.futureResult)
          }
        }))
    // The greeting may come in one read with the answer to the upgrade.
    configuration.leftOverBytesStrategy = .forwardBytes
    return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(configuration: configuration)
  }
}

/// Reads what a server says when it opens no stream.
private final class RefusalReader: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart

  private let refusal: EventLoopPromise<ClientError>

  init(refusal: EventLoopPromise<ClientError>) {
    self.refusal = refusal
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = Self.unwrapInboundIn(data) {
      refusal.succeed(ClientError(refusal: head))
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    // Has no effect if the refusal has come.
    refusal.fail(ClientError.unreachable)
  }
}
