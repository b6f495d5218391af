import NIOCore

/// Calls the application for one connection, and knows when the connection is over: its channel is closed and the
/// application has returned from the last call made for it. Shutting down waits for this, so that the application outlives
/// every call. Used on the event loop only.
final class ConnectionWork {
  private let promise: EventLoopPromise<Void>
  private let executor: (any TaskExecutor)?
  private var callsInProgress = 0
  private var channelIsClosed = false

  /// Completes once the connection is over.
  var finished: EventLoopFuture<Void> { promise.futureResult }

  /// - Parameter executor: where the application runs; nil for the threads of the process.
  init(channel: any Channel, executor: (any TaskExecutor)? = nil) {
    promise = channel.eventLoop.makePromise()
    self.executor = executor
    channel.closeFuture.assumeIsolated().whenComplete { _ in
      self.channelIsClosed = true
      self.finishIfOver()
    }
  }

  /// Calls into the application; what it answers is given to `finish` on the event loop, also when the peer has gone.
  func perform<Output: Sendable>(
    _ call: @escaping @Sendable () async -> Output, then finish: @escaping (Output) -> Void
  ) {
    callsInProgress += 1
    let eventLoop = promise.futureResult.eventLoop
    let bound = NIOLoopBound((work: self, finish: finish), eventLoop: eventLoop)
    let operation: @Sendable () async -> Void = {
      let output = await call()
      eventLoop.execute {
        bound.value.finish(output)
        bound.value.work.callEnded()
      }
    }
    // A preference for none would have each step of the task look for it.
    if let executor { Task(executorPreference: executor, operation: operation) } else { Task(operation: operation) }
  }

  private func callEnded() {
    callsInProgress -= 1
    finishIfOver()
  }

  private func finishIfOver() {
    if channelIsClosed && callsInProgress == 0 {
      promise.succeed(())
    }
  }
}
