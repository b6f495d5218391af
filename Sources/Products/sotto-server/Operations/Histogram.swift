/// How often a value fell into each of some ranges, as Prometheus wants it.
struct Histogram: Sendable {
  private let bounds: [Double]
  private var counts: [UInt64]
  private var sum = 0.0

  /// - Parameter bounds: the upper ends of the ranges, ascending; one without an end follows.
  init(bounds: [Double]) {
    self.bounds = bounds
    counts = [UInt64](repeating: 0, count: bounds.count + 1)
  }

  mutating func add(_ value: Double) {
    counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    sum += value
  }

  /// The lines of one metric, text format 0.0.4.
  func lines(_ name: String) -> [String] {
    var total: UInt64 = 0
    var lines: [String] = []
    for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], counts) {
      total += count
      lines.append("\(name)_bucket{le=\"\(bound)\"} \(total)")
    }
    return lines + ["\(name)_sum \(sum)", "\(name)_count \(total)"]
  }
}
