import Foundation
import SystemFiles

/// A file of settings: lines of `name = value`, and lines that begin with `#` for people.
struct SettingsFile: Sendable {
  private static let byteCount = 64 << 10

  /// By name: the value and the number of its line.
  private(set) var values: [String: (text: String, line: Int)] = [:]
  private(set) var faults: [String] = []

  init(path: String) {
    guard let mode = SystemFile.mode(path), let bytes = FileManager.default.contents(atPath: path) else {
      faults.append("\(path): cannot be read")
      return
    }
    if mode & 0o022 != 0 { faults.append("\(path): others than its owner may change it (chmod go-w)") }
    guard bytes.count <= Self.byteCount, let text = String(validating: bytes, as: UTF8.self) else {
      faults.append("\(path): is no text of at most \(Quantity.text(bytes: Self.byteCount))")
      return
    }
    read(text, path: path)
  }

  init(text: String, path: String) { read(text, path: path) }

  private mutating func read(_ text: String, path: String) {
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = line.trimming(while: \.isWhitespace)
      let number = index + 1
      if line.isEmpty || line.hasPrefix("#") { continue }
      guard let equals = line.firstIndex(of: "=") else {
        faults.append("\(path):\(number): is not NAME = VALUE")
        continue
      }
      let name = line[..<equals].trimming(while: \.isWhitespace)
      if let first = values[name] {
        faults.append("\(path):\(number): \(name) is set already in line \(first.line)")
        continue
      }
      values[name] = (line[line.index(after: equals)...].trimming(while: \.isWhitespace), number)
    }
  }
}
