import Synchronization

/// Where fresh key material comes from: the system in the product, a seed in a simulation.
public protocol RandomSource: Sendable {
  /// `count` fresh bytes.
  func bytes(_ count: Int) -> [UInt8]
}

/// The system's cryptographic generator.
public struct SystemRandom: RandomSource {
  public init() {}

  public func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    var output: [UInt8] = []
    output.reserveCapacity(count)
    while output.count < count {
      let word: UInt64 = generator.next()
      for shift in stride(from: 0, to: 64, by: 8) where output.count < count {
        output.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    return output
  }
}

/// A reproducible generator, SHA-256 in counter mode over a seed. For tests and simulations only: whoever knows the seed
/// knows everything drawn from it.
public final class SeededRandom: RandomSource {
  private let seed: [UInt8]
  private let counter: Mutex<UInt64>

  /// A generator that repeats itself for the same seed.
  public init(seed: UInt64) {
    self.seed = bigEndian(seed)
    counter = Mutex(0)
  }

  public func bytes(_ count: Int) -> [UInt8] {
    var output: [UInt8] = []
    while output.count < count {
      let block = counter.withLock { counter in
        counter += 1
        return counter
      }
      output += HashAlgorithm.sha256.hash(seed + bigEndian(block))
    }
    return Array(output.prefix(count))
  }
}

private func bigEndian(_ value: UInt64) -> [UInt8] {
  stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> UInt64($0)) }
}
