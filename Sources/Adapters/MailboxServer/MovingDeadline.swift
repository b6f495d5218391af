import NIOCore

/// The moment at which a connection's peer or the application has had its time. Each request moves it three times, and mostly to
/// a later one.
///
/// The loop's timer is set anew only for a moment before the one that it is set for; when it comes too early, it looks again. So a
/// busy connection sets one now and then. Used on the event loop only.
final class MovingDeadline {
  private let eventLoop: any EventLoop
  private var end: (moment: NIODeadline, action: () -> Void)?
  private var timer: (moment: NIODeadline, scheduled: Scheduled<Void>)?

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  /// - Parameter action: done once, unless the deadline is moved or cancelled before.
  func move(to duration: Duration, then action: @escaping () -> Void) {
    let moment = eventLoop.now + TimeAmount(duration)
    end = (moment, action)
    if let timer {
      guard moment < timer.moment else { return }
      timer.scheduled.cancel()
    }
    setTimer(moment)
  }

  func cancel() {
    end = nil
    timer?.scheduled.cancel()
    timer = nil
  }

  private func setTimer(_ moment: NIODeadline) {
    timer = (moment, eventLoop.assumeIsolated().scheduleTask(deadline: moment) { self.timerCame() })
  }

  private func timerCame() {
    timer = nil
    guard let end else { return }
    guard end.moment <= eventLoop.now else { return setTimer(end.moment) }
    self.end = nil
    end.action()
  }
}
