import MailboxEngine
import Synchronization

/// The queues of mailboxes that were touched lately, and the cells that were acknowledged and not yet deleted.
///
/// The queue of a mailbox that is not here is read from its cells. Only the database's writer adds to queues, so they are what
/// the database will be after the running transaction; when one fails, everything is forgotten. A reader that has read a queue
/// leaves it here only if the writer has not touched that mailbox meanwhile.
final class QueueCache: Sendable {
  /// Envelopes in all queues here: about 32 MiB.
  private static let itemBound = 1 << 20
  private static let queueBound = 1 << 16

  /// A cell that is to be deleted. One in a marked slot leaves an empty row, by which later slots are found.
  struct Deletion: Hashable, Sendable {
    var number: Int64
    var isMarked: Bool
  }

  struct Load: Sendable { fileprivate let number: UInt64 }

  private struct Entry {
    var queue: Queue
    var lastUse: UInt64
  }

  private struct State {
    var entries: [StoredName: Entry] = [:]
    var itemCount = 0
    var loads: [StoredName: UInt64] = [:]
    var deletions: Set<Deletion> = []
    /// Those of the running transaction.
    var running: Set<Deletion> = []
    /// The disk did not let the last ones be deleted.
    var hasFailedToDelete = false
    /// The day for which expired envelopes were taken out.
    var swept: Day?
    var uses: UInt64 = 0
    /// A write was taken back while others of its transaction stand.
    var hasUndone = false

    mutating func use(_ name: StoredName) {
      uses += 1
      entries[name]?.lastUse = uses
    }

    mutating func put(_ queue: Queue, _ name: StoredName) {
      uses += 1
      itemCount += queue.items.count - (entries[name]?.queue.items.count ?? 0)
      entries[name] = Entry(queue: queue, lastUse: uses)
    }

    /// What the running transaction deletes stays noted: a write that is taken back does not take back the others.
    mutating func forgetAll() {
      swept = nil
      entries = [:]
      itemCount = 0
      loads = [:]
    }
  }

  private let state = Mutex(State())
  private let unreadable: @Sendable (_ cellCount: Int) -> Void

  /// - Parameter unreadable: hears of cells that the disk has changed: of each once, for as long as its queue is here.
  init(unreadable: @escaping @Sendable (_ cellCount: Int) -> Void = { _ in }) { self.unreadable = unreadable }

  /// What an append must know of a queue: how many envelopes wait, their bytes, and the next slot of a day.
  func room(_ name: StoredName, _ day: Day) -> (count: Int, byteCount: Int, nextSlot: UInt64)? {
    state.withLock { state in
      state.use(name)
      return state.entries[name].map { ($0.queue.items.count, $0.queue.byteCount, $0.queue.nextSlot(day)) }
    }
  }

  /// A part of what waits, or nil when the queue is not known.
  func page(
    _ name: StoredName, after sequence: UInt64, _ limit: PageLimit, today: Day
  ) -> [Queue.Item]? {
    state.withLock { state in
      state.use(name)
      return state.entries[name]?.queue.page(after: sequence, limit, today: today)
    }
  }

  // MARK: For readers

  /// To be called before a reader begins its transaction.
  func beginLoad(_ name: StoredName) -> Load {
    state.withLock { state in
      state.uses += 1
      state.loads[name] = state.uses
      return Load(number: state.uses)
    }
  }

  func endLoad(_ load: Load, _ name: StoredName, _ queue: Queue) {
    let isKept = state.withLock { state in
      guard state.loads[name] == load.number else { return false }
      state.loads[name] = nil
      // The writer may have been here before this reader said that it begins, and what stands in a transaction of which a
      // write was taken back is seen by nobody yet.
      guard state.entries[name] == nil, !state.hasUndone else { return false }
      state.put(queue, name)
      return true
    }
    if isKept { tell(queue.unreadableCount) }
  }

  /// Cells of envelopes turned out to be changed by the disk. Of a queue that is not here nothing is noted: who reads it next finds
  /// them again.
  ///
  /// - Parameter cellCounts: how many, by the sequence of their envelope.
  func markUnreadable(_ cellCounts: [UInt64: Int], of name: StoredName) {
    let count = state.withLock { state in
      cellCounts.reduce(0) { $0 + (state.entries[name]?.queue.markUnreadable($1.key) == true ? $1.value : 0) }
    }
    tell(count)
  }

  private func tell(_ unreadableCount: Int) {
    if unreadableCount > 0 { unreadable(unreadableCount) }
  }

  // MARK: For the writer

  func put(_ queue: Queue, _ name: StoredName) {
    state.withLock { state in
      state.loads[name] = nil
      state.put(queue, name)
    }
    tell(queue.unreadableCount)
  }

  /// Adds an envelope behind the others, to a queue that is here.
  func add(_ item: Queue.Item, nextSlot: UInt64, _ name: StoredName) {
    state.withLock { state in
      state.loads[name] = nil
      state.itemCount += 1
      state.entries[name]?.queue.add(item)
      state.entries[name]?.queue.setNextSlot(item.day, nextSlot)
    }
  }

  func removeExpired(today: Day) {
    state.withLock { state in
      guard state.swept != today else { return }
      state.swept = today
      state.loads = [:]
      for name in state.entries.keys { state.entries[name]?.queue.removeExpired(today: today) }
      state.itemCount = state.entries.values.reduce(0) { $0 + $1.queue.items.count }
      state.deletions = state.deletions.filter { CellRows.day(of: $0.number) > today }
    }
  }

  /// One write of a transaction was taken back.
  func undo() {
    state.withLock { state in
      state.forgetAll()
      state.hasUndone = true
    }
  }

  /// A transaction has ended.
  func end(isCommitted: Bool) {
    state.withLock { state in
      if isCommitted { state.deletions.subtract(state.running) } else { state.forgetAll() }
      if !state.running.isEmpty { state.hasFailedToDelete = !isCommitted }
      state.running = []
      // A reader that began meanwhile has not seen what stands in this transaction.
      if state.hasUndone { state.loads = [:] }
      state.hasUndone = false
      guard state.itemCount > Self.itemBound || state.entries.count > Self.queueBound else { return }
      let oldest = state.entries.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(state.entries.count / 2 + 1)
      for (name, entry) in oldest {
        state.entries[name] = nil
        state.itemCount -= entry.queue.items.count
      }
    }
  }

  // MARK: Acknowledged cells

  /// Takes acknowledged envelopes out of a queue; their cells are to be deleted.
  ///
  /// - Parameter dueCount: so many cells are deleted without waiting any longer.
  /// - Returns: whether so many are to be deleted by now, and the disk lets them be; nil when the queue is not known.
  func acknowledge(
    _ name: StoredName, through sequence: UInt64, dueCount: Int, _ numbers: (Queue.Item) -> [Deletion]
  ) -> Bool? {
    state.withLock { state in
      guard let items = state.entries[name]?.queue.remove(through: sequence) else { return nil }
      state.itemCount -= items.count
      for item in items { state.deletions.formUnion(numbers(item)) }
      return state.deletions.count >= dueCount && !state.hasFailedToDelete
    }
  }

  var hasDeletions: Bool { state.withLock { !$0.deletions.isEmpty } }

  /// What the writer deletes in the running transaction, of all mailboxes mixed; afterwards it is forgotten.
  func beginDeletion(atMost count: Int) -> [Deletion] {
    state.withLock { state in
      let chosen = Array(state.deletions.lazy.filter { [running = state.running] in !running.contains($0) }.prefix(count))
      state.running.formUnion(chosen)
      return chosen
    }
  }

  /// The deletion itself was taken back.
  func abandonDeletion(_ deletions: [Deletion]) {
    state.withLock { state in
      state.running.subtract(deletions)
      state.hasFailedToDelete = true
    }
  }

  func isDeleted(_ number: Int64) -> Bool {
    state.withLock {
      $0.deletions.contains(Deletion(number: number, isMarked: false)) || $0.deletions.contains(Deletion(number: number, isMarked: true))
    }
  }
}
