import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOWebSocket

/// Builds the pipeline of one connection: TLS, the tap, the gatherer, the guard, then HTTP/1.1 with its upgrade to a stream.
struct MailboxChannel: ServerChildChannel {
  struct Value: ServerChildChannelValue {
    let channel: any Channel
    let finished: EventLoopFuture<Void>
  }

  let application: any MailboxApplication
  let control: AdmissionControl
  let tls: ServerTLS?
  let observer: ServerObserver
  let plaintextTap: PlaintextTap?
  /// Where the application runs; nil for the threads of the process.
  var executor: (any TaskExecutor)?

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture { Value(channel: channel, finished: try configure(channel)) }
  }

  /// Builds the pipeline, on the channel's event loop.
  ///
  /// - Returns: completes once the connection is over.
  func configure(_ channel: any Channel) throws -> EventLoopFuture<Void> {
    // Half-closed connections have no use here, and would outlive a shutdown.
    try channel.syncOptions?.setOption(ChannelOptions.allowRemoteHalfClosure, value: false)
    try channel.syncOptions?.setOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
    // What one read brings is worked on before anybody else's turn: at most 16 KiB, and not the sixteen reads that may wait. A full
    // TLS record has 22 bytes more, which the next read brings with what follows: one read in some 700. A larger size would be
    // rounded up to 32 KiB.
    try channel.syncOptions?.setOption(ChannelOptions.maxMessagesPerRead, value: 1)
    try channel.syncOptions?.setOption(
      ChannelOptions.recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 2_048, maximum: 16_384))
    let pipeline = channel.pipeline.syncOperations
    guard let pass = control.admit(channel.remoteAddress) else {
      try pipeline.addHandler(RefusedConnection())
      return channel.closeFuture
    }
    channel.closeFuture.assumeIsolated().whenComplete { _ in pass.leave() }
    observer(.connectionOpened)
    channel.closeFuture.whenComplete { [observer] _ in observer(.connectionClosed) }
    let work = ConnectionWork(channel: channel, executor: executor)
    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context)) }
    if let plaintextTap {
      try pipeline.addHandler(PlaintextTapHandler(plaintextTap))
    }
    try pipeline.addHandler(WriteGatherer())
    let connectionGuard = ConnectionGuard(pass: pass, observer: observer)
    try pipeline.addHandler(connectionGuard)
    try configureHTTP(channel: channel, connectionGuard: connectionGuard, pass: pass, work: work)
    try pipeline.addHandler(NegotiationErrorHandler())
    return work.finished
  }

  func handle(value: Value, logger: Logger) async {
    try? await value.finished.get()
  }

  private func configureHTTP(
    channel: any Channel, connectionGuard: ConnectionGuard, pass: ConnectionPass, work: ConnectionWork
  ) throws {
    let limits = pass.limits
    let filter = UpgradeFilter(pass: pass)
    let connectionGuard = NIOLoopBound(connectionGuard, eventLoop: channel.eventLoop)
    let pass = NIOLoopBound(pass, eventLoop: channel.eventLoop)
    let work = NIOLoopBound(work, eventLoop: channel.eventLoop)
    let upgrader = NIOTypedWebSocketServerUpgrader<Void>(
      maxFrameSize: limits.maximumStreamMessageByteCount,
      enableAutomaticErrorHandling: false,
      shouldUpgrade: { channel, _ in
        // `UpgradeFilter` has seen to it that this is a stream.
        channel.eventLoop.makeSucceededFuture(["sec-websocket-protocol": UpgradeFilter.streamSubprotocol])
      },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture {
          connectionGuard.value.streamBegan()
          try Self.endNegotiation(of: channel)
          observer(.streamOpened)
          channel.closeFuture.whenComplete { [observer] _ in observer(.streamClosed) }
          try channel.pipeline.syncOperations.addHandler(
            StreamHandler(
              application: application, pass: pass.value, connectionGuard: connectionGuard.value, observer: observer,
              plaintextTap: plaintextTap, work: work.value, channel: channel))
        }
      })
    let upgrade = NIOTypedHTTPServerUpgradeConfiguration<Void>(
      upgraders: [upgrader],
      notUpgradingCompletionHandler: { channel in
        channel.eventLoop.makeCompletedFuture {
          connectionGuard.value.negotiationEnded()
          try Self.endNegotiation(of: channel)
          try channel.pipeline.syncOperations.addHandler(
            HTTPRequestHandler(application: application, pass: pass.value, observer: observer, work: work.value))
        }
      })
    var decoderLimits = NIOHTTPDecoderLimitConfiguration()
    decoderLimits.maxHeaderListSize = limits.maximumHeaderByteCount
    decoderLimits.maxHeaderFieldSize = limits.maximumHeaderByteCount
    let encoder = HTTPResponseEncoder()
    let decoder = ByteToMessageHandler(
      HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoderLimits))
    // NIO's own handlers for pipelining and parser errors are left out: they answer after the end of a connection that
    // is shut down, and after an early refusal, which their assertions do not allow.
    let upgradeHandler = NIOTypedHTTPServerUpgradeHandler(
      httpEncoder: encoder, extraHTTPHandlers: [decoder, filter], upgradeConfiguration: upgrade)
    try channel.pipeline.syncOperations.addHandlers([encoder, decoder, filter, upgradeHandler])
    let negotiation = upgradeHandler.upgradeResultFuture
    negotiation.whenFailure { _ in channel.close(promise: nil) }
  }

  private static func endNegotiation(of channel: any Channel) throws {
    let pipeline = channel.pipeline.syncOperations
    let context = try pipeline.context(handlerType: NegotiationErrorHandler.self)
    pipeline.removeHandler(context: context, promise: nil)
    // From here on the handler of the protocol asks for each read.
    try channel.syncOptions?.setOption(ChannelOptions.autoRead, value: false)
  }
}
