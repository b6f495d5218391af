import Foundation
import SottoKit

/// Where the program's words go. Texts and names from elsewhere pass `DisplayText` before they come here.
enum Terminal {
  /// Whether standard output is a terminal that shows colours, and nobody has asked for none.
  static func usesColor(_ options: GlobalOptions) -> Bool {
    let environment = ProcessInfo.processInfo.environment
    return !options.noColor && isTerminal(STDOUT_FILENO) && (environment["NO_COLOR"] ?? "").isEmpty
      && environment["TERM"] != "dumb"
  }

  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// A line of the result.
  ///
  /// - Returns: false when the system did not take all of it.
  @discardableResult
  static func print(_ line: String) -> Bool {
    write(line + "\n", to: STDOUT_FILENO)
  }

  /// A line for a person, which a script does not want.
  static func note(_ line: String) {
    _ = write(line + "\n", to: STDERR_FILENO)
  }

  /// A line for a person at a terminal that the next one replaces.
  static func redraw(_ line: String) {
    // Back to the beginning, and clear what is left of a longer line.
    _ = write("\r\(line)\u{1B}[K", to: STDERR_FILENO)
  }

  static func report(_ text: String, hint: String) {
    note("error: \(text)\nhint: \(hint)")
  }

  /// Writes at once, so that a pipe's reader sees each line when it is written. Whoever has closed the other end does not
  /// want it.
  ///
  /// - Returns: false when the system did not take all of it.
  private static func write(_ text: String, to descriptor: Int32) -> Bool {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let rest = bytes[written...]
      // The system reads `$0.count` bytes of the slice's storage, which is held during the call.
      let count = unsafe rest.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      written += count
    }
    return true
  }

  /// A link as it was given; for `-` the first line of standard input, where no list of processes shows it.
  static func link(_ argument: String) throws -> String {
    guard argument == "-" else { return argument }
    if isTerminal(STDIN_FILENO) { note("The link, on one line:") }
    guard let line = readLine()?.trimmingCharacters(in: .whitespacesAndNewlines), !line.isEmpty else {
      throw CommandFailure(
        text: "standard input begins with no link", hint: "write the link to it, on one line", exitCode: Exit.badData)
    }
    return line
  }

  /// Lines of standard input as they come, from a thread of its own: reading it blocks.
  static func inputLines() -> AsyncStream<String> {
    let (lines, continuation) = AsyncStream<String>.makeStream()
    Thread.detachNewThread {
      while let line = readLine() { continuation.yield(line) }
      continuation.finish()
    }
    return lines
  }
}

/// Text attributes, for terminals only.
struct Style {
  var isOn: Bool

  func bold(_ text: String) -> String { isOn ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
  func dim(_ text: String) -> String { isOn ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
}
