import MailboxEngine
import MailboxServer
import SottoProtocol
import Synchronization

/// The engine behind the network side; it notes what the network side must not do.
final class NetworkApplication: MailboxApplication {
  private struct Notes {
    var openSessionCount = 0
    var complaint: String?
  }

  private let engine: MailboxEngine
  private let limits: NetworkLimits
  private let notes = Mutex(Notes())

  init(engine: MailboxEngine, limits: NetworkLimits) {
    self.engine = engine
    self.limits = limits
  }

  var openSessionCount: Int { notes.withLock { $0.openSessionCount } }
  var complaint: String? { notes.withLock { $0.complaint } }

  func complain(unless isRight: Bool, _ text: String) {
    if !isRight { notes.withLock { $0.complaint = text } }
  }

  func weight(of request: [UInt8]) -> Int { MailboxEngine.weight(of: request) }

  func call(_ request: [UInt8]) async -> CallAnswer {
    complain(unless: request.count <= limits.maximumRequestByteCount, "a request is longer than requests may be")
    return switch await engine.call(request) {
    case .reply(let bytes): .reply(bytes)
    case .malformed: .malformed
    }
  }

  func identityStatement() async -> [UInt8] { [1, 2, 3] }

  func identityProof(nonce: String) async -> CallAnswer { IdentityProof.Nonce(nonce) == nil ? .malformed : .reply([1]) }

  func report(_ body: [UInt8]) async -> CallAnswer {
    complain(unless: body.count <= SealedReport.byteCount, "a report is longer than reports may be")
    return body.isEmpty ? .malformed : .reply(body)
  }

  func securityText() async -> CallAnswer { .text("Contact: a") }

  func openStream() async -> any StreamSession {
    notes.withLock { $0.openSessionCount += 1 }
    return NetworkSession(application: self, session: engine.openSession())
  }

  fileprivate func sessionEnded() { notes.withLock { $0.openSessionCount -= 1 } }

  fileprivate var maximumMessageByteCount: Int { limits.maximumStreamMessageByteCount }
}

/// One session of the engine's, whose events must come one at a time and in order.
private final class NetworkSession: StreamSession {
  private enum State { case new, idle, busy, over }

  private let application: NetworkApplication
  private let session: OwnerSession
  private let state = Mutex(State.new)

  init(application: NetworkApplication, session: OwnerSession) {
    self.application = application
    self.session = session
  }

  private func event(after expected: State, _ body: () async -> [SessionOutput]) async -> [StreamOutput] {
    application.complain(unless: state.withLock { $0 } == expected, "an event of a stream comes before the last one ended")
    state.withLock { $0 = .busy }
    let outputs = await body()
    state.withLock { $0 = .idle }
    return outputs.map { output in
      switch output {
      case .send(let bytes): .send(bytes)
      case .proved: .proved
      case .close(let malformed): .close(malformed: malformed)
      }
    }
  }

  func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] {
    await event(after: .new) { await session.start(wake: wake) }
  }

  func receive(_ message: [UInt8]) async -> [StreamOutput] {
    application.complain(unless: message.count <= application.maximumMessageByteCount, "a message is longer than messages may be")
    return await event(after: .idle) { await session.receive(message) }
  }

  func wake() async -> [StreamOutput] { await event(after: .idle) { await session.wake() } }

  func closed() async {
    application.complain(unless: state.withLock { $0 } == .idle, "a stream ends twice, or in the middle of an event")
    await session.closed()
    state.withLock { $0 = .over }
    application.sessionEnded()
  }
}
