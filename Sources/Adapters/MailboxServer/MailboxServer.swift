import HummingbirdCore
import NIOCore
import NIOPosix
public import ServiceLifecycle
import Synchronization
import UnixSignals

/// Serves a `MailboxApplication` on one TLS 1.3 port: `GET /v1/health`, `GET /v1/identity`, `POST /v1/call` and the
/// WebSocket `/v1/stream`; `docs/protocol.md` says what is in the bytes.
///
/// Without TLS material it serves plain HTTP, for a proxy on this machine that does TLS: then it listens on loopback only.
///
/// It writes no log of its own, and nothing that it throws names an address or a peer.
public final class MailboxServer: Service {
  private let configuration: MailboxServerConfiguration
  private let tls: ServerTLS?
  private let control: AdmissionControl
  private let server: Server<MailboxChannel>
  private let progress: Progress

  /// Connections that the system keeps until they are accepted: all of a small server's clients at once.
  private static let backlog = 1_024

  /// The port that the server listens on; nil until it does.
  public var port: Int? { progress.port }

  /// What a server does in its life.
  public enum Phase: Sendable {
    case starting, serving, stopping
  }

  /// Whether connections are accepted yet, and still.
  public var phase: Phase { progress.phase }

  /// - Parameters:
  ///   - material: nil for plain HTTP on a loopback address.
  ///   - onBound: called once, with the port, when connections are accepted.
  /// - Throws: `.unfit` if TLS does not accept the material.
  public init(
    application: any MailboxApplication, tls material: TLSMaterial?,
    configuration: MailboxServerConfiguration = MailboxServerConfiguration(),
    onBound: @escaping @Sendable (_ port: Int) -> Void = { _ in }
  ) throws(TLSMaterialError) {
    var tls: ServerTLS?
    if let material { tls = try ServerTLS(material, limits: configuration.limits) }
    let progress = Progress()
    let control = AdmissionControl(
      limits: Self.limits(configuration.limits, hasTLS: material != nil), descriptorCount: DescriptorLimit.current,
      observer: configuration.observer)
    self.configuration = configuration
    self.control = control
    self.tls = tls
    self.progress = progress
    server = Server(
      childChannelSetup: MailboxChannel(
        application: application, control: control, tls: tls, observer: configuration.observer,
        plaintextTap: configuration.plaintextTap),
      configuration: ServerConfiguration(
        address: .hostname(configuration.host, port: configuration.port), backlog: Self.backlog),
      onServerRunning: { channel in
        // Fails only when the server is closed already.
        try? await channel.eventLoop.submit {
          try channel.pipeline.syncOperations.addHandler(AcceptErrors(), position: .first)
        }.get()
        guard let port = channel.localAddress?.port else { return }
        progress.bound(port)
        onBound(port)
      },
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
      logger: configuration.logger)
  }

  /// Serves until the task's service group, or `shutDown`, asks for the end; by the time it returns every connection
  /// is closed and every call into the application has returned.
  ///
  /// - Throws: `MailboxServerError.cannotListen`.
  public func run() async throws {
    if tls == nil {
      let address = try? SocketAddress(ipAddress: configuration.host, port: configuration.port)
      guard let address, address.isLoopback else { throw MailboxServerError.notLoopback }
    }
    do {
      // Those who ask before they send somebody here hear of the end when it begins.
      try await withGracefulShutdownHandler {
        try await server.run()
      } onGracefulShutdown: { [progress] in
        progress.stop()
      }
    } catch is Server<MailboxChannel>.Error {
      // It was shut down before it began.
    } catch let error as IOError {
      throw MailboxServerError.cannotListen(errno: error.errnoCode)
    } catch {
      // For instance a host name that does not resolve; the error's text would name it.
      throw MailboxServerError.cannotListen(errno: nil)
    }
  }

  /// Tries whether the address and port can be had, and lets go of them at once.
  ///
  /// - Throws: `MailboxServerError.cannotListen`.
  public static func tryListening(host: String, port: Int) async throws(MailboxServerError) {
    do {
      let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
        .bind(host: host, port: port).get()
      try await channel.close()
    } catch { throw .cannotListen(errno: (error as? IOError)?.errnoCode) }
  }

  /// Serves until the process receives SIGTERM or SIGINT.
  public func runUntilSignalled() async throws {
    var group = ServiceGroupConfiguration(
      services: [self], gracefulShutdownSignals: [.sigterm, .sigint], logger: configuration.logger)
    group.maximumGracefulShutdownDuration = configuration.limits.gracefulShutdownTimeout * 2
    try await ServiceGroup(configuration: group).run()
  }

  /// Stops accepting, tells open streams, gives requests in progress the time of the limits, and closes everything.
  public func shutDown() async {
    progress.stop()
    // The only error is that of a server which failed to start, and `run` has thrown that.
    try? await server.shutdownGracefully()
  }

  /// Uses other limits for the connections accepted from now on, and for all that is counted together.
  public func replaceLimits(with limits: ServerLimits) {
    control.replaceLimits(with: Self.limits(limits, hasTLS: tls != nil))
  }

  /// Behind a proxy that does TLS all connections come from one address.
  private static func limits(_ limits: ServerLimits, hasTLS: Bool) -> ServerLimits {
    var limits = limits
    if !hasTLS { limits.distinguishesPeers = false }
    return limits
  }

  /// What the server has and has refused; costs next to nothing to ask for.
  public var statistics: ServerStatistics { control.statistics }

  /// Uses another certificate for the connections accepted from now on.
  ///
  /// - Throws: `.unfit` if TLS does not accept the material; the old one then stays.
  public func replaceTLS(with material: TLSMaterial) throws(TLSMaterialError) {
    try tls?.replace(with: material, limits: control.limits)
  }
}

/// Why the server does not serve.
public enum MailboxServerError: Error, Equatable {
  /// The address or port cannot be had; the number is the system's `errno`, where there was one.
  case cannotListen(errno: Int32?)
  /// Without TLS it listens only where no other machine can reach it: 127.0.0.1 or ::1, in numbers.
  case notLoopback
}

/// How far a server is: its port, once the system has given one, and whether it is ending.
private final class Progress: Sendable {
  private let state = Mutex((port: Int?.none, isStopping: false))

  var port: Int? { state.withLock { $0.port } }

  var phase: MailboxServer.Phase { state.withLock { $0.isStopping ? .stopping : $0.port == nil ? .starting : .serving } }

  func bound(_ port: Int) { state.withLock { $0.port = port } }

  func stop() { state.withLock { $0.isStopping = true } }
}
