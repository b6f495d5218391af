public import Logging

/// Where the server listens, its bounds, and its hooks.
public struct MailboxServerConfiguration: Sendable {
  /// The address or host name to listen on.
  public var host: String
  /// The TCP port; 0 lets the system choose one, which `MailboxServer.port` tells.
  public var port: Int
  /// The bounds on what a peer can make the server hold or wait for.
  public var limits: ServerLimits
  /// Hears what an operator's figures count.
  public var observer: ServerObserver
  /// Sees every byte on the plaintext side of TLS; for tests that search it for what must not be there.
  public var plaintextTap: PlaintextTap?
  /// Where the server library writes; drops everything unless it is set, since library messages may name addresses.
  public var logger: Logger

  public init(
    host: String = "127.0.0.1", port: Int = 0, limits: ServerLimits = ServerLimits(),
    observer: @escaping ServerObserver = { _ in }, plaintextTap: PlaintextTap? = nil,
    logger: Logger = Logger(label: "sotto", factory: { _ in SwiftLogNoOpLogHandler() })
  ) {
    self.host = host
    self.port = port
    self.limits = limits
    self.observer = observer
    self.plaintextTap = plaintextTap
    self.logger = logger
  }
}
