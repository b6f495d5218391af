import Dispatch
import MailboxEngine
import Synchronization

/// What files take of the disk, and what they may yet take, in whole blocks: a small file takes one as well.
///
/// An object has room for all that it was announced with while it grows. When it has not grown for a quarter of an hour, others may have
/// that room, and it has to find some when it goes on: announcing costs too little to hold room for days.
final class ObjectSpace: Sendable {
  /// What file systems give a file at least, as most of them do.
  private static let blockByteCount: UInt64 = 4_096
  /// Seconds without growth after which others may have the room of what is still to come.
  static let patience: UInt64 = 900
  /// Seconds between two looks for objects that have stopped.
  private static let pace: UInt64 = 10

  private struct Expected {
    /// Bytes that were announced and have not come.
    var byteCount: UInt64
    /// When the object was made or last grew.
    var grown: UInt64
  }

  private struct State {
    /// Bytes of all files.
    var present: UInt64 = 0
    /// Of objects that grow.
    var expected: [StoredName: Expected] = [:]
    /// The sum of what is expected.
    var outstanding: UInt64 = 0
    var minimumFreeByteCount: Int
    var nextLook: UInt64 = 0

    mutating func forget(_ name: StoredName) {
      guard let expected = expected.removeValue(forKey: name) else { return }
      outstanding -= min(expected.byteCount, outstanding)
    }

    mutating func forgetStopped(now: UInt64) {
      guard now >= nextLook else { return }
      nextLook = now &+ ObjectSpace.pace
      for (name, object) in expected where now >= object.grown &+ ObjectSpace.patience { forget(name) }
    }
  }

  private let quota: UInt64
  private let disk: DiskSpace
  /// Seconds of a clock that never goes back.
  private let now: @Sendable () -> UInt64
  private let state: Mutex<State>

  init(
    quota: UInt64, minimumFreeByteCount: Int, disk: DiskSpace,
    now: @escaping @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds / 1_000_000_000 }
  ) {
    self.quota = quota
    self.disk = disk
    self.now = now
    state = Mutex(State(minimumFreeByteCount: minimumFreeByteCount))
  }

  /// Bytes that files take, and those that grow will take.
  var byteCount: UInt64 { state.withLock { $0.present &+ $0.outstanding } }
  /// Bytes that files take.
  var presentByteCount: UInt64 { state.withLock { $0.present } }

  func replaceMinimum(with byteCount: Int) { state.withLock { $0.minimumFreeByteCount = byteCount } }

  /// Whether an object of so many bytes would be taken.
  func fits(_ byteCount: UInt64) -> Bool { state.withLock { fits(Self.blocks(byteCount), &$0) } }

  /// Counts an object that is about to be made, or goes on after others had its room.
  ///
  /// - Parameters:
  ///   - announced: bytes of its file in the end.
  ///   - present: bytes that are there.
  /// - Returns: false, and counts nothing, without room.
  func reserve(_ name: StoredName, announced: UInt64, present: UInt64) -> Bool {
    let (all, there) = (Self.blocks(announced), Self.blocks(present))
    let more = all - min(there, all)
    return state.withLock { state in
      guard fits(more, &state) else { return false }
      state.forget(name)
      state.expected[name] = Expected(byteCount: more, grown: now())
      state.outstanding += more
      return true
    }
  }

  /// Whether a file may grow now: others may have had its room, or have filled the disk.
  func mayGrow(_ name: StoredName, from before: UInt64, to end: UInt64, announced: UInt64) -> Bool {
    let isExpected = state.withLock { $0.expected[name] != nil }
    guard isExpected || reserve(name, announced: announced, present: before) else { return false }
    return state.withLock { isFree(end - min(before, end), $0) }
  }

  func grew(_ name: StoredName, from before: UInt64, to after: UInt64) {
    guard after > before else { return }
    let more = Self.blocks(after) - Self.blocks(before)
    state.withLock { state in
      state.present &+= more
      guard var object = state.expected[name] else { return }
      let came = min(more, object.byteCount)
      object.byteCount -= came
      object.grown = now()
      state.outstanding -= min(came, state.outstanding)
      state.expected[name] = object.byteCount > 0 ? object : nil
    }
  }

  /// A file has lost its end, which may come again.
  func shrank(_ name: StoredName, from before: UInt64, to after: UInt64) {
    guard after < before else { return }
    let less = Self.blocks(before) - Self.blocks(after)
    state.withLock { state in
      state.present -= min(less, state.present)
      // What had come to its end asks for room when it goes on.
      guard let object = state.expected[name] else { return }
      state.expected[name] = Expected(byteCount: object.byteCount + less, grown: object.grown)
      state.outstanding += less
    }
  }

  /// Counts a file that is found when the server starts.
  func add(present: UInt64) { state.withLock { $0.present &+= Self.blocks(present) } }

  /// A file is gone, or was not made.
  func release(_ name: StoredName, present: UInt64) {
    state.withLock { state in
      state.present -= min(Self.blocks(present), state.present)
      state.forget(name)
    }
  }

  private static func blocks(_ byteCount: UInt64) -> UInt64 {
    let (sum, overflow) = byteCount.addingReportingOverflow(blockByteCount - 1)
    return overflow ? .max - .max % blockByteCount : sum - sum % blockByteCount
  }

  private func fits(_ byteCount: UInt64, _ state: inout State) -> Bool {
    if hasRoom(byteCount, state) { return true }
    state.forgetStopped(now: now())
    return hasRoom(byteCount, state)
  }

  private func hasRoom(_ byteCount: UInt64, _ state: State) -> Bool {
    let (needed, overflow) = state.outstanding.addingReportingOverflow(byteCount)
    let (sum, isBeyond) = state.present.addingReportingOverflow(needed)
    return !overflow && !isBeyond && sum <= quota && isFree(needed, state)
  }

  private func isFree(_ byteCount: UInt64, _ state: State) -> Bool {
    guard state.minimumFreeByteCount > 0 else { return true }
    guard let free = disk.freeByteCount(), free >= state.minimumFreeByteCount else { return false }
    return UInt64(clamping: free - state.minimumFreeByteCount) >= byteCount
  }
}
