import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization
import WireFormat

/// Counts what the server does. Labels are kinds of calls, outcomes, bounds and tables: none names a mailbox or a peer.
final class ServerMetrics: Sendable {
  private struct Call: Hashable, Comparable {
    var kind: String
    var outcome: String

    static func < (left: Call, right: Call) -> Bool { (left.kind, left.outcome) < (right.kind, right.outcome) }
  }

  private struct State {
    var connections = 0
    var connectionsTotal: UInt64 = 0
    var streams = 0
    var streamsTotal: UInt64 = 0
    var calls: [Call: UInt64] = [:]
    var envelopes: UInt64 = 0
    var refusals: [ServerBound: UInt64] = [:]
    var batches = Histogram(bounds: [1, 2, 4, 8, 16, 32, 64, 128, 256])
    var commits = Histogram(bounds: [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
    var failedCommits: UInt64 = 0
    var expiredRows: UInt64 = 0
    var refusedForRoom: UInt64 = 0
    var unreadable: UInt64 = 0
    var failedCheckpoints: UInt64 = 0
    /// When a write was last refused for want of room.
    var lastWithoutRoom: ContinuousClock.Instant?
    var reloads: UInt64 = 0
    var refusedReloads: UInt64 = 0
    var rows: [String: Int] = [:]
  }

  /// The numbers of the wire (docs/protocol.md §7): what stands first in a request and in an answer.
  private static let kinds: [UInt8: String] = [
    1: "register", 2: "send", 3: "create_log", 4: "append", 5: "read_log", 6: "group_info", 7: "claim", 8: "rotate", 9: "redeem",
    32: "create_object", 33: "object_state", 34: "write_object", 35: "finish_object", 36: "read_object", 37: "delete_object",
  ]
  private static let outcomes: [UInt8: String] = [
    1: "registered", 2: "refused", 3: "sent", 4: "created", 5: "appended", 6: "duplicate", 7: "conflict", 8: "entries",
    9: "group_info", 10: "claimed", 11: "rotated", 12: "busy", 13: "redeemed",
    14: "token_refused", 15: "issuer_unknown", 16: "log_full", 17: "no_room", 32: "object", 33: "object_bytes", 34: "object_deleted",
    35: "over_quota",
  ]

  /// The name of a request's kind, by its first byte.
  static func kind(of request: [UInt8]) -> String { request.first.flatMap { kinds[$0] } ?? "other" }

  /// The name of an answer's kind, by its first byte.
  static func outcome(_ answer: [UInt8]) -> String { answer.first.flatMap { outcomes[$0] } ?? "other" }

  private let state = Mutex(State())

  var observer: ServerObserver {
    { [self] event in
      state.withLock { state in
        switch event {
        case .connectionOpened: (state.connections, state.connectionsTotal) = (state.connections + 1, state.connectionsTotal + 1)
        case .connectionClosed: state.connections -= 1
        case .streamOpened: (state.streams, state.streamsTotal) = (state.streams + 1, state.streamsTotal + 1)
        case .streamClosed: state.streams -= 1
        case .refused(let bound): state.refusals[bound, default: 0] += 1
        }
      }
    }
  }

  var storeObserver: StoreObserver {
    { [self] event in
      state.withLock { state in
        switch event {
        case .committed(let writeCount, let duration):
          state.batches.add(Double(writeCount))
          state.commits.add(duration / .seconds(1))
        case .commitFailed: state.failedCommits += 1
        case .expired(let rowCount): state.expiredRows += UInt64(rowCount)
        case .noRoom(let writeCount):
          state.refusedForRoom += UInt64(writeCount)
          state.lastWithoutRoom = .now
        case .unreadable(let cellCount): state.unreadable += UInt64(cellCount)
        case .checkpointFailed: state.failedCheckpoints += 1
        }
      }
    }
  }

  /// A call was answered; nil stands for a malformed one.
  func called(_ request: [UInt8], answer: [UInt8]?) {
    let kind = Self.kind(of: request)
    let outcome = answer.map(Self.outcome) ?? "malformed"
    let accepted = answer.map(Self.acceptedCount) ?? 0
    state.withLock { state in
      state.calls[Call(kind: kind, outcome: outcome), default: 0] += 1
      state.envelopes += UInt64(accepted)
    }
  }

  func reloaded(isRefused: Bool) {
    state.withLock { state in
      if isRefused { state.refusedReloads += 1 } else { state.reloads += 1 }
    }
  }

  func counted(rows: [String: Int]) { state.withLock { $0.rows = rows } }

  /// What an operator is warned of.
  var warnings: [String] {
    let state = state.withLock { $0 }
    var warnings: [String] = []
    if let last = state.lastWithoutRoom, last.duration(to: .now) < Self.roomMemory {
      warnings.append("nothing is added for want of room (storage.database, storage.free); people go on receiving")
    }
    if state.unreadable > 0 { warnings.append("the disk has changed envelopes that waited; look at it, and at the backups") }
    if state.failedCheckpoints > 0 { warnings.append("the disk has failed while the log was moved into the database") }
    return warnings
  }

  /// How long an operator is told that there was no room.
  private static let roomMemory = Duration.seconds(600)

  /// What a status wants to know.
  var summary: (connections: Int, streams: Int, refusedReports: Int) {
    state.withLock { ($0.connections, $0.streams, Int(clamping: $0.refusals[.reports] ?? 0)) }
  }

  private static func acceptedCount(_ answer: [UInt8]) -> Int {
    guard let first = answer.first, outcomes[first] == "sent" || outcomes[first] == "appended" else { return 0 }
    guard let answer = try? Answer(decoding: answer) else { return 0 }
    switch answer {
    case .sent(let answers), .appended(let answers): return answers.count { $0 == .accepted }
    default: return 0
    }
  }

  /// What only a look at the machine tells.
  struct Gauges: Sendable {
    var uptimeSeconds: UInt64
    var waitingWrites: Int
    var databaseBytes: Int
    var logBytes: Int
    var freeBytes: Int
    var certificateDaysLeft: Int?
  }

  /// Everything in Prometheus's text format 0.0.4.
  func text(_ gauges: Gauges) -> String {
    let state = state.withLock { $0 }
    var text = MetricsText()
    text.add("sotto_build_info", .gauge, "The version that runs.", [("{version=\"\(SottoServerCommand.version)\"}", "1")])
    text.add("sotto_uptime_seconds", .gauge, "Since the start.", gauges.uptimeSeconds)
    text.add("sotto_connections", .gauge, "Open connections.", state.connections)
    text.add("sotto_connections_total", .counter, "Connections accepted.", state.connectionsTotal)
    text.add("sotto_streams", .gauge, "Open streams.", state.streams)
    text.add("sotto_streams_total", .counter, "Streams opened.", state.streamsTotal)
    text.add(
      "sotto_calls_total", .counter, "Calls by kind and outcome.",
      state.calls.sorted { $0.key < $1.key }.map { ("{call=\"\($0.key.kind)\",outcome=\"\($0.key.outcome)\"}", "\($0.value)") })
    text.add("sotto_envelopes_accepted_total", .counter, "Copies that were on disk when their sender heard so.", state.envelopes)
    text.add(
      "sotto_refused_total", .counter, "Refused or cut, by the bound that was met.",
      ServerBound.allCases.map { ("{limit=\"\($0.rawValue)\"}", "\(state.refusals[$0] ?? 0)") })
    text.add("sotto_commit_writes", .histogram, "Writes in one transaction.", lines: state.batches.lines("sotto_commit_writes"))
    text.add(
      "sotto_commit_seconds", .histogram, "Time of one commit with its flush to disk.", lines: state.commits.lines("sotto_commit_seconds"))
    text.add("sotto_commit_failures_total", .counter, "Transactions that failed.", state.failedCommits)
    text.add("sotto_waiting_writes", .gauge, "Writes that no transaction has taken up yet.", gauges.waitingWrites)
    text.add(
      "sotto_rows", .gauge, "Rows of each table, counted once a minute, or less often where that takes long.",
      state.rows.sorted { $0.key < $1.key }.map { ("{table=\"\($0.key)\"}", "\($0.value)") })
    text.add("sotto_expired_rows_total", .counter, "Rows that expiry deleted or changed.", state.expiredRows)
    text.add("sotto_no_room_total", .counter, "Writes that were refused for want of room.", state.refusedForRoom)
    text.add("sotto_unreadable_total", .counter, "Cells of waiting envelopes that the disk has changed.", state.unreadable)
    text.add(
      "sotto_checkpoint_failures_total", .counter, "Times that the log could not be moved into the database.", state.failedCheckpoints)
    text.add("sotto_database_bytes", .gauge, "Size of the database file.", gauges.databaseBytes)
    text.add("sotto_wal_bytes", .gauge, "Size of the write-ahead log.", gauges.logBytes)
    text.add("sotto_disk_free_bytes", .gauge, "Free where the database lies.", gauges.freeBytes)
    text.add(
      "sotto_reloads_total", .counter, "Settings read again, by outcome.",
      [("{outcome=\"done\"}", "\(state.reloads)"), ("{outcome=\"refused\"}", "\(state.refusedReloads)")])
    if let days = gauges.certificateDaysLeft { text.add("sotto_certificate_days_left", .gauge, "Until the certificate ends.", days) }
    return text.text
  }
}

/// Puts metrics together.
private struct MetricsText {
  enum Kind: String { case counter, gauge, histogram }

  private(set) var text = ""

  mutating func add(_ name: String, _ kind: Kind, _ help: String, lines: [String]) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    for line in lines { text += line + "\n" }
  }

  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ values: [(labels: String, value: String)]) {
    add(name, kind, help, lines: values.map { "\(name)\($0.labels) \($0.value)" })
  }

  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
    add(name, kind, help, lines: ["\(name) \(value)"])
  }
}
