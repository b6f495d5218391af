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
  /// A server that is not reached does not keep the others waiting: theirs is done first.
  ///
  /// What a server does not do for a while holds up nothing else: it is said when the rest is done.
  ///
  /// - Throws: `.server` when one was not reached twice, and the others have nothing more; `.serverFull`, `.logFull`, `.quotaUsedUp` when
  ///   what is left waits for these; `.timedOut`.
  public func synchronize(timeout: Duration = .seconds(30)) async throws(SottoError) {
    connect()
    try await wait(timeout, remembering: Set<HoldUp>()) { (sotto, events, heard) throws(SottoError) -> Void? in
      for event in events { if let holdUp = event.holdUp { heard.insert(holdUp) } }
      guard try sotto.isSettled() else { return nil }
      // What may wait for long keeps nobody waiting here, but what was heard of it is said.
      let standing = heard.intersection(try sotto.query { $0.holdUps })
      if let holdUp = HoldUp.allCases.first(where: standing.contains) { throw SottoError(holdUp) }
      return ()
    }
  }

  /// Has what a server had no room for asked for again now, and not only at the time that the server named: for a person who asks, once each
  /// time. What comes of it, `synchronize` says.
  public func askAgain() throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.askAgain(now: now) }
  }

  /// Returns when a new profile has its mailbox.
  ///
  /// - Throws: `.registrationRefused`, `.serverFull`, `.server`, `.timedOut`.
  public func waitUntilRegistered(timeout: Duration = .seconds(30)) async throws(SottoError) {
    connect()
    try await wait(timeout) { (sotto, events) throws(SottoError) -> Void? in
      for case .registrationRefused in events { throw .registrationRefused }
      if try !sotto.query({ $0.servers }).isEmpty { return () }
      try sotto.requireReachable()
      try sotto.requireProgress { _ in true }
      return nil
    }
  }

  private func isSettled() throws(SottoError) -> Bool {
    let failed = Set(servers.keys.filter { problem(of: $0) != nil }.map(\.serverKey))
    let (addresses, hasWork) = try query { ($0.servers, $0.hasWork(beside: failed)) }
    let rest = addresses.filter { !failed.contains($0.serverKey) }
    guard rest.allSatisfy({ servers[$0]?.session.isCaughtUp ?? false }) else { return false }
    if hasWork {
      try requireProgress { !failed.contains($0) }
      return false
    }
    try requireReachable()
    return true
  }

  /// - Parameter key: the one server that matters; nil for all.
  /// - Throws: `.server` when it has failed twice since it last answered.
  func requireReachable(_ key: PublicKey32? = nil) throws(SottoError) {
    for address in servers.keys where key == nil || address.serverKey == key {
      if let problem = problem(of: address) { throw .server(problem) }
    }
  }

  /// - Throws: `.serverFull`, `.logFull`, `.quotaUsedUp` when all that is to be done at these servers waits for these.
  func requireProgress(at isMeant: (PublicKey32) -> Bool) throws(SottoError) {
    if let holdUp = try query({ $0.holdUp(at: isMeant) }) { throw SottoError(holdUp) }
  }

  private func problem(of address: ServerAddress) -> ServerProblem? {
    guard let session = servers[address]?.session, session.failureCount >= 2 else { return nil }
    return session.problem
  }

  /// Waits until `look` gives a value; it is asked at once, and after everything that happens.
  func wait<Value: Sendable>(
    _ timeout: Duration, _ look: @escaping @Sendable (isolated Sotto, [Event]) throws(SottoError) -> Value?
  ) async throws(SottoError) -> Value {
    try await wait(timeout, remembering: ()) { (sotto, events, _) throws(SottoError) in try look(sotto, events) }
  }

  /// The same for what has to remember something of what it was shown.
  ///
  /// - Parameter memory: with what it begins; `look` changes it, and nobody else sees it.
  private func wait<Value: Sendable, Memory: Sendable>(
    _ timeout: Duration, remembering memory: Memory,
    _ look: @escaping @Sendable (isolated Sotto, [Event], inout Memory) throws(SottoError) -> Value?
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
        var memory = memory
        waiters[id] = Waiter(
          look: { sotto, events in
            do throws(SottoError) {
              guard let value = try look(sotto, events, &memory) else { return false }
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

extension Event {
  /// What it says that a server does not do for a while.
  fileprivate var holdUp: HoldUp? {
    switch self {
    case .serverFull: .serverFull
    case .logFull: .logFull
    case .quotaUsedUp: .quotaUsedUp
    default: nil
    }
  }
}
