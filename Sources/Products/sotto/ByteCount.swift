/// Numbers of bytes, for people.
enum ByteCount {
  /// With two or three digits: "17 bytes", "1.2 MB", "340 MB".
  static func text(_ count: UInt64) -> String {
    guard count >= 1_000 else { return count == 1 ? "1 byte" : "\(count) bytes" }
    var (value, unit) = (Double(count) / 1_000, 0)
    while value >= 999.5, unit + 1 < units.count { (value, unit) = (value / 1_000, unit + 1) }
    let tenths = Int((value * 10).rounded())
    return tenths < 100 ? "\(tenths / 10).\(tenths % 10) \(units[unit])" : "\(Int(value.rounded())) \(units[unit])"
  }

  private static let units = ["kB", "MB", "GB", "TB"]
}
