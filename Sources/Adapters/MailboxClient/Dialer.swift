import NIOCore
import NIOPosix
import NIOSSL

/// Opens TLS connections to one server, on the event loops of the process.
struct Dialer: Sendable {
  /// A connection whose TLS handshake has succeeded.
  struct Connection<Result: Sendable>: Sendable {
    let channel: any Channel
    let result: Result
    /// Nil where the certificate was judged, and not its key.
    let leafSPKIHash: [UInt8]?
  }

  /// A connection that may still be in its handshake; connecting may try several addresses at once.
  private struct Attempt<Result: Sendable>: Sendable {
    let channel: any Channel
    let handshake: EventLoopFuture<Void>
    let check: PinCheck
    let result: Result
  }

  let endpoint: ServerEndpoint
  let limits: ClientLimits
  private let tlsContext: Result<NIOSSLContext, any Error>

  init(endpoint: ServerEndpoint, limits: ClientLimits) {
    self.endpoint = endpoint
    self.limits = limits
    tlsContext = Result { try PinCheck.makeContext(endpoint.trust) }
  }

  /// Connects and finishes the TLS handshake.
  ///
  /// - Parameter configure: adds the handlers that stand behind TLS.
  /// - Throws: `.unreachable` or `.refusedTLS`.
  func connect<Output: Sendable>(
    configure: @escaping @Sendable (any Channel) throws -> Output
  ) async throws(ClientError) -> Connection<Output> {
    let attempt: Attempt<Output>
    do {
      attempt = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(TimeAmount(limits.connectTimeout))
        .channelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
        .connect(host: endpoint.host, port: endpoint.port) { channel in
          channel.eventLoop.makeCompletedFuture { try prepare(channel, configure: configure) }
        }
    } catch {
      throw .unreachable
    }
    do {
      try await bounded(attempt.channel, by: limits.connectTimeout) {
        try await attempt.handshake.get()
      }
    } catch {
      attempt.channel.close(promise: nil)
      throw error as? ClientError ?? .unreachable
    }
    let hash = attempt.check.leafSPKIHash
    if case .pinned = endpoint.trust, hash == nil { throw .refusedTLS }
    return Connection(channel: attempt.channel, result: attempt.result, leafSPKIHash: hash)
  }

  /// Awaits something that the end of the channel also ends, and closes the channel if it takes too long.
  func bounded<Output: Sendable>(
    _ channel: any Channel, by timeout: Duration, _ body: @Sendable () async throws -> Output
  ) async throws -> Output {
    let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
      channel.close(promise: nil)
    }
    defer { deadline.cancel() }
    return try await body()
  }

  private func prepare<Output: Sendable>(
    _ channel: any Channel, configure: (any Channel) throws -> Output
  ) throws -> Attempt<Output> {
    let check = PinCheck(trust: endpoint.trust)
    let tls = try check.makeHandler(context: tlsContext.get(), endpoint: endpoint)
    let handshake = channel.eventLoop.makePromise(of: Void.self)
    let pipeline = channel.pipeline.syncOperations
    let result: Output
    do {
      try pipeline.addHandler(tls)
      try pipeline.addHandler(HandshakeWatcher(done: handshake))
      result = try configure(channel)
    } catch {
      handshake.fail(error)
      throw error
    }
    return Attempt(channel: channel, handshake: handshake.futureResult, check: check, result: result)
  }
}
