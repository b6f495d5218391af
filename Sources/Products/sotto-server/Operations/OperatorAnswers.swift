import Foundation
import MailboxEngine
import MailboxServer
import ServerStorage

/// What the operator's port answers: health, readiness, metrics, status.
struct OperatorAnswers: Sendable {
  let directory: ServerDirectory
  let store: SQLiteMailboxStore
  let rows: RowCounter
  let metrics: ServerMetrics
  let keys: ServedKeys
  let clock: any ServerClock
  /// Seconds since 1970.
  let startedAt: UInt64
  let hasSecurityText: @Sendable () -> Bool
  let phase: @Sendable () -> MailboxServer.Phase

  /// - Parameter asker: the status names the server's address and its key, which are for its owner.
  func answer(_ path: String, to asker: OperatorPort.Asker) async -> OperatorAnswer? {
    switch path {
    case "/healthz": plain("ok\n")
    case "/readyz": readiness
    case "/metrics":
      OperatorAnswer(contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(metrics.text(gauges).utf8))
    case "/status" where asker == .owner: OperatorAnswer(contentType: "application/json", body: await status.json)
    default: nil
    }
  }

  private var readiness: OperatorAnswer {
    if store.hasFailed { return plain("the disk has failed\n", status: 503) }
    return switch phase() {
    case .starting: plain("starting\n", status: 503)
    case .serving: plain("ready\n")
    case .stopping: plain("stopping\n", status: 503)
    }
  }

  private func plain(_ text: String, status: Int = 200) -> OperatorAnswer {
    OperatorAnswer(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
  }

  private var gauges: ServerMetrics.Gauges {
    let now = clock.secondsSince1970()
    let (database, log) = directory.databaseByteCounts
    return ServerMetrics.Gauges(
      uptimeSeconds: now > startedAt ? now - startedAt : 0, waitingWrites: store.waitingWriteCount, databaseBytes: database,
      logBytes: log, freeBytes: directory.freeByteCount, certificateDaysLeft: keys.material?.daysLeft(now: now))
  }

  private var status: ServerStatus {
    get async {
      let now = clock.secondsSince1970()
      var status = ServerStatus(directory, now: now)
      status.isRunning = true
      status.startedAt = startedAt
      status.certificateEnds = keys.material?.notAfter
      status.warnings += keys.material?.warnings(now: now) ?? []
      status.tlsKey = keys.material.map { "sha256//\(Data($0.leafSPKIHash).base64EncodedString())" }
      status.warnings += metrics.warnings
      if !hasSecurityText() { status.warnings.append(SecurityText.missing) }
      if store.isOlderThanBefore { status.warnings.append("the database was older at the start than the life before; something is lost") }
      if store.hasFailed { status.warnings.append("the disk has failed; nothing is written any more") }
      let counts = await rows.counts()
      status.rows = counts?.rows
      status.envelopeCells = counts?.rows["envelopes"]
      status.cellBytes = counts.map { ServerStatus.byDate($0.cellBytes) }
      let summary = metrics.summary
      (status.connections, status.streams, status.refusedReports) = (summary.connections, summary.streams, summary.refusedReports)
      status.schema = try? await store.schemaVersion()
      return status
    }
  }
}
