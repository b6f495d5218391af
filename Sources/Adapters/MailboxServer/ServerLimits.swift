/// The bounds of the server, each with its reason.
public struct ServerLimits: Sendable {
  /// Connections held at once; further ones wait in the listening queue. An idle TLS stream costs about 31 KiB.
  public var maximumConnectionCount = 10_000
  /// Bytes of one request body: several of the largest frames (256 KiB) fit into one upload.
  public var maximumRequestByteCount = 1 << 20
  /// Bytes of one stream message: the largest frame (256 KiB) and what is said around it.
  public var maximumStreamMessageByteCount = 320 << 10
  /// Bytes of all header fields of a request; our own clients need fewer than 512.
  public var maximumHeaderByteCount = 8 << 10
  /// Time from the TCP connection to the end of the TLS handshake.
  public var handshakeTimeout: Duration = .seconds(10)
  /// Time from the end of the handshake to the end of the first request head.
  public var headerTimeout: Duration = .seconds(10)
  /// Time from the request head to the end of its body.
  public var bodyTimeout: Duration = .seconds(30)
  /// Time that an HTTP connection may wait for its next request, and a peer may take to read a reply.
  public var idleTimeout: Duration = .seconds(75)
  /// Time between two pings of a stream; a peer silent through two of them is disconnected.
  public var pingInterval: Duration = .seconds(30)
  /// Time that a peer has to see why it was refused, before its connection is cut.
  public var lingerTimeout: Duration = .seconds(2)
  /// Time that requests in progress get when the server shuts down.
  public var gracefulShutdownTimeout: Duration = .seconds(5)
  /// Time that a peer has to answer the end of the TLS session.
  public var tlsShutdownTimeout: Duration = .milliseconds(500)

  public init() {}
}
