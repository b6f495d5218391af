/// What the store tells an operator's figures: numbers, and nothing of what was written.
public enum StoreEvent: Sendable, Equatable {
  /// A transaction is on disk: how many writes it held, and how long the commit with its flush took.
  case committed(writeCount: Int, duration: Duration)
  /// A transaction failed, and its writes were answered so.
  case commitFailed
  /// Rows that expiry deleted or changed in one step.
  case expired(rowCount: Int)
}

/// Hears of events on the database's own queue: it must not block.
public typealias StoreObserver = @Sendable (StoreEvent) -> Void
