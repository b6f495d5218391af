import ConversationEngine
import MailboxClient
import SottoProtocol
import WireFormat

// The shell around the engine and the sessions: it does what they say and tells them what came of it.
extension Sotto {
  private static let overdueLookMilliseconds: UInt64 = 250
  /// The engine does some things by the calendar and has no deadline for them.
  private static let calendarInterval = Duration.seconds(1_800)

  /// Connects to the servers, and stays connected until `close`: what waits is sent, what waits there is fetched.
  public func connect() {
    guard engine != nil, !isOnline else { return }
    isOnline = true
    pump()
    calendar = Task { [weak self] in
      while (try? await Task.sleep(for: Sotto.calendarInterval)) != nil {
        guard let self else { return }
        await self.pump()
      }
    }
  }

  /// How things stand with each server.
  public func serverStatus() -> [ServerStatus] {
    let known = (try? query { $0.servers }) ?? []
    return Set(known).union(servers.keys).map { address in
      ServerStatus(name: "\(address.host):\(address.port)", state: servers[address]?.session.status ?? .idle)
    }.sorted { $0.name < $1.name }
  }

  /// Hands out what the engine wants done and what has happened. Called after each change.
  func pump() {
    guard engine != nil else { return }
    if isOnline {
      guard let work = try? changeOnly({ engine, now throws(EngineError) in try engine.nextWork(now: now) }) else {
        return
      }
      for item in work { deliver(.work(item), to: item.server) }
      for address in (try? query { $0.servers }) ?? [] { deliver(.streamWanted, to: address) }
      scheduleDeadline()
    }
    let events = engine?.takeEvents() ?? []
    for event in events {
      for subscriber in subscribers.values { subscriber.yield(event) }
    }
    lookForWaiters(events)
  }

  /// The engine has something to do again at a certain time.
  private func scheduleDeadline() {
    let next = try? query { $0.nextDeadline }
    guard let time = next ?? nil else { return }
    if let deadline, deadline.time == time { return }
    deadline?.task.cancel()
    let now = Sotto.milliseconds()
    // What is due and was not handed out waits for something else, whose end has us look again; this is for the clock.
    let wait = time > now ? time - now : Sotto.overdueLookMilliseconds
    deadline = (
      time,
      Task { [weak self] in
        guard (try? await Task.sleep(for: .milliseconds(Int64(clamping: wait + 1)))) != nil else { return }
        await self?.deadlineCame()
      }
    )
  }

  private func deadlineCame() {
    deadline = nil
    pump()
  }

  /// Tells a server's session something and does what it answers.
  private func deliver(_ event: ServerSession.Event, to address: ServerAddress) {
    guard isOnline else { return }
    var server = servers[address] ?? Server(session: ServerSession(random: random), wire: ServerWire(address: address))
    let actions = server.session.receive(event)
    servers[address] = server
    for action in actions { perform(action, at: address) }
  }

  /// The same for what belongs to an attempt; what an earlier attempt still says is not heard.
  private func deliver(_ event: ServerSession.Event, to address: ServerAddress, attempt: Int) {
    guard servers[address]?.session.attempt == attempt else { return }
    deliver(event, to: address)
    lookForWaiters([])
  }

  private func perform(_ action: ServerSession.Action, at address: ServerAddress) {
    guard let server = servers[address] else { return }
    let wire = server.wire
    let attempt = server.session.attempt
    switch action {
    case .identify:
      let last = (try? query { $0.lastStatementSequence(of: address) }) ?? 0
      run(at: address) { sotto in
        do throws(ServerProblem) {
          let statement = try await ServerWire.identify(address, now: Sotto.milliseconds() / 1000, lastSequence: last)
          await sotto.proved(statement, of: address, attempt: attempt)
        } catch { await sotto.deliver(.failed(error), to: address, attempt: attempt) }
      }
    case .refreshStatement(let id): refreshStatement(of: address, over: wire, id: id)
    case .openStream:
      run(at: address) { sotto in
        do throws(ClientError) {
          let stream = try await wire.openStream()
          await sotto.deliver(.opened, to: address, attempt: attempt)
          for try await message in stream.incoming {
            await sotto.heard(message, from: address, attempt: attempt)
          }
          await sotto.deliver(.failed(.unreachable), to: address, attempt: attempt)
        } catch { await sotto.deliver(.failed(ServerProblem(error)), to: address, attempt: attempt) }
      }
    case .attach(let serverKey, let nonce):
      do {
        wire.send(
          try query { engine throws(EngineError) in
            try engine.attachMessage(server: address, serverKey: serverKey, nonce: nonce)
          })
      } catch { deliver(.failed(.notThisServer), to: address) }
    case .send(let message): wire.send(message)
    case .call(let id, let request): call(request, id: id, at: address, over: wire, attempt: attempt)
    case .process(let cursor, let sealed): process(sealed, cursor: cursor, from: address)
    case .complete(let id, let result): complete(id, result)
    case .caughtUp:
      try? change { engine, now throws(EngineError) in try engine.caughtUp(with: address, now: now) }
    case .fellBehind:
      try? change { engine, now throws(EngineError) in try engine.fellBehind(address, now: now) }
    case .closeStream: wire.closeStream()
    case .pause(let milliseconds): deliver(.pauseEnded, to: address, attempt: attempt, after: milliseconds)
    case .patience(let milliseconds): deliver(.patienceEnded, to: address, attempt: attempt, after: milliseconds)
    }
  }

  private func deliver(
    _ event: ServerSession.Event, to address: ServerAddress, attempt: Int, after milliseconds: UInt64
  ) {
    run(at: address) { sotto in
      guard (try? await Task.sleep(for: .milliseconds(Int64(clamping: milliseconds)))) != nil else { return }
      await sotto.deliver(event, to: address, attempt: attempt)
    }
  }

  /// Runs something that ends by itself, and is cut off by `close`.
  private func run(at address: ServerAddress, _ body: @escaping @Sendable (Sotto) async -> Void) {
    nextID += 1
    let id = nextID
    let task = Task { [weak self] in
      guard let self else { return }
      await body(self)
      await self.forget(id, at: address)
    }
    servers[address]?.tasks[id] = task
  }

  private func forget(_ id: Int, at address: ServerAddress) {
    servers[address]?.tasks[id] = nil
  }

  private func proved(_ statement: IdentityStatement, of address: ServerAddress, attempt: Int) {
    guard let server = servers[address], server.session.attempt == attempt else { return }
    guard note(statement, of: address, over: server.wire) else { return }
    deliver(.identified, to: address, attempt: attempt)
  }

  private func note(_ statement: IdentityStatement, of address: ServerAddress, over wire: ServerWire) -> Bool {
    wire.pin(statement.keyHashes)
    return (try? change { engine, _ throws(EngineError) in try engine.noteStatement(statement, of: address) }) != nil
  }

  private func refreshStatement(of address: ServerAddress, over wire: ServerWire, id: UInt64) {
    let last = (try? query { $0.lastStatementSequence(of: address) }) ?? 0
    run(at: address) { sotto in
      do throws(ServerProblem) {
        let statement = try await ServerWire.identify(address, now: Sotto.milliseconds() / 1000, lastSequence: last)
        guard await sotto.note(statement, of: address, over: wire) else { return }
        await sotto.complete(id, .identified)
      } catch { await sotto.complete(id, .failed) }
    }
  }

  private func heard(_ bytes: [UInt8], from address: ServerAddress, attempt: Int) {
    if let message = try? ServerMessage(decoding: bytes) {
      deliver(.message(message), to: address, attempt: attempt)
    } else {
      deliver(.failed(.notUnderstood), to: address, attempt: attempt)
    }
  }

  /// Acknowledges only what the engine has made durable.
  private func process(_ sealed: [UInt8], cursor: [UInt8], from address: ServerAddress) {
    do {
      try change { engine, now throws(EngineError) in try engine.receive(sealed: sealed, from: address, now: now) }
    } catch { return }
    deliver(.processed(cursor: cursor), to: address)
  }

  private func call(_ request: Request, id: UInt64, at address: ServerAddress, over wire: ServerWire, attempt: Int) {
    run(at: address) { sotto in
      do throws(ClientError) {
        let answer = try await wire.call(request)
        await sotto.complete(id, .answer(answer))
      } catch {
        switch error {
        // The same bytes would meet the same answer for ever.
        case .malformedRefused, .messageTooLarge: await sotto.complete(id, .answer(.refused))
        default:
          await sotto.complete(id, .failed)
          await sotto.deliver(.callFailed(ServerProblem(error)), to: address, attempt: attempt)
        }
      }
    }
  }

  private func complete(_ id: UInt64, _ result: WorkResult) {
    // A disk that fails here ends everything; there is nobody else to tell.
    try? change { engine, now throws(EngineError) in try engine.complete(id, result, now: now) }
  }
}
