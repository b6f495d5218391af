/// A day, counted from 1 January 1970 UTC: the only time that a server stores.
public struct Day: Hashable, Comparable, Sendable {
  /// Days since 1970.
  public let number: UInt32

  public init(number: UInt32) { self.number = number }

  /// The day that holds this second.
  public init(secondsSince1970 seconds: UInt64) {
    number = UInt32(clamping: seconds / 86_400)
  }

  /// The day so many days later; the last day that can be written for a count beyond it.
  public func adding(_ days: UInt32) -> Day {
    let (sum, overflow) = number.addingReportingOverflow(days)
    return Day(number: overflow ? .max : sum)
  }

  public static func < (left: Day, right: Day) -> Bool { left.number < right.number }
}

/// Where the engine reads the time: the system's clock in the product, a number in a test.
public protocol ServerClock: Sendable {
  /// Seconds since 1970.
  func secondsSince1970() -> UInt64
}

extension ServerClock {
  /// The current day.
  public var today: Day { Day(secondsSince1970: secondsSince1970()) }
}
