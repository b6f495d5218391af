import NIOCore

/// Decides which event a stream session gets next, and when more may be read from the peer.
///
/// One event at a time; the next one only after everything written before has left for the peer; nothing is read
/// while an event waits. So a connection holds at most one burst of messages and the output of one event.
struct StreamSchedule {
  enum Event: Equatable {
    case start
    case receive([UInt8])
    case wake
    case closed
  }

  private var messages = CircularBuffer<[UInt8]>()
  /// Bytes of messages that wait for their turn.
  private(set) var waitingByteCount = 0
  private var wakeIsWanted = false
  private var wokeLast = false
  private var eventIsInProgress = false
  private var pendingWriteCount = 0
  private var hasStarted = false
  private var hasEnded = false
  private var closedWasDelivered = false

  /// Whether the application works on an event.
  var isBusy: Bool { eventIsInProgress }

  /// Whether the peer has yet to take something that was written.
  var hasPendingWrites: Bool { pendingWriteCount > 0 }

  /// Whether more may be read from the peer.
  var wantsRead: Bool {
    // After the end everything is read and dropped, so that the peer's own close arrives.
    hasEnded || (!eventIsInProgress && pendingWriteCount == 0 && messages.isEmpty && !wakeIsWanted)
  }

  mutating func messageReceived(_ message: [UInt8]) {
    if !hasEnded {
      messages.append(message)
      waitingByteCount += message.count
    }
  }

  mutating func wakeRequested() {
    wakeIsWanted = true
  }

  mutating func writeBegan() {
    pendingWriteCount += 1
  }

  mutating func writeEnded() {
    pendingWriteCount -= 1
  }

  mutating func eventEnded() {
    eventIsInProgress = false
  }

  /// The stream is over: whatever waited is dropped, and the session hears of the end.
  mutating func end() {
    hasEnded = true
    messages.removeAll()
    waitingByteCount = 0
    wakeIsWanted = false
  }

  /// The event to deliver now, if there is one; `eventEnded` must follow it.
  mutating func nextEvent() -> Event? {
    guard !eventIsInProgress else { return nil }
    let event: Event
    if !hasStarted {
      hasStarted = true
      event = .start
    } else if hasEnded {
      guard !closedWasDelivered else { return nil }
      closedWasDelivered = true
      event = .closed
    } else if pendingWriteCount > 0 {
      return nil
    } else if wakeIsWanted, !wokeLast || messages.isEmpty {
      // Messages and wakes take turns, so that neither starves the other.
      wakeIsWanted = false
      wokeLast = true
      event = .wake
    } else if let message = messages.popFirst() {
      wokeLast = false
      waitingByteCount -= message.count
      event = .receive(message)
    } else {
      return nil
    }
    eventIsInProgress = true
    return event
  }
}
