public import Metering

/// The bounds of the server, each with its reason. They may be replaced while it runs; a connection keeps those that it
/// found when it was accepted.
///
/// A *peer* is what an address says of who connects: an IPv4 address, or the first bits of an IPv6 address. Many people
/// may share one, so what a peer may have is enough for an office of two hundred with three devices each.
public struct ServerLimits: Sendable, Equatable {
  // MARK: Connections

  /// Connections held at once; further ones are closed as soon as they are accepted. An idle TLS stream costs about 40 KiB.
  /// The server never holds more than the system's limit of open files allows.
  public var maximumConnectionCount = 10_000
  /// Connections of one peer. When the server fills up a peer gets fewer: never more than as many as are still free, so
  /// that however many connections a few peers open there is room for the next one.
  public var maximumConnectionCountPerPeer = 2_000
  /// New connections of one peer: a TLS handshake costs about 2 ms of a processor.
  public var newConnections = Allowance(burst: 2_000, perMinute: 1_200)
  /// Bits of an IPv6 address that make a peer: providers hand out 56 or 64 to one customer.
  public var ipv6PrefixBitCount = 56
  /// Whether connections are counted by their peers; to be switched off where a proxy in front hides them all behind one
  /// address. The bounds of a peer then apply to each connection, and the proxy has to do the rest.
  public var distinguishesPeers = true

  // MARK: Requests and streams

  /// Requests of one peer, by weight: what a request costs the application (`MailboxApplication.weight`).
  public var requests = Allowance(burst: 12_000, perMinute: 6_000)
  /// Reports to the operator of one peer, a day: so that one peer does not use up what the operator takes of all.
  public var reportsPerDay = 5
  /// Streams of one peer that ended before their owner had proved to be one.
  public var failedStreams = Allowance(burst: 600, perMinute: 120)
  /// Frames of one stream; a stream that sends more is read more slowly.
  public var streamFrames = Allowance(burst: 2_000, perMinute: 30_000)

  // MARK: Bytes

  /// Bytes of memory for the request bodies, replies and stream messages of all connections together, which themselves are half of it at
  /// most. A peer gets no more than is still free.
  public var maximumHeldByteCount = 256 << 20
  /// Bytes of one request body: several of the largest frames (256 KiB) fit into one upload.
  public var maximumRequestByteCount = 1 << 20
  /// Bytes of one stream message: the largest frame (256 KiB) and what is said around it.
  public var maximumStreamMessageByteCount = 320 << 10
  /// Bytes that a stream takes before its owner has proved to be one: a few times what that needs.
  public var maximumUnprovedByteCount = 1 << 10
  /// Bytes of all header fields of a request; our own clients need fewer than 512.
  public var maximumHeaderByteCount = 8 << 10

  // MARK: Time

  /// Time from the TCP connection to the end of the TLS handshake.
  public var handshakeTimeout: Duration = .seconds(10)
  /// Time from the end of the handshake to the end of the first request head.
  public var headerTimeout: Duration = .seconds(10)
  /// Time from the request head to the end of its body.
  public var bodyTimeout: Duration = .seconds(30)
  /// Time that the application may take to answer a request; the peer then hears that the server is busy.
  public var answerTimeout: Duration = .seconds(30)
  /// Time that an HTTP connection may wait for its next request, and a peer may take to read a reply.
  public var idleTimeout: Duration = .seconds(75)
  /// Time in which the owner of a stream has to prove to be one.
  public var attachTimeout: Duration = .seconds(10)
  /// Time between two pings of a stream; a peer silent through two of them is disconnected.
  public var pingInterval: Duration = .seconds(30)
  /// Time that a peer has to see why it was refused, before its connection is cut.
  public var lingerTimeout: Duration = .seconds(2)
  /// Time after which who heard that the server is busy may try again.
  public var busyRetryInterval: Duration = .seconds(5)
  /// Time that requests in progress get when the server shuts down.
  public var gracefulShutdownTimeout: Duration = .seconds(5)
  /// Time that a peer has to answer the end of the TLS session.
  public var tlsShutdownTimeout: Duration = .milliseconds(500)

  /// A report weighs as many units as a day has minutes, and as many come back each minute as reports may be sent in a day.
  static let reportWeight = 1_440
  var reports: Allowance {
    let count = min(max(1, reportsPerDay), 1_440)
    return Allowance(burst: count * Self.reportWeight, perMinute: count)
  }

  public init() {}
}
