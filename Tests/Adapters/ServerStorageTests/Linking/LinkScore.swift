import Foundation

/// Pairs with what an attacker sees of each, and the best that a weighing of it can tell.
///
/// The weights are fitted to the truth, which no attacker has: the figure is an upper bound for attackers who weigh these features.
struct LinkScore {
  let names: [String]
  private(set) var features: [[Double]] = []
  private(set) var truths: [Bool] = []

  init(_ names: [String]) { self.names = names }

  mutating func add(_ values: [Double], isLinked: Bool) {
    features.append(values)
    truths.append(isLinked)
  }

  /// The probability that a linked pair gets a higher score than one that is not, ties counted half.
  static func auc(_ scores: [Double], _ truths: [Bool]) -> Double {
    let order = scores.indices.sorted { scores[$0] < scores[$1] }
    var (rankSum, start) = (0.0, 0)
    while start < order.count {
      var end = start
      while end < order.count, scores[order[end]] == scores[order[start]] { end += 1 }
      let rank = Double(start + end + 1) / 2
      rankSum += rank * Double(order[start..<end].filter { truths[$0] }.count)
      start = end
    }
    let positive = Double(truths.filter { $0 }.count)
    let negative = Double(truths.count) - positive
    guard positive > 0, negative > 0 else { return 0.5 }
    return (rankSum - positive * (positive + 1) / 2) / (positive * negative)
  }

  /// Each feature alone; below one half it counts the other way round.
  var single: [(name: String, auc: Double)] {
    names.indices.map { index in
      let auc = Self.auc(features.map { $0[index] }, truths)
      return (names[index], max(auc, 1 - auc))
    }
  }

  /// All features together, by logistic regression.
  func fitted() -> (auc: Double, precisionOfTop: Double, baseRate: Double) {
    let count = Double(max(1, features.count))
    let scaled = names.indices.map { index -> [Double] in
      let values = features.map { $0[index] }
      let mean = values.reduce(0, +) / count
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
      return values.map { deviation > 0 ? ($0 - mean) / deviation : 0 }
    }
    var weights = [Double](repeating: 0, count: names.count)
    let baseRate = Double(truths.filter { $0 }.count) / count
    var bias = log(max(baseRate, 1e-6) / max(1 - baseRate, 1e-6))
    for _ in 0..<150 {
      var gradient = weights.map { _ in 0.0 }
      var biasGradient = 0.0
      for pair in features.indices {
        var sum = bias
        for index in weights.indices { sum += weights[index] * scaled[index][pair] }
        let error = 1 / (1 + exp(-sum)) - (truths[pair] ? 1 : 0)
        for index in weights.indices { gradient[index] += error * scaled[index][pair] }
        biasGradient += error
      }
      for index in weights.indices { weights[index] -= 2 * gradient[index] / count }
      bias -= 2 * biasGradient / count
    }
    let scores = features.indices.map { pair in weights.indices.reduce(0.0) { $0 + weights[$1] * scaled[$1][pair] } }
    let top = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(20)
    return (Self.auc(scores, truths), Double(top.filter { truths[$0] }.count) / Double(max(1, top.count)), baseRate)
  }
}
