import MailboxServer
import Metering
import ServerStorage

extension Setting {
  /// Every setting, in the order of the sample. A new bound of the server is one line here.
  static let all: [Setting] = [
    Setting(
      name: "data", form: "directory", summary: "Where everything lies: the database, and apart from it the keys.",
      isReloadable: false, fallback: ""
    ) { text, settings throws(SettingFault) in settings.data = text },
    .endpoint("listen", \.listen, "Where clients connect; port 0 takes any that is free."),
    .endpoint("advertise", \.advertise, "The address that links name, if it is another; port 0 stands for the one listened on."),
    .choice(
      "tls.mode", \.tlsMode, reloadable: false,
      "own: this server does TLS. proxy: a proxy on this machine does, with a certificate for the advertised name; then listen is loopback."
    ),
    .text(
      "tls.certificate", \.certificateFile, form: "file", reloadable: true,
      "The certificate chain, PEM, leaf first; without it the server makes its own, which serves as well."),
    .text("tls.key", \.keyFile, form: "file", reloadable: true, "The certificate's private key, PEM; nobody else may read it."),
    .endpoint("metrics.listen", \.metricsListen, "Where a scraper on this machine finds /metrics, /healthz and /readyz; loopback only."),
    .choice("log.level", \.logLevel, reloadable: true, "How much is said; no level holds an identifier, an address or a name."),
    .list(
      "security.contact", \.contacts, form: "URI, ...",
      "Where a hole is reported: mailto:, https: or tel:. Published in /.well-known/security.txt (RFC 9116), which without this "
        + "exists only after `reports init`."),
    .list("security.languages", \.languages, form: "tag, ...", "The languages that you read reports in."),
    .bytes(
      "files.quota", \.fileQuotaByteCount, 0...1 << 50, reloadable: false,
      "What the files that people send each other may take of the disk together; 0 takes none."),
    .bytes(
      "storage.database", \.storage.maximumByteCount, 128 << 20...1 << 50,
      "What the database may take with its log; beyond it nothing is added until something was deleted."),
    .bytes(
      "storage.free", \.storage.minimumFreeByteCount, 0...1 << 50,
      "What the database and the files leave free of the disk; deleting needs some of it."),
    .count("registrations.mailboxes", \.storage.maximumMailboxCount, 1...10_000_000, "Mailboxes in all."),
    .count(
      "registrations.invitations-per-day", \.storage.maximumInvitationsPerDay, 0...1_000_000,
      "Invitations to register that people hand out a day, all together; those of `invite` do not count."),
    .count("limits.connections", \.limits.maximumConnectionCount, 1...1_000_000, "Connections held at once."),
    .count(
      "limits.connections-per-address", \.limits.maximumConnectionCountPerPeer, 1...1_000_000,
      "Connections of one address; many people may share one."),
    .count(
      "limits.new-connections-per-minute", \.limits.newConnections.perMinute, 1...1_000_000,
      "New connections of one address, in the long run."),
    .count(
      "limits.requests-per-minute", \.limits.requests.perMinute, 1...10_000_000,
      "Requests of one address, in the long run; one that computes counts for many."),
    .count(
      "limits.streams-failed-per-minute", \.limits.failedStreams.perMinute, 1...1_000_000,
      "Streams of one address that end before their owner has proved to be one, in the long run."),
    .count(
      "limits.frames-per-minute", \.limits.streamFrames.perMinute, 60...10_000_000,
      "Frames of one stream, in the long run; one that sends more is read more slowly."),
    .count("limits.reports-per-day", \.limits.reportsPerDay, 1...1_440, "Reports to you that one address may send in a day."),
    .bytes(
      "limits.held-bytes", \.limits.maximumHeldByteCount, 16 << 20...64 << 30,
      "Memory for bodies, replies and messages of all connections together, in bytes; they are half of it at most."),
    .bytes("limits.request-bytes", \.limits.maximumRequestByteCount, 64 << 10...64 << 20, "Bytes of one request."),
    .bytes("limits.header-bytes", \.limits.maximumHeaderByteCount, 1 << 10...64 << 10, "Bytes of all header fields of a request."),
    .duration(
      "limits.handshake-time", \.limits.handshakeTimeout, .seconds(1) ... .seconds(300), "Time for the TLS handshake."),
    .duration("limits.header-time", \.limits.headerTimeout, .seconds(1) ... .seconds(300), "Time for the first request's head."),
    .duration("limits.body-time", \.limits.bodyTimeout, .seconds(1) ... .seconds(3_600), "Time for a request's body."),
    .duration("limits.answer-time", \.limits.answerTimeout, .seconds(1) ... .seconds(300), "Time to answer a request."),
    .duration(
      "limits.attach-time", \.limits.attachTimeout, .seconds(1) ... .seconds(300),
      "Time in which the owner of a stream has to prove to be one."),
    .duration(
      "limits.idle-time", \.limits.idleTimeout, .seconds(5) ... .seconds(3_600), "Time that a connection waits for its next request."),
    .duration(
      "limits.ping-interval", \.limits.pingInterval, .seconds(5) ... .seconds(40),
      "Time between two pings of a stream; clients take 90 seconds of silence for a lost connection."),
    .duration(
      "limits.shutdown-time", \.limits.gracefulShutdownTimeout, .milliseconds(100) ... .seconds(300),
      "Time that requests get to end at a shutdown."),
  ]

  static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

  /// The known name that is nearest to one that is not known, if any is near.
  static func nearest(to name: String, among names: [String]) -> String? {
    let best = names.map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }.min { $0.distance < $1.distance }
    guard let best, best.distance <= max(2, name.utf8.count / 3) else { return nil }
    return best.name
  }

  /// How many bytes must be put in, taken out or changed to make one of the other.
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    // A name that long is near to none.
    guard left.count <= 64 else { return .max }
    var row = Array(0...right.count)
    for (i, byte) in left.enumerated() {
      var next = [i + 1]
      for (j, other) in right.enumerated() {
        next.append(Swift.min(row[j] + (byte == other ? 0 : 1), row[j + 1] + 1, next[j] + 1))
      }
      row = next
    }
    return row.last ?? 0
  }
}
