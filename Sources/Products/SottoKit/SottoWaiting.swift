import ConversationEngine
import SottoProtocol

extension Sotto {
  /// What happens from now on, until the profile is closed. Each call gives a sequence of its own, for one reader.
  ///
  /// - Parameter duration: the sequence ends after this time; nil for one without an end.
  public func events(for duration: Duration? = nil) -> AsyncStream<Event> {
    let (events, subscriber) = AsyncStream<Event>.makeStream()
    guard engine != nil else {
      subscriber.finish()
      return events
    }
    nextID += 1
    let id = nextID
    subscribers[id] = subscriber
    subscriber.onTermination = { [weak self] _ in
      Task { await self?.unsubscribe(id) }
    }
    if let duration {
      Task {
        try? await Task.sleep(for: duration)
        subscriber.finish()
      }
    }
    return events
  }

  /// Connects, and returns when everything that waited here is sent and everything that waited at the servers has arrived.
  ///
  /// - Throws: `.server` as soon as a server was not reached twice; `.timedOut`.
  public func synchronize(timeout: Duration = .seconds(30)) async throws(SottoError) {
    connect()
    try await wait(timeout) { (sotto, _) throws(SottoError) -> Void? in try sotto.isSettled() ? () : nil }
  }

  /// Returns when a new profile has its mailbox.
  ///
  /// - Throws: `.registrationRefused`, `.server`, `.timedOut`.
  public func waitUntilRegistered(timeout: Duration = .seconds(30)) async throws(SottoError) {
    connect()
    try await wait(timeout) { (sotto, events) throws(SottoError) -> Void? in
      for case .registrationRefused in events { throw .registrationRefused }
      if try !sotto.query({ $0.servers }).isEmpty { return () }
      try sotto.requireReachable()
      return nil
    }
  }

  private func isSettled() throws(SottoError) -> Bool {
    try requireReachable()
    let (addresses, hasWork) = try query { ($0.servers, $0.hasWork) }
    return !hasWork && addresses.allSatisfy { servers[$0]?.session.isCaughtUp ?? false }
  }

  /// - Throws: `.server` when one of the servers has failed twice since it last answered.
  func requireReachable() throws(SottoError) {
    for server in servers.values {
      guard let problem = server.session.problem, server.session.failureCount >= 2 else { continue }
      throw .server(problem)
    }
  }

  /// Waits until `look` gives a value; it is asked at once, and after everything that happens.
  func wait<Value: Sendable>(
    _ timeout: Duration, _ look: @escaping @Sendable (isolated Sotto, [Event]) throws(SottoError) -> Value?
  ) async throws(SottoError) -> Value {
    nextID += 1
    let id = nextID
    let timer = Task { [weak self] in
      guard (try? await Task.sleep(for: timeout)) != nil else { return }
      await self?.give(up: id, .timedOut)
    }
    defer { timer.cancel() }
    let result: Result<Value, SottoError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiters[id] = Waiter(
          look: { sotto, events in
            do throws(SottoError) {
              guard let value = try look(sotto, events) else { return false }
              continuation.resume(returning: .success(value))
            } catch { continuation.resume(returning: .failure(error)) }
            return true
          },
          give: { continuation.resume(returning: .failure($0)) })
        if engine == nil {
          give(up: id, failure ?? .closed)
        } else if Task.isCancelled {
          give(up: id, .cancelled)
        } else {
          lookForWaiters([])
        }
      }
    } onCancel: {
      Task { await self.give(up: id, .cancelled) }
    }
    return try result.get()
  }

  func lookForWaiters(_ events: [Event]) {
    for (id, waiter) in waiters where waiter.look(self, events) { waiters[id] = nil }
  }

  private func give(up id: Int, _ reason: SottoError) {
    waiters.removeValue(forKey: id)?.give(reason)
  }

  private func unsubscribe(_ id: Int) {
    subscribers[id] = nil
  }
}
