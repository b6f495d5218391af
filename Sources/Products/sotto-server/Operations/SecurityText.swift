import MailboxServer
import ServerStorage

/// What the server says in public of how a hole is reported: the file of RFC 9116, and the page where reports are taken.
enum SecurityText {
  /// What an operator is told while there is no such file.
  static let missing = """
    this server has no security.txt, so nobody learns from it where a hole is reported: set security.contact, or have the server \
    take reports with sotto-server reports init
    """
  /// Days from the moment that it is asked for to its `Expires`; the RFC wants less than a year.
  private static let days: UInt64 = 30

  /// Where links point, as the directory remembers it; nil before the first start.
  static func site(of directory: ServerDirectory) -> Endpoint? {
    (try? directory.address()).flatMap(AdvertisedAddress.init)?.endpoint
  }

  static func isPublished(_ settings: ServerSettings, _ directory: ServerDirectory) -> Bool {
    !settings.contacts.isEmpty || directory.reports.publicKey() != nil
  }

  static func address(_ site: Endpoint) -> String { "\(origin(site))/.well-known/security.txt" }

  static func reportAddress(_ site: Endpoint) -> String { "\(origin(site))/v1/report" }

  private static func origin(_ site: Endpoint) -> String {
    let host = site.host.contains(":") ? "[\(site.host)]" : site.host
    return "https://\(site.port == 443 ? host : site.text)"
  }

  /// - Parameters:
  ///   - site: where links point.
  ///   - takesReports: whether the server takes reports itself; its address stands behind the operator's own contacts.
  ///   - now: seconds since 1970.
  /// - Returns: nil without any contact, which the RFC demands.
  static func make(_ settings: ServerSettings, site: Endpoint, takesReports: Bool, now: UInt64) -> String? {
    let contacts = settings.contacts + (takesReports ? [reportAddress(site)] : [])
    guard !contacts.isEmpty else { return nil }
    var lines = contacts.map { "Contact: \($0)" }
    lines.append("Expires: \(ServerStatus.date((now / 86_400 + days) * 86_400))")
    lines.append("Canonical: \(address(site))")
    if !settings.languages.isEmpty { lines.append("Preferred-Languages: \(settings.languages.joined(separator: ", "))") }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What a person reads at the address of reports.
  static func page(_ site: Endpoint) -> String {
    """
    Reports of holes and abuse to whoever runs this server: up to 64 KiB of text, from anybody.

      curl --data-binary @report.txt \(reportAddress(site)) -o receipt

    The answer is a receipt that the server's identity has signed; 429 and 503 mean: not now.
    The server reads the report when it comes, and keeps it sealed to a key that only the operator has.

    If curl does not accept the certificate: the server made it itself, as clients of this server do not ask authorities. Whoever
    stands in between could read the report then, unless you have the server's TLS key from the operator, on another channel:

      curl --insecure --pinnedpubkey 'sha256//...' --data-binary @report.txt \(reportAddress(site)) -o receipt

    """
  }
}
