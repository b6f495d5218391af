import Synchronization

/// Counts the bytes of sealed copies that all sends and appends together hold in memory. Who wants more than is free waits, first come
/// first served, so that however many send at once, the server holds no more than its bound.
final class CopyMemory: Sendable {
  private struct Waiter {
    let byteCount: Int
    let resume: CheckedContinuation<Void, Never>
  }

  private struct State {
    var free: Int
    var waiters: [Waiter] = []
    /// Waiters before this one have got theirs.
    var first = 0

    /// - Returns: false when others wait, or there are too few.
    mutating func take(_ byteCount: Int) -> Bool {
      guard first == waiters.count, byteCount <= free else { return false }
      free -= byteCount
      return true
    }
  }

  private let capacity: Int
  private let state: Mutex<State>

  init(byteCount: Int) {
    capacity = byteCount
    state = Mutex(State(free: byteCount))
  }

  /// Bytes that nobody holds.
  var freeByteCount: Int { state.withLock { $0.free } }

  /// Who wait for some.
  var waitingCount: Int { state.withLock { $0.waiters.count - $0.first } }

  /// Holds so many bytes while `body` works, all there are where it wants more.
  func hold<Value, Failure>(
    _ byteCount: Int, _ body: () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let byteCount = min(max(0, byteCount), capacity)
    await take(byteCount)
    defer { give(byteCount) }
    return try await body()
  }

  private func take(_ byteCount: Int) async {
    guard !state.withLock({ $0.take(byteCount) }) else { return }
    await withCheckedContinuation { continuation in
      let hasRoom = state.withLock { state in
        if state.take(byteCount) { return true }
        state.waiters.append(Waiter(byteCount: byteCount, resume: continuation))
        return false
      }
      if hasRoom { continuation.resume() }
    }
  }

  private func give(_ byteCount: Int) {
    let served = state.withLock { state in
      state.free += byteCount
      let start = state.first
      while state.first < state.waiters.count, state.waiters[state.first].byteCount <= state.free {
        state.free -= state.waiters[state.first].byteCount
        state.first += 1
      }
      let served = Array(state.waiters[start..<state.first])
      if state.first > 1_024 || state.first == state.waiters.count {
        state.waiters.removeFirst(state.first)
        state.first = 0
      }
      return served
    }
    for waiter in served { waiter.resume.resume() }
  }
}
