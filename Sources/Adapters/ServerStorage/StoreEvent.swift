/// What the store tells an operator's figures: numbers, and nothing of what was written.
public enum StoreEvent: Sendable, Equatable {
  /// A transaction is on disk: how many writes it held, and how long the commit with its flush took.
  case committed(writeCount: Int, duration: Duration)
  /// A transaction failed, and its writes were answered so.
  case commitFailed
  /// Writes of one transaction that were refused for want of room.
  case noRoom(writeCount: Int)
  /// Envelopes of a queue, or cells of some, that do not open or are not whole: the disk has changed them. They are passed over.
  case unreadable(count: Int)
  /// The write-ahead log could not be moved into the database; SQLite's result code.
  case checkpointFailed(code: Int32)
  /// Rows that expiry deleted or changed in one step.
  case expired(rowCount: Int)
}

/// Hears of events on the database's own queue: it must not block.
public typealias StoreObserver = @Sendable (StoreEvent) -> Void
