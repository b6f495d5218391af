import CryptoSuite
import Foundation
import MailboxEngine
import SottoProtocol

@testable import ServerStorage

/// What two copies and a write-ahead log tell of rows with names: which belong together?
struct RowTraces {
  /// What is known of one row.
  struct Trace {
    var isNew = false
    /// The transaction of the log in which it was made.
    var making: Int?
    /// Transactions of the log in which it has changed, its making among them.
    var changes: [Int] = []
    /// Transactions of the log in which its inner seal has changed, if that can be seen.
    var realChanges: [Int] = []
    var hasReallyChanged = false
    /// How much more often it has changed than others.
    var excess = 0.0
    var byteCount = 0
    var page = 0
    /// Its place in the order in which the rows of its page were written, as far as that is seen.
    var rank = 0
    var offset = 0
  }

  let traces: [Trace]

  /// - Parameter veil: what `server.keys` opens, if that was stolen, too.
  init(_ theft: Theft, _ table: String, _ names: [StoredName], veil: Secret?) {
    let index = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1.bytes, $0) })
    let (before, after) = (theft.before.records[table] ?? [:], theft.after.records[table] ?? [:])
    var traces = names.map { name in
      var trace = Trace()
      trace.isNew = before[name.bytes] == nil
      if let row = after[name.bytes] {
        (trace.page, trace.offset, trace.byteCount) = (row.page, row.offset, row.content.count)
        trace.hasReallyChanged = Self.isRealChange(before[name.bytes], row, table, veil)
      }
      return trace
    }
    for (number, step) in theft.steps.enumerated() {
      let (made, changed) = (step.made[table] ?? [], step.changed[table] ?? [])
      for name in made {
        guard let row = index[name] else { continue }
        traces[row].making = number
        traces[row].changes.append(number)
        traces[row].realChanges.append(number)
      }
      for change in changed {
        guard let row = index[change.name] else { continue }
        traces[row].changes.append(number)
        if Self.isRealChange(change.before, change.after, table, veil) { traces[row].realChanges.append(number) }
      }
    }
    // A crowd changes as a whole.
    let mean = Double(traces.reduce(0) { $0 + $1.changes.count }) / Double(max(1, traces.count))
    for row in names.indices {
      traces[row].excess = Double(traces[row].changes.count) - mean
      traces[row].rank = after.values.count { $0.page == traces[row].page && $0.offset < traces[row].offset }
    }
    self.traces = traces
  }

  private static func isRealChange(
    _ before: StolenFiles.Record?, _ after: StolenFiles.Record, _ table: String, _ veil: Secret?
  ) -> Bool {
    guard let veil, let before else { return false }
    let aad = Array(table.utf8) + after.name
    return RecordRows.uncover(before.sealed, aad, veil: veil) != RecordRows.uncover(after.sealed, aad, veil: veil)
  }
}

/// Scores pairs of mailboxes, and pairs of a mailbox and another thing, by everything in the files that could tell whether they belong
/// together.
enum MailboxAttack {
  /// When things were made or touched, by the log.
  private struct Events {
    var logs: [Int] = []
    var capabilities: [Int] = []
    var vouchers: [Int] = []
    var tokens: [Int] = []
    var sends: [Int] = []

    init(_ steps: [Theft.Step]) {
      func numbers(_ isOne: (Theft.Step) -> Bool) -> [Int] { steps.indices.filter { isOne(steps[$0]) } }
      logs = numbers { $0.made["logs"]?.isEmpty == false }
      capabilities = numbers { $0.made["capabilities"]?.isEmpty == false || $0.changed["capabilities"]?.isEmpty == false }
      vouchers = numbers { $0.made["vouchers"]?.isEmpty == false || $0.changed["vouchers"]?.isEmpty == false }
      tokens = numbers { $0.made["spent_tokens"]?.isEmpty == false }
      sends = numbers { $0.inserted["envelopes"]?.isEmpty == false }
    }
  }

  static func score(_ theft: Theft, _ names: [StoredName], veil: Secret?, labels: [String], truth: (Int, Int) -> [Bool]) -> LinkScore {
    let traces = RowTraces(theft, "mailboxes", names, veil: veil).traces
    let events = Events(theft.steps)
    var features = [
      "rows of one size", "both new since the first copy", "both changed in the log",
      "changed in how many transactions of the log together",
      "changed in the log near each other", "the lesser count of changes in the log beyond the mean", "those counts multiplied",
      "made in the log near each other", "one made, the other changed near it", "both changed near the making of a log",
      "both changed near a touch of a capability", "both changed near a touch of a voucher", "both changed near the spending of a token",
      "both changed near a send", "neighbours in a page", "written after each other in a page",
    ]
    if veil != nil {
      features += [
        "both really changed since the first copy", "both really changed in the log", "really changed near each other",
        "the lesser count of real changes", "one made, the other really changed near it",
        "both really changed near the making of a log",
      ]
    }
    var score = LinkScore(features: features, labels: labels)
    for one in traces.indices {
      for other in traces.indices.dropFirst(one + 1) {
        let (left, right) = (traces[one], traces[other])
        var values = [flag(left.byteCount == right.byteCount), flag(left.isNew && right.isNew)]
        values.append(flag(!left.changes.isEmpty && !right.changes.isEmpty))
        values.append(Double(Set(left.changes).intersection(right.changes).count))
        values.append(nearness(left.changes, right.changes))
        values.append(((min(left.excess, right.excess) * 2).rounded()))
        values.append((left.excess * right.excess).rounded())
        values.append(nearness(left.making.map { [$0] } ?? [], right.making.map { [$0] } ?? []))
        values.append(max(nearness(left.making.map { [$0] } ?? [], right.changes), nearness(right.making.map { [$0] } ?? [], left.changes)))
        for times in [events.logs, events.capabilities, events.vouchers, events.tokens, events.sends] {
          values.append(meeting(left.changes, right.changes, near: times))
        }
        let isNeighbour = left.page == right.page && left.page > 0
        values.append(isNeighbour ? 1 / (1 + abs(Double(left.offset - right.offset)) / 1_000) : 0)
        values.append(flag(isNeighbour && abs(left.rank - right.rank) == 1))
        if veil != nil {
          values.append(flag(left.hasReallyChanged && right.hasReallyChanged))
          values.append(flag(!left.realChanges.isEmpty && !right.realChanges.isEmpty))
          values.append(nearness(left.realChanges, right.realChanges))
          values.append(Double(min(left.realChanges.count, right.realChanges.count)))
          values.append(
            max(nearness(left.making.map { [$0] } ?? [], right.realChanges), nearness(right.making.map { [$0] } ?? [], left.realChanges)))
          values.append(meeting(left.realChanges, right.realChanges, near: events.logs))
        }
        score.add(values, truth(one, other), between: [one, other])
      }
    }
    return score
  }

  // MARK: Other tables

  /// Pairs of a row of another table and a mailbox.
  static func score(
    _ theft: Theft, _ table: String, _ things: [StoredName], _ names: [StoredName], label: String, isLinked: (Int, Int) -> Bool
  ) -> LinkScore {
    let mailboxes = RowTraces(theft, "mailboxes", names, veil: nil).traces
    let others = RowTraces(theft, table, things, veil: nil).traces
    var score = LinkScore(
      features: [
        "both new since the first copy", "both changed in the log", "changed in one transaction", "changed near each other",
        "one made, the mailbox changed near it", "changes of the mailbox in the transactions beside its making",
        "the lesser count of changes beyond the mean", "made near each other",
      ], labels: [label])
    for (thing, row) in others.enumerated() {
      for (mailbox, trace) in mailboxes.enumerated() {
        let making = row.making.map { [$0] } ?? []
        var values = [flag(row.isNew && trace.isNew), flag(!row.changes.isEmpty && !trace.changes.isEmpty)]
        values.append(Double(Set(row.changes).intersection(trace.changes).count))
        values.append(nearness(row.changes, trace.changes))
        values.append(nearness(making, trace.changes))
        values.append(Double(trace.changes.count { change in making.contains { abs($0 - change) <= 6 } }))
        values.append((min(row.excess, trace.excess) * 2).rounded())
        values.append(nearness(making, trace.making.map { [$0] } ?? []))
        score.add(values, [isLinked(thing, mailbox)], between: [mailbox, -1 - thing])
      }
    }
    return score
  }

  // MARK: Parts

  private static func flag(_ condition: Bool) -> Double { condition ? 1 : 0 }

  private static func nearness(_ left: [Int], _ right: [Int]) -> Double {
    var best = Int.max
    for one in left { for other in right { best = min(best, abs(one - other)) } }
    return best == .max ? 0 : 1 / (1 + Double(best))
  }

  /// How near both are to one of these times.
  private static func meeting(_ left: [Int], _ right: [Int], near times: [Int]) -> Double {
    guard !left.isEmpty, !right.isEmpty else { return 0 }
    return times.reduce(0) { max($0, nearness(left, [$1]) * nearness(right, [$1])) }
  }
}
