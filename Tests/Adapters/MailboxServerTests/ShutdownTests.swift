import Foundation
import MailboxServer
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ShutdownTests {
  @Test func `shutting down closes fifty sockets of every kind`() async throws {
    let application = EchoApplication()
    let probes = try await withServer(application) { _, port in
      var probes: [Probe] = []
      for index in 0..<50 {
        switch index % 5 {
        case 0, 1:
          probes.append(try await Probe.openStream(port: port))
        case 2:
          let probe = try await Probe.connect(port: port)
          probe.send("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
          _ = await probe.received { !$0.isEmpty }
          probes.append(probe)
        case 3:
          // Half a request.
          let probe = try await Probe.connect(port: port)
          probe.send("POST /v1/call HTTP/1.1\r\nHost: a\r\n")
          probes.append(probe)
        default:
          probes.append(try await Probe.connect(port: port, security: .none))
        }
      }
      return probes
    }
    // `withServer` returns once `run` has.
    for probe in probes {
      _ = await probe.received { _ in false }
    }
    let sessions = application.sessions.withLock { $0 }
    #expect(sessions.count == 20)
    #expect(sessions.allSatisfy { $0.notes.withLock { $0.closedCount } == 1 })
  }

  @Test func `a request in progress is answered before the connection closes`() async throws {
    let (arrivals, arrived) = AsyncStream<Void>.makeStream()
    let (releases, release) = AsyncStream<Void>.makeStream()
    let application = WaitingApplication(arrived: arrived, releases: releases)
    try await withServer(application) { server, port in
      let probe = try await Probe.connect(port: port)
      probe.send("POST /v1/call HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
      _ = await arrivals.first { _ in true }
      async let end: Void = server.shutDown()
      release.yield()
      #expect(await probe.textUntilClosed().hasSuffix("done"))
      await end
    }
  }

  @Test func `SIGTERM ends a server and its streams`() async throws {
    let material = try await withTemporaryFile { try TLSMaterial.loadOrMake(file: $0) }
    let (ports, bound) = AsyncStream<Int>.makeStream()
    let server = try MailboxServer(application: EchoApplication(), tls: material, onBound: { bound.yield($0) })
    async let end: Void = server.runUntilSignalled()
    let port = try #require(await ports.first { _ in true })
    let probe = try await Probe.openStream(port: port)
    #expect(kill(getpid(), SIGTERM) == 0)
    _ = await probe.received { _ in false }
    try await end
  }

  @Test func `a server whose port is taken says so without naming it`() async throws {
    try await withServer(EchoApplication()) { _, port in
      let material = try await withTemporaryFile { try TLSMaterial.loadOrMake(file: $0) }
      let second = try MailboxServer(
        application: EchoApplication(), tls: material, configuration: MailboxServerConfiguration(port: port))
      await #expect(throws: MailboxServerError.self) { try await second.run() }
    }
  }
}

/// Answers a call when it is told to.
private final class WaitingApplication: MailboxApplication {
  private let arrived: AsyncStream<Void>.Continuation
  private let releases: AsyncStream<Void>

  init(arrived: AsyncStream<Void>.Continuation, releases: AsyncStream<Void>) {
    self.arrived = arrived
    self.releases = releases
  }

  func call(_ request: [UInt8]) async -> CallAnswer {
    arrived.yield()
    _ = await releases.first { _ in true }
    return .reply(Array("done".utf8))
  }

  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { EchoSession() }
}
