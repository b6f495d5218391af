extension DrillReport {
  /// The report for a person, line by line.
  package var lines: [String] {
    var lines: [String] = []
    lines.append("Looked for: \(canaryCount) canaries, each in up to \(Form.allCases.count) forms, and inside of gzip and zlib streams")
    lines.append("  no server ever sees:       \(list(.never))")
    lines.append("  shown in flight, not kept: \(list(.inFlight))")
    lines.append("")
    lines.append("What the database of the thief holds, table by table")
    for table in tables { lines += describe(table) }
    lines.append("")
    lines.append("What was found of the canaries, place by place")
    lines.append("  \(pad("place", 23))\(pad("bytes", 14, right: true))  \(pad("streams", 8, right: true))  hits")
    for place in places.sorted(by: { order($0.place) < order($1.place) }) { lines += describe(place) }
    lines.append("")
    lines.append(verdict)
    return lines
  }

  private func order(_ place: Place) -> Int { Place.allCases.firstIndex(of: place) ?? 0 }

  private func list(_ rule: Canary.Rule) -> String {
    kinds.filter { $0.rule == rule }.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")
  }

  private func describe(_ table: Table) -> [String] {
    var lines = ["  \(pad(table.name, 20))\(table.rowCount) rows"]
    for (column, value) in zip(table.columns, table.example) { lines.append("      \(pad(column, 18))\(value)") }
    lines.append("    = \(table.meaning ?? "THIS PROGRAM MAKES NO SUCH TABLE")")
    return lines
  }

  private func describe(_ place: PlaceResult) -> [String] {
    let hits = place.hits.isEmpty ? "none" : "\(place.hits.reduce(0) { $0 + $1.count }) HITS"
    var lines = [
      "  \(pad(place.place.rawValue, 23))\(pad(String(place.byteCount), 14, right: true))  \(pad(String(place.streamCount), 8, right: true))  \(hits)"
    ]
    for hit in place.hits { lines.append("      LEAK: \(hit.kind) as \(hit.form), \(hit.count) times, first in \(hit.first)") }
    if !place.inFlight.isEmpty {
      let kinds = Set(place.inFlight.map(\.kind)).sorted().joined(separator: ", ")
      lines.append("      in flight, as it must be: \(kinds)")
    }
    if let note = place.note { lines.append("      note: \(note)") }
    if place.isControlFound == false { lines.append("      NOT SEARCHED: what is known to stand here was not found") }
    return lines
  }

  private var verdict: String {
    if leakCount > 0 { return "LEAKED: an intruder learns what no server may know. See the lines above that begin with LEAK." }
    if !unsearched.isEmpty { return "INCOMPLETE: \(unsearched.map(\.rawValue).joined(separator: ", ")) could not be searched." }
    return "Nothing: the intruder has no text, no name, no identity and no key, in any place and any form that was tried."
  }

  private func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return right ? space + text : text + space
  }
}
