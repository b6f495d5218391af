import Foundation

/// A reproducible random number generator (SplitMix64). Its seed is printed, so that a failure can be run again.
public struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// The seed in use.
  public let seed: UInt64

  /// A generator with this seed.
  public init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// A generator for one test: the seed is `SOTTO_SEED` when that is set, or a fixed one, and is printed with `name`.
  public init(for name: String) {
    let environment = ProcessInfo.processInfo.environment["SOTTO_SEED"].flatMap { UInt64($0) }
    self.init(seed: environment ?? 0x5077_0000_2026_0001)
    print("seed: \(name): SOTTO_SEED=\(seed)")
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// `count` random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }
}
