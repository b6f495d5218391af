import Foundation

/// Trees of two levels, each fitted to what those before it leave unexplained: gradient boosting with Newton's step (Friedman, "Greedy
/// function approximation", 2001), for a yes or no. Two levels weigh products of two features, too.
///
/// Features come cut into a few classes, so that pairs that look the same are counted and not repeated.
struct BoostedTrees {
  private static let rounds = 24
  private static let pace = 0.3
  /// Against leaves that few pairs speak for.
  private static let caution = 2.0

  struct Group {
    private(set) var count = 0
    private(set) var linked = 0

    mutating func add(linked: Int, of count: Int) {
      self.linked += linked
      self.count += count
    }

    func adding(_ other: Group) -> Group {
      var sum = self
      sum.add(linked: other.linked, of: other.count)
      return sum
    }
  }

  typealias Groups = [[UInt8]: Group]

  private struct Split {
    var feature = 0
    /// Classes up to this one are below.
    var cut = 0
    var (below, above) = (0.0, 0.0)
    var gain = 0.0

    func isBelow(_ classes: [UInt8]) -> Bool { Int(classes[feature]) <= cut }
  }

  private struct Tree {
    let root: Split
    let below: Split
    let above: Split

    func value(_ classes: [UInt8]) -> Double {
      let split = root.isBelow(classes) ? below : above
      return split.isBelow(classes) ? split.below : split.above
    }
  }

  /// What is left to explain in each group, and how firmly it stands.
  private typealias Rests = [(slope: Double, weight: Double)]

  private let classCounts: [Int]
  private let leastGain: Double
  private var trees: [Tree] = []

  /// - Parameters:
  ///   - classCounts: classes of each feature.
  ///   - leastGain: what a split must explain, in squares of standard deviations.
  init(fittedTo groups: Groups, classCounts: [Int], leastGain: Double) {
    self.classCounts = classCounts
    self.leastGain = leastGain
    let (classes, groups) = (Array(groups.keys), Array(groups.values))
    let all = groups.reduce(Group()) { $0.adding($1) }
    guard all.linked > 0, all.linked < all.count else { return }
    let start = log(Double(all.linked) / Double(all.count - all.linked))
    var sums = groups.map { _ in 0.0 }
    for _ in 0..<Self.rounds {
      let rests: Rests = zip(groups, sums).map { group, sum in
        let chance = 1 / (1 + exp(-start - sum))
        let count = Double(group.count)
        return (Double(group.linked) - count * chance, count * chance * (1 - chance))
      }
      let root = bestSplit(Array(groups.indices), classes, rests)
      guard root.gain > 0 else { return }
      let tree = Tree(
        root: root, below: bestSplit(groups.indices.filter { root.isBelow(classes[$0]) }, classes, rests),
        above: bestSplit(groups.indices.filter { !root.isBelow(classes[$0]) }, classes, rests))
      trees.append(tree)
      for index in groups.indices { sums[index] += tree.value(classes[index]) }
    }
  }

  func score(_ classes: [UInt8]) -> Double { trees.reduce(0) { $0 + $1.value(classes) } }

  private func bestSplit(_ indices: [Int], _ classes: [[UInt8]], _ rests: Rests) -> Split {
    let slope = indices.reduce(0) { $0 + rests[$1].slope }
    let weight = indices.reduce(0) { $0 + rests[$1].weight }
    func value(_ slope: Double, _ weight: Double) -> Double { Self.pace * slope / (weight + Self.caution) }
    func merit(_ slope: Double, _ weight: Double) -> Double { slope * slope / (weight + Self.caution) }
    var best = Split(below: value(slope, weight), above: value(slope, weight))
    for feature in classCounts.indices where classCounts[feature] > 1 {
      var parts = Rests(repeating: (0, 0), count: classCounts[feature])
      for index in indices {
        let place = Int(classes[index][feature])
        parts[place].slope += rests[index].slope
        parts[place].weight += rests[index].weight
      }
      var (left, leftWeight) = (0.0, 0.0)
      for cut in parts.indices.dropLast() {
        left += parts[cut].slope
        leftWeight += parts[cut].weight
        let gain = merit(left, leftWeight) + merit(slope - left, weight - leftWeight) - merit(slope, weight)
        guard gain > max(best.gain, leastGain) else { continue }
        best = Split(
          feature: feature, cut: cut, below: value(left, leftWeight), above: value(slope - left, weight - leftWeight), gain: gain)
      }
    }
    return best
  }
}
