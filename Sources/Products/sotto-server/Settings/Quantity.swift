/// Sizes and times as people type them.
enum Quantity {
  private static let sizes: [(unit: String, bytes: Int)] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
  private static let times: [(unit: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
  ]

  /// `65536`, `64KiB`, `1 MiB`; nil for anything else, or for more than an integer holds.
  static func bytes(_ text: String) -> Int? {
    let (number, unit) = split(text)
    guard let count = Int(number), count >= 0 else { return nil }
    if unit.isEmpty || unit == "B" { return count }
    guard let size = sizes.first(where: { $0.unit == unit }) else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: size.bytes)
    return overflow ? nil : product
  }

  static func text(bytes: Int) -> String {
    for size in sizes where bytes >= size.bytes && bytes.isMultiple(of: size.bytes) { return "\(bytes / size.bytes)\(size.unit)" }
    return "\(bytes)"
  }

  /// For a person: `812 KiB`, `9000 MiB`, `12 GiB`.
  static func rough(bytes: Int, roundingUp: Bool = false) -> String {
    let (unit, size): (String, Int) =
      switch bytes {
      case ..<(1 << 20): ("KiB", 1 << 10)
      case ..<(10 << 30): ("MiB", 1 << 20)
      default: ("GiB", 1 << 30)
      }
    let count = bytes / size
    return "\(roundingUp && !bytes.isMultiple(of: size) ? count + 1 : count) \(unit)"
  }

  /// `500ms`, `10s`, `5m`, `2h`, `30d`; a unit is needed.
  static func duration(_ text: String) -> Duration? {
    let (number, unit) = split(text)
    guard let count = Int64(number), count >= 0, let time = times.first(where: { $0.unit == unit }) else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: time.milliseconds)
    return overflow ? nil : .milliseconds(product)
  }

  static func text(duration: Duration) -> String {
    let milliseconds = duration.wholeMilliseconds
    for time in times where milliseconds >= time.milliseconds && milliseconds.isMultiple(of: time.milliseconds) {
      return "\(milliseconds / time.milliseconds)\(time.unit)"
    }
    return "\(milliseconds)ms"
  }

  private static func split(_ text: String) -> (number: String, unit: String) {
    let number = text.prefix { $0.isASCII && $0.isNumber }
    return (String(number), String(text.dropFirst(number.count)).trimming(while: \.isWhitespace))
  }
}

extension Duration {
  /// Rounded down; as many as an integer holds at most.
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
    return overflow ? .max : product + attoseconds / 1_000_000_000_000_000
  }
}

extension StringProtocol {
  /// Without the characters at both ends that are such.
  func trimming(while isSuch: (Character) -> Bool) -> String {
    var rest = self[...]
    while let first = rest.first, isSuch(first) { rest.removeFirst() }
    while let last = rest.last, isSuch(last) { rest.removeLast() }
    return String(rest)
  }
}
