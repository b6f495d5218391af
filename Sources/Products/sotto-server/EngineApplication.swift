import MailboxEngine
import MailboxServer
import SottoProtocol

/// The engine as the network side wants it.
struct EngineApplication: MailboxApplication {
  let engine: MailboxEngine
  let identity: ServerIdentity
  let keys: ServedKeys
  /// The name and port that a proxy's certificate is for; nil without a proxy.
  let certifiedName: Endpoint?
  let metrics: ServerMetrics
  let desk: ReportDesk
  /// The text of RFC 9116, as the settings in force have it.
  let security: @Sendable () -> String?
  /// What a person is told who looks where reports go; nil while none are taken.
  let reportText: @Sendable () -> String?
  let clock: any ServerClock

  func call(_ request: [UInt8]) async -> CallAnswer {
    switch await engine.call(request) {
    case .reply(let bytes):
      metrics.called(request, answer: bytes)
      return .reply(bytes)
    case .malformed:
      metrics.called(request, answer: nil)
      return .malformed
    }
  }

  func weight(of request: [UInt8]) -> Int { MailboxEngine.weight(of: request) }

  func identityStatement() async -> [UInt8] {
    let now = clock.secondsSince1970()
    let statement = try? identity.statement(
      tlsKeyHashes: keys.hashes(now: now), issuerKeys: engine.issuer.publicKeys(today: clock.today), now: now)
    // Signing fails only for want of memory; clients refuse an empty statement, and ask again.
    return statement?.encoded ?? []
  }

  func identityProof(nonce: String) async -> CallAnswer {
    guard let certifiedName else { return .absent }
    guard let nonce = IdentityProof.Nonce(nonce) else { return .malformed }
    let statement = await identityStatement()
    let proof = try? identity.proof(nonce: nonce, statement: statement, host: certifiedName.host, port: certifiedName.port)
    return proof.map { .reply($0.encoded) } ?? .busy
  }

  func report(_ body: [UInt8]) async -> CallAnswer { await desk.take(body) }

  func reportPage() async -> CallAnswer { reportText().map { .text($0) } ?? .absent }

  func securityText() async -> CallAnswer { security().map { .text($0) } ?? .absent }

  func openStream() async -> any StreamSession { EngineStream(session: engine.openSession()) }
}

private struct EngineStream: StreamSession {
  let session: OwnerSession

  func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] {
    await session.start(wake: wake).map(StreamOutput.init)
  }

  func receive(_ message: [UInt8]) async -> [StreamOutput] { await session.receive(message).map(StreamOutput.init) }

  func wake() async -> [StreamOutput] { await session.wake().map(StreamOutput.init) }

  func closed() async { await session.closed() }
}

extension StreamOutput {
  fileprivate init(_ output: SessionOutput) {
    switch output {
    case .send(let bytes): self = .send(bytes)
    case .proved: self = .proved
    case .close(let malformed): self = .close(malformed: malformed)
    }
  }
}
