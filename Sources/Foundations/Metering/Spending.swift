/// What came of a wish for units of an allowance.
public enum Verdict: Hashable, Sendable {
  case allowed
  /// Not before so many microseconds.
  case refused(wait: UInt64)

  public var isAllowed: Bool { self == .allowed }
}

/// What one party has used of its allowance: the moment at which it will be whole again (the generic cell rate algorithm).
///
/// Moments are microseconds of any clock. When it jumps back, what was used long before is forgiven.
public struct Spending: Sendable {
  private(set) var wholeAgain: UInt64 = 0

  public init() {}

  /// Whether some units are left; what costs more than a whole burst costs a burst.
  public func look(for units: Int = 1, in allowance: Allowance, at now: UInt64) -> Verdict {
    guard !allowance.isUnlimited else { return .allowed }
    let room = allowance.span - allowance.cost(of: units)
    let used = used(of: allowance, at: now)
    return used <= room ? .allowed : .refused(wait: used - room)
  }

  /// Takes units, if they are there.
  public mutating func take(_ units: Int = 1, from allowance: Allowance, at now: UInt64) -> Verdict {
    let verdict = look(for: units, in: allowance, at: now)
    if verdict.isAllowed { charge(units, to: allowance, at: now) }
    return verdict
  }

  /// Takes units whether or not they are there; at most two bursts are owed at a time.
  public mutating func charge(_ units: Int = 1, to allowance: Allowance, at now: UInt64) {
    guard !allowance.isUnlimited else { return }
    wholeAgain = now + min(used(of: allowance, at: now) + allowance.cost(of: units), 2 * allowance.span)
  }

  /// Gives back units that were taken for nothing.
  public mutating func giveBack(_ units: Int = 1, to allowance: Allowance, at now: UInt64) {
    guard !allowance.isUnlimited else { return }
    wholeAgain -= min(used(of: allowance, at: now), allowance.cost(of: units))
  }

  /// Microseconds of the allowance that are used.
  private func used(of allowance: Allowance, at now: UInt64) -> UInt64 {
    guard wholeAgain > now else { return 0 }
    // No more than two bursts are ever owed: otherwise the clock has jumped back, or the allowance was changed.
    return wholeAgain - now <= 2 * allowance.span ? wholeAgain - now : 0
  }
}
