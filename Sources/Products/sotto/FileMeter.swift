import Foundation
import SottoKit
import Synchronization

/// Shows how far a file is, to a person at a terminal.
final class FileMeter: Sendable {
  private struct State {
    var shownAt: ContinuousClock.Instant?
    var hasSaidResumed = false
  }

  private let name: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  private init(name: String) {
    self.name = name
    isShown = Terminal.isTerminal(STDERR_FILENO)
  }

  /// Does something with a file, and shows its progress meanwhile.
  static func show<Value: Sendable>(
    of path: String, _ body: (@escaping @Sendable (FileProgress) -> Void) async throws -> Value
  ) async throws -> Value {
    let meter = FileMeter(name: DisplayText.line(path.split(separator: "/").last.map(String.init) ?? path))
    defer { if meter.isShown { Terminal.redraw("") } }
    return try await body { meter.note($0) }
  }

  private func note(_ progress: FileProgress) {
    let isDone = progress.byteCount == progress.totalByteCount
    let (saysResumed, draws) = state.withLock { state in
      let saysResumed = progress.resumedAt > 0 && !state.hasSaidResumed
      if saysResumed { state.hasSaidResumed = true }
      let isDue = state.shownAt.map { ContinuousClock.now - $0 > .milliseconds(200) } ?? true
      guard isShown, isDue || isDone else { return (saysResumed, false) }
      state.shownAt = .now
      return (saysResumed, true)
    }
    if saysResumed { Terminal.note("Going on at \(ByteCount.text(progress.resumedAt)) of \(ByteCount.text(progress.totalByteCount)).") }
    if draws { Terminal.redraw(line(progress)) }
  }

  private func line(_ progress: FileProgress) -> String {
    let share = progress.totalByteCount == 0 ? 100 : Int(Double(progress.byteCount) / Double(progress.totalByteCount) * 100)
    let elapsed = ContinuousClock.now - start
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    let speed = seconds > 0.5 ? ", \(ByteCount.text(UInt64(Double(progress.byteCount - progress.resumedAt) / seconds))) a second" : ""
    return "\(name): \(share) % of \(ByteCount.text(progress.totalByteCount))\(speed)"
  }
}
