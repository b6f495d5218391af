import NIOCore

/// Knows when a connection is over: its channel is closed and the application has returned from the last call made
/// for it. Shutting down waits for this, so that the application outlives every call. Used on the event loop only.
final class ConnectionWork {
  private let promise: EventLoopPromise<Void>
  private var callsInProgress = 0
  private var channelIsClosed = false

  /// Completes once the connection is over.
  var finished: EventLoopFuture<Void> { promise.futureResult }

  init(channel: any Channel) {
    promise = channel.eventLoop.makePromise()
    channel.closeFuture.assumeIsolated().whenComplete { _ in
      self.channelIsClosed = true
      self.finishIfOver()
    }
  }

  /// A call into the application begins.
  func begin() {
    callsInProgress += 1
  }

  /// A call into the application has returned.
  func end() {
    callsInProgress -= 1
    finishIfOver()
  }

  private func finishIfOver() {
    if channelIsClosed && callsInProgress == 0 {
      promise.succeed(())
    }
  }
}
