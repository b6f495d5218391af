import Synchronization

/// Knows which mailboxes have an open stream, and wakes their sessions.
///
/// A session is entered before it reads, and an append is committed before it wakes: so either the session's read finds
/// the new envelope, or the wake-up finds the session. Wake-ups are hints that may come twice or for nothing.
public final class WakeRegistry: Sendable {
  /// One session's place; another session at the same mailbox takes it away.
  struct Ticket: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct Entry {
    let ticket: Ticket
    let wake: @Sendable () -> Void
  }

  private struct State {
    var entries: [StoredName: Entry] = [:]
    var lastNumber: UInt64 = 0
  }

  private let state = Mutex(State())

  init() {}

  /// Enters a session. One that was there before is woken, to find that it has been replaced.
  func enter(_ mailbox: StoredName, wake: @escaping @Sendable () -> Void) -> Ticket {
    let (ticket, previous) = state.withLock { state in
      state.lastNumber += 1
      let ticket = Ticket(number: state.lastNumber)
      let previous = state.entries.updateValue(Entry(ticket: ticket, wake: wake), forKey: mailbox)
      return (ticket, previous)
    }
    previous?.wake()
    return ticket
  }

  /// Whether a session still has its place.
  func holds(_ ticket: Ticket, _ mailbox: StoredName) -> Bool {
    state.withLock { $0.entries[mailbox]?.ticket == ticket }
  }

  /// Whether a mailbox has an open stream.
  func hasSession(_ mailbox: StoredName) -> Bool { state.withLock { $0.entries[mailbox] != nil } }

  /// Takes a session out; nothing happens when another has its place.
  func leave(_ ticket: Ticket, _ mailbox: StoredName) {
    state.withLock { state in
      if state.entries[mailbox]?.ticket == ticket { state.entries[mailbox] = nil }
    }
  }

  /// Wakes the sessions of these mailboxes.
  func wake(_ mailboxes: some Sequence<StoredName>) {
    let wakes = state.withLock { state in mailboxes.compactMap { state.entries[$0]?.wake } }
    for wake in wakes { wake() }
  }

  /// Wakes every session: a slow rescan, for wake-ups that another process did not pass on.
  public func wakeAll() {
    let wakes = state.withLock { $0.entries.values.map(\.wake) }
    for wake in wakes { wake() }
  }

  /// How many mailboxes have an open stream.
  public var sessionCount: Int { state.withLock { $0.entries.count } }
}
