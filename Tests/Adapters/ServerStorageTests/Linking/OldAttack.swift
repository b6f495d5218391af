import Foundation
import GRDB
import MailboxEngine

/// The same question to the layout of schema 1, in which a row of `envelopes` names its mailbox.
enum OldAttack {
  private struct Profile {
    /// Waiting envelopes by day and size, those that are rare weighing more.
    var queue: [String: Double] = [:]
    var arrivals = 0.0
    var deliveryKeyCount = 0.0

    var length: Double { log(1 + queue.values.reduce(0, +)) }
  }

  static func score(_ theft: Theft, _ names: [StoredName], labels: [String], truth: (Int, Int) -> [Bool]) throws -> LinkScore {
    let traces = RowTraces(theft, "mailboxes", names, veil: nil).traces
    let profiles = try profiles(theft, names)
    var score = LinkScore(
      features: [
        "likeness of the queues by day and size", "likeness of the lengths of the queues", "likeness of what came since the first copy",
        "as many delivery keys", "how much came to both", "how many delivery keys both have", "likeness of long queues",
        "written in one transaction of the log", "both new since the first copy", "neighbours in a page",
      ], labels: labels)
    for one in names.indices {
      for other in names.indices.dropFirst(one + 1) {
        let (left, right) = (profiles[one], profiles[other])
        let likeness = cosine(left.queue, right.queue)
        let isNeighbour = traces[one].page == traces[other].page && traces[one].page > 0
        let distance = abs(Double(traces[one].offset - traces[other].offset))
        var values = [likeness, -abs(left.length - right.length)]
        values.append(-abs(log(1 + left.arrivals) - log(1 + right.arrivals)))
        values.append(-abs(left.deliveryKeyCount - right.deliveryKeyCount))
        values.append(log(1 + min(left.arrivals, right.arrivals)))
        values.append(min(left.deliveryKeyCount, right.deliveryKeyCount))
        values.append(likeness * min(left.length, right.length))
        values.append(Double(Set(traces[one].changes).intersection(traces[other].changes).count))
        values.append(traces[one].isNew && traces[other].isNew ? 1 : 0)
        values.append(isNeighbour ? 1 / (1 + distance / 100) : 0)
        score.add(values, truth(one, other), between: [one, other])
      }
    }
    return score
  }

  private static func profiles(_ theft: Theft, _ names: [StoredName]) throws -> [Profile] {
    let arrivalsBefore = try theft.rowsBefore.read { try counts($0, "SELECT name, last_sequence FROM mailboxes") }
    return try theft.rowsAfter.read { db in
      let arrivals = try counts(db, "SELECT name, last_sequence FROM mailboxes")
      let keys = try counts(db, "SELECT mailbox, count(*) FROM delivery_keys GROUP BY 1")
      var queues: [Data: [String: Double]] = [:]
      var rarity: [String: Double] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT mailbox, expires, length(sealed), count(*) FROM envelopes GROUP BY 1, 2, 3") {
        let kind = "\(row[1] as Int) \(row[2] as Int)"
        queues[row[0] as Data, default: [:]][kind] = row[3] as Double
        rarity[kind, default: 0] += row[3] as Double
      }
      return names.map { name in
        let data = Data(name.bytes)
        var profile = Profile()
        for (kind, count) in queues[data] ?? [:] { profile.queue[kind] = count / log(2 + (rarity[kind] ?? 0)) }
        profile.arrivals = max(0, (arrivals[data] ?? 0) - (arrivalsBefore[data] ?? 0))
        profile.deliveryKeyCount = keys[data] ?? 0
        return profile
      }
    }
  }

  private static func counts(_ db: Database, _ sql: String) throws -> [Data: Double] {
    Dictionary(uniqueKeysWithValues: try Row.fetchAll(db, sql: sql).map { ($0[0] as Data, $0[1] as Double) })
  }

  private static func cosine(_ left: [String: Double], _ right: [String: Double]) -> Double {
    let product = left.reduce(0) { $0 + $1.value * (right[$1.key] ?? 0) }
    let lengths = (left.values.reduce(0) { $0 + $1 * $1 } * right.values.reduce(0) { $0 + $1 * $1 }).squareRoot()
    return lengths > 0 ? product / lengths : 0
  }
}
