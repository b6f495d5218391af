import Dispatch
import MailboxEngine
import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization

/// Takes reports for the operator from anybody, at a bounded rate, and answers each with a signed receipt. That one address
/// does not send all of them is seen to before (`ServerLimits.reportsPerDay`).
///
/// A report is written one at a time, on a thread of the desk's own: on those of Swift's pool, of which there is one for each processor,
/// a few that wait for a slow disk would hold up everybody.
final class ReportDesk: Sendable {
  /// Reports that may come at once, and how many more an hour; a flood fills an hour's share and no disk.
  private static let burst = 30
  private static let secondsPerReport: UInt64 = 120
  /// Reports that are written or wait for it; further ones are turned away.
  static let waitingLimit = 8

  private struct State {
    var left = burst
    var since: UInt64
    var waitingCount = 0
  }

  private let box: ReportBox
  private let identity: ServerIdentity
  private let clock: any ServerClock
  private let willUseDisk: @Sendable () -> Void
  private let refused: @Sendable () -> Void
  private let queue = DispatchQueue(label: "reports")
  private let state: Mutex<State>

  /// - Parameters:
  ///   - willUseDisk: is called before each report, where the disk is used; tests hold it up.
  ///   - refused: hears of each report that there was no room for.
  init(
    box: ReportBox, identity: ServerIdentity, clock: any ServerClock, willUseDisk: @escaping @Sendable () -> Void = {},
    refused: @escaping @Sendable () -> Void
  ) {
    self.willUseDisk = willUseDisk
    self.refused = refused
    self.box = box
    self.identity = identity
    self.clock = clock
    state = Mutex(State(since: clock.secondsSince1970()))
  }

  func take(_ report: [UInt8]) async -> CallAnswer {
    let isLetIn = state.withLock { state in
      guard state.waitingCount < Self.waitingLimit else { return false }
      state.waitingCount += 1
      return true
    }
    guard isLetIn else { return turnAway() }
    return await withCheckedContinuation { continuation in
      queue.async { [self] in
        willUseDisk()
        let answer = keep(report)
        state.withLock { $0.waitingCount -= 1 }
        continuation.resume(returning: answer)
      }
    }
  }

  private func keep(_ report: [UInt8]) -> CallAnswer {
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
    return state.withLock { state in
      let regained = now > state.since ? (now - state.since) / Self.secondsPerReport : 0
      if regained > 0 {
        state.left = min(Self.burst, state.left + Int(clamping: regained))
        state.since = now
      }
      guard state.left > 0 else { return false }
      state.left -= 1
      return true
    }
  }
}
