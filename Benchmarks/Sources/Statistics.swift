import Glibc

/// What many measurements of one thing say.
enum Statistics {
  static func median(_ values: [Double]) -> Double { percentile(values, 0.5) }

  /// - Parameter part: 0.99 for what 99 of 100 are below.
  static func percentile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]
  }

  /// The chance that one of `left` is larger than one of `right`, ties counted half: 0.5 where nothing tells them apart
  /// (the area under the ROC curve, and the statistic of Mann and Whitney).
  static func chanceOfLarger(_ left: [Double], than right: [Double]) -> Double {
    guard !left.isEmpty, !right.isEmpty else { return 0.5 }
    let sorted = right.sorted()
    let wins = left.reduce(0.0) { $0 + (Double(rank(of: $1, in: sorted) { $0 < $1 }) + Double(rank(of: $1, in: sorted) { $0 <= $1 })) / 2 }
    return wins / (Double(left.count) * Double(right.count))
  }

  /// How far from 0.5 `chanceOfLarger` gets by chance alone, 95 times of 100, where nothing tells two samples apart.
  static func noise(_ left: Int, _ right: Int) -> Double {
    let (left, right) = (Double(left), Double(right))
    return 1.96 * ((left + right + 1) / (12 * left * right)).squareRoot()
  }

  private static func rank(of value: Double, in sorted: [Double], _ isBefore: (Double, Double) -> Bool) -> Int {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if isBefore(sorted[middle], value) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
