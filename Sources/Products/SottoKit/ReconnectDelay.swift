import CryptoSuite

/// How long to wait before the next attempt at a server: exponential, with jitter, so that a server that comes back is not
/// met by all its clients at once.
struct ReconnectDelay: Sendable, Equatable {
  /// Milliseconds before the second attempt, at most.
  static let first: UInt64 = 500
  /// Milliseconds between attempts, at most: a device is back within a minute of its server.
  static let longest: UInt64 = 60_000

  private(set) var failureCount = 0

  /// The wait after one more failure, in milliseconds: between half of the bound and the bound.
  mutating func next(random: any RandomSource) -> UInt64 {
    let doublings = min(failureCount, 16)
    failureCount += 1
    let bound = min(ReconnectDelay.longest, ReconnectDelay.first << UInt64(doublings))
    let drawn = random.bytes(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return bound / 2 + drawn % (bound / 2 + 1)
  }

  mutating func reset() { failureCount = 0 }
}
