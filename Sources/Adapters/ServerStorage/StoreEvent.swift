/// What the store tells an operator's figures: numbers, and nothing of what was written.
public enum StoreEvent: Sendable, Equatable {
  /// A transaction is on disk: how many writes it held, and how long the commit with its flush took.
  case committed(writeCount: Int, duration: Duration)
  /// A transaction failed, and its writes were answered so.
  case commitFailed
  /// Writes of one transaction that were refused for want of room; none where the log found no room in the database.
  case noRoom(writeCount: Int)
  /// Cells of envelopes that do not open, are gone, or do not fit each other: the disk has changed them. Their envelopes are passed
  /// over. Each cell is told once for as long as its queue is in memory.
  case unreadable(cellCount: Int)
  /// The write-ahead log could not be moved into the database; SQLite's result code.
  case checkpointFailed(code: Int32)
  /// Rows that expiry deleted or changed in one step.
  case expired(rowCount: Int)
}

/// Hears of events on the database's own queue: it must not block.
public typealias StoreObserver = @Sendable (StoreEvent) -> Void
