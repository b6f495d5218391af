import ConversationEngine
import CryptoSuite
import SottoProtocol

/// The state of one server's connections (docs/protocol.md §3, §7), without any of them: events in, actions out.
///
/// A session first has the server prove who it is, then takes calls; once this device has a mailbox there it opens the
/// stream, attaches, and passes on what arrives. Whatever fails leads to a pause and to the beginning. Work that comes
/// before it can be done is held; owner messages whose answer was lost are given back as failed.
struct ServerSession: Sendable {
  enum Phase: Equatable, Sendable {
    case idle
    case identifying
    /// Calls can be made; no stream is wanted.
    case identified
    case opening
    case greeting
    case attaching
    case attached(isDrained: Bool)
    /// Until the next attempt.
    case pausing
  }

  enum Event: Sendable {
    /// There is something to do at this server.
    case start
    /// This device has a mailbox there.
    case streamWanted
    /// The server has proven who it is.
    case identified
    case opened
    case message(ServerMessage)
    /// The envelope with this cursor is safe on this device.
    case processed(cursor: [UInt8])
    /// What was under way has failed, or what was open is lost.
    case failed(ServerProblem)
    case callFailed(ServerProblem)
    case pauseEnded
    case patienceEnded
    case work(Work)
  }

  enum Action: Sendable {
    /// Fetch the identity statement and check it.
    case identify
    case openStream
    /// Sign the greeting's nonce and send the result.
    case attach(serverKey: PublicKey32, nonce: [UInt8])
    case send(OwnerMessage)
    case call(id: UInt64, Request)
    /// Hand the envelope to the engine; then `.processed`.
    case process(cursor: [UInt8], sealed: [UInt8])
    /// Fetch the identity statement once more, check it and note it; then tell the engine how that work ended.
    case refreshStatement(id: UInt64)
    /// Tell the engine that nothing waits at the server any more.
    case caughtUp
    /// Tell the engine that this is not known any more.
    case fellBehind
    /// Tell the engine how work ended.
    case complete(id: UInt64, WorkResult)
    case closeStream
    /// Milliseconds; then `.pauseEnded`.
    case pause(UInt64)
    /// Milliseconds; then `.patienceEnded`.
    case patience(UInt64)
  }

  /// Seconds for which a server can have us stay away: a wrong or hostile answer does not keep a device away for long.
  static let longestStay = 300

  /// Milliseconds from an open stream to its attachment: two short messages each way.
  static let attachPatience: UInt64 = 10_000

  private(set) var phase = Phase.idle
  /// What went wrong last, since the server was last used with success.
  private(set) var problem: ServerProblem?
  /// Counts the beginnings, so that what belongs to an earlier one can be told.
  private(set) var attempt = 0

  private let random: any RandomSource
  private var delay = ReconnectDelay()
  private var wantsStream = false
  private var heldCalls: [(id: UInt64, request: Request)] = []
  private var heldMessages: [(id: UInt64, message: OwnerMessage)] = []
  /// Work that the next proof of who the server is does as well.
  private var heldIdentifications: [UInt64] = []
  /// Work whose answer is awaited, by the id in the messages.
  private var unanswered: [UInt32: UInt64] = [:]

  init(random: any RandomSource) {
    self.random = random
  }

  /// Attempts that have failed since the last success.
  var failureCount: Int { delay.failureCount }

  /// Whether all that waited at the server has arrived, as far as it has said.
  var isCaughtUp: Bool { wantsStream ? phase == .attached(isDrained: true) : phase == .identified }

  var status: ServerStatus.State {
    switch phase {
    case .idle: .idle
    case .identified: .connected(isCaughtUp: true)
    case .attached(let isDrained): .connected(isCaughtUp: isDrained)
    case .pausing: .waiting(problem ?? .unreachable)
    case .identifying, .opening, .greeting, .attaching: problem.map { .waiting($0) } ?? .connecting
    }
  }

  /// Whether the server has proven who it is, so that calls can be made.
  var takesCalls: Bool {
    switch phase {
    case .idle, .identifying, .pausing: false
    case .identified, .opening, .greeting, .attaching, .attached: true
    }
  }

  mutating func receive(_ event: Event) -> [Action] {
    switch event {
    case .start: return phase == .idle ? begin() : []
    case .pauseEnded: return phase == .pausing ? begin() : []
    case .streamWanted:
      wantsStream = true
      if phase == .identified { return open() }
      return phase == .idle ? begin() : []
    case .identified:
      guard phase == .identifying else { return [] }
      phase = .identified
      var actions: [Action] = []
      if wantsStream { actions = open() } else { succeed() }
      defer { heldIdentifications = [] }
      return actions + heldIdentifications.map { .complete(id: $0, .identified) } + releaseCalls()
    case .opened:
      guard phase == .opening else { return [] }
      phase = .greeting
      return [.patience(ServerSession.attachPatience)]
    case .patienceEnded:
      return phase == .greeting || phase == .attaching ? fail(.unreachable) : []
    case .message(let message): return receive(message)
    case .processed(let cursor):
      guard case .attached = phase else { return [] }
      return [.send(.acknowledge(cursor: cursor))]
    case .failed(let problem): return fail(problem)
    case .callFailed(let problem):
      // With a stream, the stream tells whether the server is there; but other keys than the ones that were proven mean
      // that the proof is out of date.
      guard phase == .identified || (problem == .notThisServer && takesCalls) else { return [] }
      return fail(problem)
    case .work(let work): return take(work)
    }
  }

  private mutating func receive(_ message: ServerMessage) -> [Action] {
    switch (phase, message) {
    case (.greeting, .hello(let serverKey, let nonce)):
      phase = .attaching
      return [.attach(serverKey: serverKey, nonce: nonce)]
    case (.attaching, .attached):
      phase = .attached(isDrained: false)
      succeed()
      return releaseMessages()
    case (.attaching, .refused): return fail(.mailboxRefused)
    case (.attached, .envelope(let cursor, let sealed)): return [.process(cursor: cursor, sealed: sealed)]
    case (.attached(let isDrained), .drained):
      phase = .attached(isDrained: true)
      return isDrained ? [] : [.caughtUp]
    case (.attached, .done(let id, let outcome)):
      guard let work = unanswered.removeValue(forKey: id) else { return [] }
      return [.complete(id: work, .done(outcome))]
    case (.attached, .vouchers(let id, let vouchers)):
      guard let work = unanswered.removeValue(forKey: id) else { return [] }
      return [.complete(id: work, .vouchers(vouchers))]
    case (.attached, .issued(let id, let signatures)):
      guard let work = unanswered.removeValue(forKey: id) else { return [] }
      return [.complete(id: work, .issued(signatures))]
    default: return fail(.notUnderstood)
    }
  }

  private mutating func take(_ work: Work) -> [Action] {
    switch work.action {
    case .call(let request):
      if takesCalls { return [.call(id: work.id, request)] }
      heldCalls.append((work.id, request))
    case .owner(let message):
      if case .attached = phase {
        unanswered[work.ownerID] = work.id
        return [.send(message)]
      }
      heldMessages.append((work.id, message))
    case .identify:
      if takesCalls { return [.refreshStatement(id: work.id)] }
      heldIdentifications.append(work.id)
    }
    return phase == .idle ? begin() : []
  }

  private mutating func begin() -> [Action] {
    attempt += 1
    phase = .identifying
    return [.identify]
  }

  private mutating func open() -> [Action] {
    phase = .opening
    return [.openStream]
  }

  private mutating func succeed() {
    problem = nil
    delay.reset()
  }

  private mutating func fail(_ problem: ServerProblem) -> [Action] {
    guard phase != .pausing, phase != .idle else { return [] }
    let lost: [Action] = phase == .attached(isDrained: true) ? [.fellBehind] : []
    self.problem = problem
    attempt += 1
    phase = .pausing
    let asked = unanswered.values.sorted()
    unanswered = [:]
    var pause = delay.next(random: random)
    if case .busy(let seconds?) = problem {
      pause += UInt64(min(max(0, seconds), ServerSession.longestStay)) * 1_000
    }
    return [.closeStream] + lost + asked.map { .complete(id: $0, .failed) } + [.pause(pause)]
  }

  private mutating func releaseCalls() -> [Action] {
    defer { heldCalls = [] }
    return heldCalls.map { .call(id: $0.id, $0.request) }
  }

  private mutating func releaseMessages() -> [Action] {
    var actions: [Action] = []
    for held in heldMessages {
      unanswered[UInt32(truncatingIfNeeded: held.id)] = held.id
      actions.append(.send(held.message))
    }
    heldMessages = []
    return actions
  }
}
