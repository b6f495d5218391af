import NIOCore

/// Where a server is, and how its TLS key is recognised.
public struct ServerEndpoint: Sendable {
  /// Decides over the SHA-256 hash (32 bytes) of the public key that the server has shown, in SubjectPublicKeyInfo form.
  public typealias Pin = @Sendable (_ leafSPKIHash: [UInt8]) -> Bool

  /// A host name, or an address in numbers.
  public var host: String
  public var port: Int
  /// Asked in every TLS handshake, before anything is sent.
  public var trust: Trust

  /// How a TLS key is judged.
  public enum Trust: Sendable {
    /// By the key itself, whoever issued the certificate.
    case pinned(Pin)
    /// By the certificate, for the host's name, from one of these authorities.
    case certified(by: CertificateAuthorities)
  }

  public init(host: String, port: Int, trust: Trust) {
    self.host = host
    self.port = port
    self.trust = trust
  }

  public init(host: String, port: Int, pinnedSPKI: @escaping Pin) {
    self.init(host: host, port: port, trust: .pinned(pinnedSPKI))
  }

  /// The name for the TLS server name indication, which must not be an address (RFC 6066 §3).
  var serverNameIndication: String? {
    (try? SocketAddress(ipAddress: host, port: port)) == nil ? host : nil
  }

  /// The value of the `host` header field (RFC 9110 §7.2).
  var authority: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

/// Who may certify a server's name.
public enum CertificateAuthorities: Sendable {
  /// The ones that the system trusts.
  case system
  /// These alone, PEM; for a closed network, and for tests. No program of this package offers it.
  case only(pem: [UInt8])
}

/// The bounds of a client, each with its reason.
public struct ClientLimits: Sendable {
  /// Time to connect and to finish the TLS handshake.
  public var connectTimeout: Duration = .seconds(10)
  /// Time from a request to the end of its answer.
  public var callTimeout: Duration = .seconds(30)
  /// A connection unused for longer is replaced: servers close idle ones, and a call on such a one ends in doubt.
  public var idleReuseTimeout: Duration = .seconds(45)
  /// Bytes of one request; what the server accepts.
  public var maximumRequestByteCount = 1 << 20
  /// Bytes of one answer: as much as four full uploads.
  public var maximumReplyByteCount = 4 << 20
  /// Bytes of one stream message, either way: the largest frame (256 KiB) and what is said around it.
  public var maximumStreamMessageByteCount = 320 << 10
  /// Bytes of received stream messages that may wait for their reader before no more are read.
  public var maximumWaitingByteCount = 320 << 10
  /// A stream on which nothing came for so long is lost: the server pings every 30 seconds.
  public var streamSilenceTimeout: Duration = .seconds(90)

  public init() {}
}
