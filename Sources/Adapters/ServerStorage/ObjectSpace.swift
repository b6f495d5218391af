import Synchronization

/// What files take of the disk, and what they may yet take: an object is counted with all bytes that it was announced with, from
/// the moment at which it is made until its file is removed.
final class ObjectSpace: Sendable {
  private struct State {
    /// Bytes of all files, those that are still to come included.
    var charged: UInt64 = 0
    /// Bytes that are there.
    var present: UInt64 = 0
    var minimumFreeByteCount: Int

    /// Bytes that were announced and have not come.
    var outstanding: UInt64 { charged > present ? charged - present : 0 }
  }

  private let quota: UInt64
  private let disk: DiskSpace
  private let state: Mutex<State>

  init(quota: UInt64, minimumFreeByteCount: Int, disk: DiskSpace) {
    self.quota = quota
    self.disk = disk
    state = Mutex(State(minimumFreeByteCount: minimumFreeByteCount))
  }

  /// Bytes that files take and will take.
  var byteCount: UInt64 { state.withLock { $0.charged } }

  func replaceMinimum(with byteCount: Int) { state.withLock { $0.minimumFreeByteCount = byteCount } }

  /// Whether an object of so many bytes would be taken.
  func fits(_ byteCount: UInt64) -> Bool { state.withLock { fits(byteCount, $0) } }

  /// Counts an object that is about to be made.
  ///
  /// - Returns: false, and counts nothing, without room.
  func reserve(_ byteCount: UInt64) -> Bool {
    state.withLock { state in
      guard fits(byteCount, state) else { return false }
      state.charged += byteCount
      return true
    }
  }

  /// Whether a file may grow now by bytes that were announced: others may have filled the disk meanwhile.
  func mayGrow(by byteCount: UInt64) -> Bool { state.withLock { isFree(byteCount, $0) } }

  func grew(from before: UInt64, to after: UInt64) {
    guard after > before else { return }
    state.withLock { $0.present &+= after - before }
  }

  /// Counts a file that is found when the server starts.
  func add(charged: UInt64, present: UInt64) {
    state.withLock { state in
      state.charged &+= charged
      state.present &+= present
    }
  }

  /// A file is gone, or was not made.
  func release(charged: UInt64, present: UInt64) {
    state.withLock { state in
      state.charged -= min(charged, state.charged)
      state.present -= min(present, state.present)
    }
  }

  private func fits(_ byteCount: UInt64, _ state: State) -> Bool {
    let (sum, overflow) = state.charged.addingReportingOverflow(byteCount)
    guard !overflow, sum <= quota else { return false }
    let (needed, isBeyond) = state.outstanding.addingReportingOverflow(byteCount)
    return !isBeyond && isFree(needed, state)
  }

  private func isFree(_ byteCount: UInt64, _ state: State) -> Bool {
    guard state.minimumFreeByteCount > 0 else { return true }
    guard let free = disk.freeByteCount(), free >= state.minimumFreeByteCount else { return false }
    return UInt64(clamping: free - state.minimumFreeByteCount) >= byteCount
  }
}
