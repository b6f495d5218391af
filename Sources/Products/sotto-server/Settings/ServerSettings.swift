import MailboxServer
import ServerStorage

/// Everything that an operator can set, read and checked.
struct ServerSettings: Sendable {
  /// Who does TLS.
  enum TLSMode: String, CaseIterable, Sendable {
    /// This server, by files of the operator's or by a certificate of its own; the server's identity vouches for the key.
    case own
    /// A proxy on this machine, with a certificate that the authorities of the web vouch for.
    case proxy
  }

  var data = ""
  var listen: Endpoint?
  var advertise: Endpoint?
  var tlsMode = TLSMode.own
  var certificateFile: String?
  var keyFile: String?
  var metricsListen: Endpoint?
  var logLevel = ServerLog.Level.notice
  /// URIs under which the operator takes reports of holes (RFC 9116 §2.5.3).
  var contacts: [String] = []
  /// Language tags (RFC 5646), the preferred one first.
  var languages = ["en"]
  /// Bytes that the files take that people send each other.
  var fileQuotaByteCount = 32 << 30
  /// What the database may take, and how many people may come.
  var storage = StorageLimits.standard
  var limits = NetworkLimits()
}
