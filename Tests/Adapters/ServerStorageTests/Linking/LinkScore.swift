import Foundation

/// Pairs with what an attacker sees of each, and what is true of them.
struct LinkScore {
  let features: [String]
  let labels: [String]
  /// By feature, then by pair.
  private(set) var columns: [[Double]]
  /// By label, then by pair; nil for pairs that say nothing about that label.
  private(set) var truths: [[Bool?]]
  /// By label: of each thing, in how many linked pairs it is.
  private var degrees: [[Int: Int]]

  init(features: [String], labels: [String]) {
    (self.features, self.labels) = (features, labels)
    columns = features.map { _ in [] }
    truths = labels.map { _ in [] }
    degrees = labels.map { _ in [:] }
  }

  var count: Int { columns.first?.count ?? 0 }

  /// - Parameter things: the two whose pair it is, if one thing is in many pairs.
  mutating func add(_ values: [Double], _ truth: [Bool?], between things: [Int] = []) {
    precondition(values.count == features.count && truth.count == labels.count)
    for index in values.indices { columns[index].append(values[index]) }
    for index in truth.indices {
      truths[index].append(truth[index])
      if truth[index] == true { for thing in things { degrees[index][thing, default: 0] += 1 } }
    }
  }

  /// In how many linked pairs a thing is that is in any: so many pairs tell the same, if one tells something by chance.
  func dependence(_ label: Int) -> Double {
    let counts = degrees[label].values
    return counts.isEmpty ? 1 : Double(counts.reduce(0, +)) / Double(counts.count)
  }

  /// The part of the pairs of which it is true.
  func baseRate(_ label: Int) -> Double {
    let known = truths[label].compactMap(\.self)
    return Double(known.count { $0 }) / Double(max(1, known.count))
  }

  /// Whether there are pairs of both kinds.
  func canBeTold(_ label: Int) -> Bool { truths[label].contains(true) && truths[label].contains(false) }

  /// Each feature alone, its weight fitted to the truth: below one half it counts the other way round.
  func single(_ label: Int) -> [(name: String, auc: Double)] {
    features.indices.map { index in
      var ranking = Ranking()
      for pair in 0..<count { if let truth = truths[label][pair] { ranking.add(columns[index][pair], truth) } }
      return (features[index], max(ranking.auc, 1 - ranking.auc))
    }
  }
}

/// Pairs in the order of a score.
struct Ranking {
  private var groups: [Double: (count: Int, linked: Int)] = [:]

  mutating func add(_ score: Double, _ isLinked: Bool) { add(score, linked: isLinked ? 1 : 0, of: 1) }

  mutating func add(_ score: Double, linked: Int, of count: Int) {
    groups[score, default: (0, 0)].count += count
    groups[score, default: (0, 0)].linked += linked
  }

  /// The probability that a linked pair gets a higher score than one that is not, ties counted half.
  var auc: Double {
    var (wins, others, linked) = (0.0, 0.0, 0.0)
    for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
      let (yes, no) = (Double(group.linked), Double(group.count - group.linked))
      wins += yes * (others + no / 2)
      others += no
      linked += yes
    }
    return linked > 0 && others > 0 ? wins / (linked * others) : 0.5
  }

  /// The part of the best pairs that are linked; of those with one score, any are as good.
  func precision(ofBest count: Int = 20) -> Double {
    var (left, linked) = (Double(count), 0.0)
    for (_, group) in groups.sorted(by: { $0.key > $1.key }) where left > 0 {
      let taken = min(left, Double(group.count))
      linked += taken * Double(group.linked) / Double(group.count)
      left -= taken
    }
    return linked / (Double(count) - left)
  }
}
