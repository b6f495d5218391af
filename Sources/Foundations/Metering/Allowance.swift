/// How much of something one party may have: so much at once, and so much a minute in the long run.
public struct Allowance: Hashable, Sendable {
  /// Units that may be used at once after a quiet time; 0 switches the bound off.
  public var burst: Int
  /// Units that come back each minute; at least 1 where there is a burst.
  public var perMinute: Int

  public init(burst: Int, perMinute: Int) {
    self.burst = burst
    self.perMinute = perMinute
  }

  /// No bound.
  public static let unlimited = Allowance(burst: 0, perMinute: 0)

  var isUnlimited: Bool { burst <= 0 }

  /// Microseconds in which one unit comes back.
  var interval: UInt64 { 60_000_000 / UInt64(clamping: min(max(1, perMinute), 60_000_000)) }

  /// Microseconds in which a burst comes back.
  var span: UInt64 { time(of: burst) }

  /// Microseconds that some units are worth; no more than a whole burst.
  func cost(of units: Int) -> UInt64 { min(span, time(of: units)) }

  /// Bounded, so that no product overflows.
  private func time(of units: Int) -> UInt64 { interval * UInt64(min(max(0, units), Int(Int32.max))) }
}
