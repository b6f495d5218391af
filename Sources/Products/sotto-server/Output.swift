import Foundation

/// Where the program's words go; at once, so that a pipe's reader sees each line when it is written.
enum Output {
  /// A line of the result.
  static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

  /// One JSON value on a line, for a script; keys in order.
  static func print(json value: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Numbers and texts always encode.
    if let data = try? encoder.encode(value) { print(String(decoding: data, as: UTF8.self)) }
  }

  /// Where something was made.
  static func print(path: String, asJSON: Bool) {
    if asJSON { print(json: ["path": path]) } else { print(path) }
  }

  /// A line for a person, which a script does not want.
  static func note(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

  /// Writes everything; whoever has closed the other end does not want it.
  static func write(_ text: String, to descriptor: Int32) { _ = write(Array(text.utf8), to: descriptor) }

  /// - Returns: false when the system did not take all bytes.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
      let rest = bytes[written...]
      // `unsafe`: the system reads `$0.count` bytes of the slice's storage, which is held during the call.
      let count = unsafe rest.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      written += count
    }
    return true
  }
}
