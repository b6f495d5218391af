import ServerStorage

/// Counts what the store holds, now and then: SQLite reads every page for it, so that it takes the longer the fuller it is.
actor RowCounter {
  /// Counting takes no more than one part in so many of the time.
  private static let restPerCount = 100
  private static let leastRest = Duration.seconds(1)

  private let count: @Sendable () async -> StoreCounts?
  private let now: @Sendable () -> ContinuousClock.Instant
  private var last: StoreCounts?
  private var nextAt: ContinuousClock.Instant?
  private var isCounting = false

  /// - Parameter count: nil when it does not succeed.
  init(
    now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }, count: @escaping @Sendable () async -> StoreCounts?
  ) {
    self.count = count
    self.now = now
  }

  /// What the store holds, or held a while ago; nil when that is not known yet.
  func counts() async -> StoreCounts? {
    let start = now()
    if isCounting { return last }
    if let nextAt, start < nextAt { return last }
    isCounting = true
    if let counted = await count() { last = counted }
    let end = now()
    nextAt = end + max(Self.leastRest, (end - start) * Self.restPerCount)
    isCounting = false
    return last
  }
}
