import MailboxEngine
import Synchronization

/// Tells whether a mailbox's record can have changed since somebody looked at it: in memory, for groups of mailboxes.
///
/// A version is taken before a read begins. The writer counts a change when it makes it, for what follows in the same transaction,
/// and once more when the transaction has ended: until then readers may still find what was there before.
final class RecordVersions: Sendable {
  private struct State {
    var counts = [UInt64](repeating: 0, count: 256)
    /// Those that the running transaction has changed.
    var changed: Set<Int> = []
  }

  private let state = Mutex(State())

  func version(of name: StoredName) -> UInt64 { state.withLock { $0.counts[Self.group(of: name)] } }

  /// For the writer, when it changes a record.
  func change(_ name: StoredName) {
    let group = Self.group(of: name)
    state.withLock { state in
      state.counts[group] += 1
      state.changed.insert(group)
    }
  }

  /// For the writer, when its transaction has ended in whatever way, before the next one begins.
  func endTransaction() {
    state.withLock { state in
      for group in state.changed { state.counts[group] += 1 }
      state.changed = []
    }
  }

  private static func group(of name: StoredName) -> Int { Int(name.bytes[0]) }
}
