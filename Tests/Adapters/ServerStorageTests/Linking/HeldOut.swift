/// Some towns' pairs, and how well one can be judged by what was learned of the others.
///
/// Who fits to other towns, as anybody can who has the program, gets the figure. Who fits to the truth of the town that is judged, as nobody
/// can, gets what would be a bound if one town taught as much as several.
struct HeldOut {
  private static let classCount = 10
  /// How much a split must explain, if all pairs were independent. Chance alone, among some hundred splits, explains about ten; who dares
  /// more finds more and errs more. What serves best counts.
  private static let leastGains = [3.0, 12]

  struct Figures {
    /// Of each town, by trees fitted to the others.
    var aucs: [Double] = []
    /// Of each town, by trees fitted to itself.
    var bounds: [Double] = []
    /// The part of each town's 20 best pairs that are linked, by trees fitted to the others.
    var precisions: [Double] = []
    var baseRate = 0.0

    var auc: Double { aucs.mean }
    var bound: Double { bounds.mean }
    var precision: Double { precisions.mean }
  }

  private let towns: [LinkScore]
  /// By feature: the values up to which a class reaches.
  private let limits: [[Double]]
  /// By town, then by pair.
  private let classes: [[[UInt8]]]

  init(_ towns: [LinkScore]) {
    self.towns = towns
    limits = (towns.first?.features ?? []).indices.map { feature in
      Self.limits(Set(towns.flatMap { $0.columns[feature] }).sorted())
    }
    classes = towns.map { [limits] town in
      (0..<town.count).map { pair in
        limits.indices.map { feature in
          let value = town.columns[feature][pair]
          return UInt8(limits[feature].firstIndex { value <= $0 } ?? limits[feature].count)
        }
      }
    }
  }

  private static func limits(_ values: [Double]) -> [Double] {
    guard values.count > classCount else { return values.dropLast().map(\.self) }
    return (1..<classCount).map { values[$0 * values.count / classCount] }
  }

  /// - Parameter label: the number of what is to be told.
  func figures(_ label: Int) -> Figures {
    let groups = towns.indices.map { self.groups($0, label) }
    // One thing is in many pairs.
    let dependence = max(1, towns.map { $0.dependence(label) }.mean)
    return Self.leastGains.map { figures(label, groups, leastGain: $0 * dependence) }.max { $0.auc < $1.auc } ?? Figures()
  }

  private func figures(_ label: Int, _ groups: [BoostedTrees.Groups], leastGain: Double) -> Figures {
    var figures = Figures()
    for town in towns.indices {
      let others = groups.indices.filter { $0 != town }.map { groups[$0] }
      let ranking = Self.ranking(groups[town], by: trees(others, leastGain))
      figures.aucs.append(ranking.auc)
      figures.precisions.append(ranking.precision())
      figures.bounds.append(Self.ranking(groups[town], by: trees([groups[town]], leastGain)).auc)
    }
    figures.baseRate = towns.map { $0.baseRate(label) }.mean
    return figures
  }

  /// Pairs that look the same together.
  private func groups(_ town: Int, _ label: Int) -> BoostedTrees.Groups {
    var groups: BoostedTrees.Groups = [:]
    for (pair, classes) in classes[town].enumerated() {
      if let truth = towns[town].truths[label][pair] { groups[classes, default: BoostedTrees.Group()].add(linked: truth ? 1 : 0, of: 1) }
    }
    return groups
  }

  private func trees(_ parts: [BoostedTrees.Groups], _ leastGain: Double) -> BoostedTrees {
    var all: BoostedTrees.Groups = [:]
    for part in parts { all.merge(part) { $0.adding($1) } }
    return BoostedTrees(fittedTo: all, classCounts: limits.map { $0.count + 1 }, leastGain: leastGain)
  }

  private static func ranking(_ groups: BoostedTrees.Groups, by trees: BoostedTrees) -> Ranking {
    var ranking = Ranking()
    for (classes, group) in groups { ranking.add(trees.score(classes), linked: group.linked, of: group.count) }
    return ranking
  }
}

extension [Double] {
  var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
