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

/// Collects rows and prints them as a table or as JSON.
struct Report {
  private(set) var rows: [Row] = []
  private let isJSON: Bool

  init(json: Bool) { isJSON = json }

  /// Adds a row; a table grows line by line, for the large groups take their time.
  mutating func add(
    _ area: String, _ name: String, size: Int, _ value: Double, _ unit: String, floor: Double? = nil, of floorNote: String = ""
  ) {
    let row = Row(area: area, name: name, size: size, value: value, unit: unit, floor: floor, floorNote: floorNote)
    if !isJSON {
      if rows.isEmpty { print(Self.line("area", "operation", "N", "measured", "unit", "floor", "ratio", "the floor is")) }
      print(
        Self.line(
          area, name, "\(size)", Self.text(value), unit, floor.map(Self.text) ?? "", row.ratio.map { Self.text($0) } ?? "", floorNote))
    }
    rows.append(row)
  }

  func finish() {
    guard isJSON else { return }
    let lines = rows.map { row in
      let floor = row.floor.map { ", \"floor\": \($0), \"floorIs\": \"\(row.floorNote)\"" } ?? ""
      return
        "  {\"area\": \"\(row.area)\", \"operation\": \"\(row.name)\", \"size\": \(row.size), \"value\": \(row.value), \"unit\": \"\(row.unit)\"\(floor)}"
    }
    print("[\n\(lines.joined(separator: ",\n"))\n]")
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
  private static func text(_ value: Double) -> String {
    switch value {
    case 100...: "\(Int(value.rounded()))"
    case 10..<100: "\((value * 10).rounded() / 10)"
    default: "\((value * 100).rounded() / 100)"
    }
  }
}
