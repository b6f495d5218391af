import Foundation
import MailboxEngine
import MailboxServer
import ServerStorage

/// How a server is, as `status` shows it. It counts and dates; nothing in it names a person or a mailbox.
struct ServerStatus: Codable, Sendable {
  var isRunning: Bool
  var version: String
  /// Where links point.
  var address: String?
  var fingerprint: String?
  /// Seconds since 1970, here and below.
  var startedAt: UInt64?
  var certificateEnds: UInt64?
  /// The TLS key that is served, as curl's --pinnedpubkey takes it.
  var tlsKey: String?
  var lastBackup: UInt64?
  var schema: Int?
  var connections: Int?
  var streams: Int?
  /// Pieces of envelopes that wait: a small envelope is one, a large one several.
  var envelopeCells: Int?
  /// Of each table; as they were a while ago, where counting takes long.
  var rows: [String: Int]?
  /// Bytes of sealed cells by the date on which they go at the latest, counted with the rows.
  var cellBytes: [String: Int]?
  /// Reports that wait for the operator.
  var reports: Int?
  /// Reports that were refused since the start: too many, or no room.
  var refusedReports: Int?
  var databaseBytes: Int
  var logBytes: Int
  var freeBytes: Int
  var warnings: [String]

  /// What the directory itself tells, of a server that runs or not.
  init(_ directory: ServerDirectory, now: UInt64) {
    isRunning = directory.isInUse
    version = SottoServerCommand.version
    address = try? directory.address()
    fingerprint = try? directory.keys(creating: false).secrets().identity.fingerprint
    lastBackup = directory.lastBackup
    (databaseBytes, logBytes) = directory.databaseByteCounts
    freeBytes = directory.freeByteCount
    reports = directory.reports.publicKey() == nil ? nil : try? directory.reports.folder.list().count
    warnings = []
    if freeBytes < Self.lowFreeBytes { warnings.append("less than \(Quantity.text(bytes: Self.lowFreeBytes)) of disk is free") }
    if let reports, reports >= ReportBox.count { warnings.append("the box of reports is full, so further ones are refused") }
    switch lastBackup {
    case nil: warnings.append("no backup has been made with sotto-server backup")
    case .some(let time) where now > time + Self.oldBackupSeconds: warnings.append("the last backup is older than a week")
    default: break
    }
  }

  /// What the running server says of itself; nil when none does.
  static func told(by directory: ServerDirectory) async -> ServerStatus? {
    guard let answer = try? await OperatorPort.fetch("/status", socket: directory.socketFile) else { return nil }
    return try? JSONDecoder().decode(ServerStatus.self, from: Data(answer))
  }

  private static let lowFreeBytes = 1 << 30
  private static let oldBackupSeconds: UInt64 = 7 * 86_400

  var json: [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Numbers and texts always encode; an empty answer would be refused by its reader.
    return (try? encoder.encode(self)).map { [UInt8]($0) } ?? []
  }

  /// For a person, a line each.
  func lines(now: UInt64) -> [String] {
    var lines: [String] = []
    func add(_ name: String, _ text: String?) { if let text { lines.append("\(name.padding(toCount: 18))\(text)") } }
    add("server", isRunning ? "running, version \(version)" : "not running; this program is version \(version)")
    add("since", startedAt.map { "\(Self.date($0)) (\(Self.span(now &- $0)))" })
    add("address", address)
    add("fingerprint", fingerprint)
    add("certificate", certificateEnds.map { "until \(Self.date($0))" })
    add("tls key", tlsKey)
    add("schema", schema.map(String.init))
    add("connections", connections.map { "\($0), of them \(streams ?? 0) streams" })
    add("waiting", envelopeCells.map { "\($0) cells of envelopes; a large envelope takes several" })
    for (table, count) in (rows ?? [:]).sorted(by: { $0.key < $1.key }) { add("  \(table)", "\(count) rows") }
    add("expiring", cellBytes.map { Self.expiring($0, now: now) })
    add("reports", reports.map { "\($0) of \(ReportBox.count)" + (refusedReports.map { ", and \($0) refused since the start" } ?? "") })
    add("database", "\(Quantity.rough(bytes: databaseBytes)), and \(Quantity.rough(bytes: logBytes)) of log")
    add("disk free", Quantity.rough(bytes: freeBytes))
    add("last backup", lastBackup.map(Self.date) ?? "none known")
    for warning in warnings { add("warning", warning) }
    return lines
  }

  static func date(_ seconds: UInt64) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
  }

  /// Days as dates: `2026-12-24`.
  static func byDate(_ bytes: [Day: Int]) -> [String: Int] {
    Dictionary(bytes.map { (day(UInt64($0.key.number) * 86_400), $0.value) }, uniquingKeysWith: +)
  }

  /// When what the cells take becomes free, in words.
  private static func expiring(_ bytes: [String: Int], now: UInt64) -> String {
    let (week, fortnight) = (day(now + 7 * 86_400), day(now + 14 * 86_400))
    func sum(_ isMeant: (String) -> Bool) -> String {
      Quantity.rough(bytes: bytes.reduce(0) { isMeant($1.key) ? $0 + $1.value : $0 })
    }
    return
      "\(sum { $0 <= week }) of cells within a week, \(sum { $0 > week && $0 <= fortnight }) in the next, \(sum { $0 > fortnight }) later"
  }

  /// `2026-12-24`; of such texts the earlier date is the lesser.
  static func day(_ seconds: UInt64) -> String { String(date(seconds).prefix(10)) }

  private static func span(_ seconds: UInt64) -> String {
    switch seconds {
    case ..<120: "\(seconds) seconds"
    case ..<7_200: "\(seconds / 60) minutes"
    case ..<172_800: "\(seconds / 3_600) hours"
    default: "\(seconds / 86_400) days"
    }
  }
}
