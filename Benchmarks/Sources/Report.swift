import Foundation

/// One line of the report.
struct Row {
  var area: String
  var name: String
  /// Members, recipients or writers; what the area calls N.
  var size: Int
  var value: Double
  var unit: String
  /// What the unavoidable part alone costs, measured in the same run; in the unit of the value.
  var floor: Double?
  /// What the floor consists of.
  var floorNote: String

  var ratio: Double? { floor.map { value / $0 } }
}

/// Rows that have nothing to be divided by.
struct Table {
  var title: String
  var columns: [String]
  var rows: [[String]] = []
}

/// Collects rows over several passes, keeps the best of each, and prints them as a table or as JSON.
///
/// Whatever shares the machine makes all that runs at that moment slower, for seconds at a time; the least of passes that lie
/// apart is what the code costs. What is counted a second is best when it is most.
struct Report {
  private var rows: [Row] = []
  private var tables: [Table] = []
  private let loadAtStart = Report.load

  /// Adds a row, or what another pass measured of it.
  mutating func add(
    _ area: String, _ name: String, size: Int, _ value: Double, _ unit: String, floor: Double? = nil, of floorNote: String = ""
  ) {
    if let index = rows.firstIndex(where: { $0.area == area && $0.name == name && $0.size == size && $0.unit == unit }) {
      // Each by itself: one pass of a long call need not have met the speed that its own floor was timed at.
      func better(_ one: Double, _ other: Double) -> Double { unit == "/s" ? max(one, other) : min(one, other) }
      rows[index].value = better(rows[index].value, value)
      if let floor { rows[index].floor = rows[index].floor.map { better($0, floor) } ?? floor }
    } else {
      rows.append(Row(area: area, name: name, size: size, value: value, unit: unit, floor: floor, floorNote: floorNote))
    }
  }

  mutating func add(_ table: Table) { tables.append(table) }

  /// How busy the machine is: processes that run or wait for a processor, the mean of a minute.
  private static var load: String {
    let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
    return text.split(separator: " ").first.map { String($0) } ?? "unknown"
  }

  private var loads: String { "Load of the machine, mean of a minute: \(loadAtStart) at the start, \(Self.load) at the end." }

  private func printMarkdown(_ table: Table) {
    print("\n### \(table.title)")
    print("| \(table.columns.joined(separator: " | ")) |\n|" + String(repeating: "---|", count: table.columns.count))
    for row in table.rows { print("| \(row.joined(separator: " | ")) |") }
  }

  func printTable() {
    print(Self.line("area", "operation", "N", "measured", "unit", "floor", "ratio", "the floor is"))
    for row in rows {
      print(
        Self.line(
          row.area, row.name, "\(row.size)", Self.text(row.value), row.unit, row.floor.map(Self.text) ?? "",
          row.ratio.map(Self.text) ?? "", row.floorNote))
    }
    for table in tables { printMarkdown(table) }
    print(loads)
  }

  func printJSON() {
    let lines = rows.map { row in
      let floor = row.floor.map { ", \"floor\": \($0), \"floorIs\": \"\(row.floorNote)\"" } ?? ""
      return
        "  {\"area\": \"\(row.area)\", \"operation\": \"\(row.name)\", \"size\": \(row.size), \"value\": \(row.value), \"unit\": \"\(row.unit)\"\(floor)}"
    }
    var others: [String] = []
    for table in tables {
      for row in table.rows {
        let fields = zip(["table"] + table.columns, [table.title] + row)
        let members = fields.map { name, value in "\"\(name)\": \"\(value)\"" }
        others.append("  {" + members.joined(separator: ", ") + "}")
      }
    }
    print("[\n\((lines + others).joined(separator: ",\n"))\n]")
  }

  /// The tables of docs/performance.md.
  func printMarkdown() {
    var areas: [String] = []
    for row in rows where !areas.contains(row.area) { areas.append(row.area) }
    for area in areas {
      let own = rows.filter { $0.area == area }
      let floors = own.filter { $0.name.hasPrefix(Self.floorPrefix) }
      if !floors.isEmpty {
        print("\n### \(area): floors\n| | microseconds |\n|---|---|")
        for row in floors { print("| \(row.name.dropFirst(Self.floorPrefix.count)) | \(Self.text(row.value)) |") }
      }
      for units in [["/s", "ms", "us", "KiB"], ["bytes", "MiB", "seals"], ["allocs"]] {
        printMarkdown(own.filter { units.contains($0.unit) && !$0.name.hasPrefix(Self.floorPrefix) }, title: area)
      }
    }
    for table in tables { printMarkdown(table) }
    print("\n\(loads)")
  }

  private static let floorPrefix = "floor: "

  /// A row an operation and unit, a column a size.
  private func printMarkdown(_ rows: [Row], title: String) {
    guard !rows.isEmpty else { return }
    let sizes = Set(rows.map(\.size)).sorted()
    let hasFloors = rows.contains { !$0.floorNote.isEmpty }
    print("\n### \(title)\n| | \(sizes.map { Self.grouped($0) }.joined(separator: " | ")) |" + (hasFloors ? " the floor is |" : ""))
    print("|---|" + String(repeating: "---|", count: sizes.count + (hasFloors ? 1 : 0)))
    var seen: Set<String> = []
    for row in rows where seen.insert(row.name + row.unit).inserted {
      let cells = sizes.map { size in
        guard let cell = rows.first(where: { $0.name == row.name && $0.unit == row.unit && $0.size == size }) else { return "" }
        return Self.text(cell.value) + (cell.ratio.map { " (\(Self.text($0)))" } ?? "")
      }
      print("| \(row.name), \(row.unit) | \(cells.joined(separator: " | ")) |" + (hasFloors ? " \(row.floorNote) |" : ""))
    }
  }

  private static func line(_ cells: String...) -> String {
    let widths = [9, 34, 6, 10, 6, 10, 6, 0]
    var text = ""
    for (cell, width) in zip(cells, widths) {
      let padding = String(repeating: " ", count: max(0, width - cell.count))
      text += (width == 0 ? cell : cell + padding) + "  "
    }
    while text.last == " " { text.removeLast() }
    return text
  }

  /// Three significant digits.
  static func text(_ value: Double) -> String {
    switch value {
    case 100...: grouped(Int(value.rounded()))
    case 10..<100: "\((value * 10).rounded() / 10)"
    default: "\((value * 100).rounded() / 100)"
    }
  }

  static func thousandths(_ value: Double) -> String {
    let digits = String(Int((value * 1_000).rounded()))
    return "0." + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
  }

  /// With a comma between thousands.
  static func grouped(_ value: Int) -> String {
    let digits = Array(String(value))
    return String(digits.enumerated().flatMap { (digits.count - $0) % 3 == 0 && $0 > 0 ? [",", $1] : [$1] })
  }
}
