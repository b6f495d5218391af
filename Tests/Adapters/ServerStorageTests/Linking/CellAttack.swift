import Foundation
import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// Scores pairs of cells of envelopes: which are of one mailbox, one send, one conversation, one person?
struct CellAttack {
  /// What is seen of one cell.
  private struct Trace {
    let number: Int64
    let byteCount: Int
    let day: Int
    let page: Int
    let offset: Int
    /// Its place among the rows of its page, in the order in which they were written, as far as that is seen.
    let rank: Int
    /// It lies in the other copy, too.
    let isInOther: Bool
    /// In the other copy there is an empty row in its place.
    let isMarkInOther: Bool
    let insertion: Int?
    let deletion: Int?
  }

  /// Which cells are looked at.
  enum Population {
    /// Those of the second copy.
    case second
    /// Those of the first, of which the second tells what became.
    case first
  }

  static let labels = [
    "pieces of one copy", "one mailbox", "one send", "one conversation", "one person", "one mailbox, of two that are away",
  ]
  private static let features = [
    "one day", "one size", "rarity of that size and day", "both of the largest size, of one day", "distance in days", "day of the older",
    "day of the younger", "one fate in the other copy", "both there in the other copy", "both became marks", "written in the log",
    "written in one transaction", "written near each other", "deleted in one transaction", "one page", "nearness in it",
    "written after each other in it", "nearness of numbers", "days both of few cells",
  ]

  private let traces: [Trace]
  private let counts: [Int: [Int: Int]]

  init(_ theft: Theft, _ population: Population) {
    let (here, other) =
      population == .second ? (theft.after.fullCells(), theft.before.cells) : (theft.before.fullCells(), theft.after.cells)
    let others = other["envelopes"] ?? [:]
    var (insertions, deletions) = ([Int64: Int](), [Int64: Int]())
    for (number, step) in theft.steps.enumerated() {
      for cell in step.inserted["envelopes"] ?? [] { insertions[cell] = number }
      for cell in step.deleted["envelopes"] ?? [] { deletions[cell] = number }
    }
    let pages = Dictionary(grouping: here.values, by: \.page).mapValues { $0.map(\.offset).sorted() }
    traces = here.values.sorted { $0.id < $1.id }.map { cell in
      let twin = others[cell.id]
      return Trace(
        number: cell.id, byteCount: cell.byteCount, day: Int(CellRows.day(of: cell.id).number), page: cell.page, offset: cell.offset,
        rank: pages[cell.page]?.firstIndex(of: cell.offset) ?? 0, isInOther: twin.map { $0.byteCount > Theft.markByteCount } ?? false,
        isMarkInOther: twin.map { $0.byteCount <= Theft.markByteCount } ?? false, insertion: insertions[cell.id],
        deletion: deletions[cell.id])
    }
    counts = Dictionary(grouping: traces, by: \.day).mapValues { Dictionary(grouping: $0, by: \.byteCount).mapValues(\.count) }
  }

  var numbers: [Int64] { traces.map(\.number) }

  /// - Parameters:
  ///   - pairCount: so many pairs are drawn, if there are more.
  ///   - truth: of two cells, by their numbers.
  func score(pairCount: Int, random: inout SeededNumbers, truth: (Int64, Int64) -> [Bool?]) -> LinkScore {
    var score = LinkScore(features: Self.features, labels: Self.labels)
    guard traces.count > 1 else { return score }
    let all = traces.count * (traces.count - 1) / 2
    if all <= pairCount {
      for one in traces.indices { for other in traces.indices.dropFirst(one + 1) { add(traces[one], traces[other], to: &score, truth) } }
    } else {
      for _ in 0..<pairCount {
        guard let one = traces.randomElement(using: &random), let other = traces.randomElement(using: &random), one.number != other.number
        else { continue }
        add(one, other, to: &score, truth)
      }
    }
    return score
  }

  private func add(_ left: Trace, _ right: Trace, to score: inout LinkScore, _ truth: (Int64, Int64) -> [Bool?]) {
    let (sameDay, sameSize) = (left.day == right.day, left.byteCount == right.byteCount)
    let count = sameDay && sameSize ? counts[left.day]?[left.byteCount] ?? 0 : 0
    let isLargest = left.byteCount > CellRows.largestSize && right.byteCount > CellRows.largestSize
    let onePage = left.page == right.page
    let distance = abs(Double(left.number - right.number))
    func flag(_ condition: Bool) -> Double { condition ? 1 : 0 }
    func dayCount(_ trace: Trace) -> Int { counts[trace.day]?.values.reduce(0, +) ?? 0 }
    func near(_ one: Int?, _ other: Int?) -> Double {
      guard let one, let other else { return 0 }
      return 1 / (1 + abs(Double(one - other)))
    }
    var values = [flag(sameDay), flag(sameSize), count > 0 ? 1 / Double(count) : 0, flag(sameDay && isLargest)]
    values.append(-abs(Double(left.day - right.day)))
    values.append(-Double(min(left.day, right.day)))
    values.append(-Double(max(left.day, right.day)))
    values.append(flag(left.isInOther == right.isInOther))
    values.append(flag(left.isInOther && right.isInOther))
    values.append(flag(left.isMarkInOther && right.isMarkInOther && sameDay))
    values.append(flag(left.insertion != nil) + flag(right.insertion != nil))
    values.append(flag(left.insertion != nil && left.insertion == right.insertion))
    values.append(near(left.insertion, right.insertion))
    values.append(flag(left.deletion != nil && left.deletion == right.deletion))
    values.append(flag(onePage))
    values.append(onePage ? 1 / (1 + abs(Double(left.offset - right.offset)) / 1_000) : 0)
    values.append(flag(onePage && abs(left.rank - right.rank) == 1))
    values.append(sameDay ? -log2(1 + distance).rounded() : -64)
    values.append(-Double(max(dayCount(left), dayCount(right))))
    score.add(values, truth(left.number, right.number))
  }
}
