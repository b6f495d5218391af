import MailboxEngine
import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization

/// Takes reports for the operator from anybody, at a bounded rate, and answers each with a signed receipt. That one address
/// does not send all of them is seen to before (`ServerLimits.reportsPerDay`).
final class ReportDesk: Sendable {
  /// Reports that may come at once, and how many more an hour; a flood fills an hour's share and no disk.
  private static let burst = 30
  private static let secondsPerReport: UInt64 = 120

  private struct Allowance {
    var left = burst
    var since: UInt64
  }

  private let box: ReportBox
  private let identity: ServerIdentity
  private let clock: any ServerClock
  private let refused: @Sendable () -> Void
  private let allowance: Mutex<Allowance>

  /// - Parameter refused: hears of each report that there was no room for.
  init(box: ReportBox, identity: ServerIdentity, clock: any ServerClock, refused: @escaping @Sendable () -> Void) {
    self.refused = refused
    self.box = box
    self.identity = identity
    self.clock = clock
    allowance = Mutex(Allowance(since: clock.secondsSince1970()))
  }

  func take(_ report: [UInt8]) -> CallAnswer {
    guard let key = box.publicKey() else { return .absent }
    guard !report.isEmpty else { return .malformed }
    guard isAllowed() else { return turnAway() }
    let day = clock.today.number
    do {
      try box.add(SealedReport.seal(report, to: key), day: day)
      return .reply(try identity.receipt(for: report, day: day).encoded)
    } catch { return turnAway() }
  }

  private func turnAway() -> CallAnswer {
    refused()
    return .busy
  }

  private func isAllowed() -> Bool {
    let now = clock.secondsSince1970()
    return allowance.withLock { allowance in
      let regained = now > allowance.since ? (now - allowance.since) / Self.secondsPerReport : 0
      if regained > 0 {
        allowance.left = min(Self.burst, allowance.left + Int(clamping: regained))
        allowance.since = now
      }
      guard allowance.left > 0 else { return false }
      allowance.left -= 1
      return true
    }
  }
}
