import Synchronization

/// What the program says while it runs.
///
/// A line is made of text that stands in the source, and of numbers: a `String` cannot reach it. So no level holds an
/// identifier, an address, a name or a byte that came from outside, and a test shows that such a call does not compile.
final class ServerLog: Sendable {
  enum Level: String, CaseIterable, Sendable {
    case error, warning, notice, info, debug, trace

    fileprivate var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  }

  /// What may stand in a line beside its text.
  enum Value: Sendable {
    case count(Int)
    case milliseconds(Int64)
    /// A number of the system's or of SQLite's.
    case code(Int32)
    case word(StaticString)
  }

  private let sink: @Sendable (String) -> Void
  private let current: Mutex<Level>

  /// - Parameter sink: takes whole lines.
  init(level: Level, sink: @escaping @Sendable (String) -> Void) {
    current = Mutex(level)
    self.sink = sink
  }

  var level: Level {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  func error(_ text: StaticString, _ values: (StaticString, Value)...) { write(.error, text, values) }
  func warning(_ text: StaticString, _ values: (StaticString, Value)...) { write(.warning, text, values) }
  func notice(_ text: StaticString, _ values: (StaticString, Value)...) { write(.notice, text, values) }
  func info(_ text: StaticString, _ values: (StaticString, Value)...) { write(.info, text, values) }
  func debug(_ text: StaticString, _ values: (StaticString, Value)...) { write(.debug, text, values) }
  func trace(_ text: StaticString, _ values: (StaticString, Value)...) { write(.trace, text, values) }

  private func write(_ level: Level, _ text: StaticString, _ values: [(StaticString, Value)]) {
    guard level.rank <= self.level.rank else { return }
    var line = "\(level.rawValue): \(text)"
    for (name, value) in values { line += " \(name)=\(value.text)" }
    sink(line)
  }
}

extension ServerLog.Value {
  fileprivate var text: String {
    switch self {
    case .count(let number): String(number)
    case .milliseconds(let number): "\(number)ms"
    case .code(let number): String(number)
    case .word(let word): "\(word)"
    }
  }
}
