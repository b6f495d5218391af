import Foundation

/// Asks for a passphrase on the terminal, without showing it.
enum PassphrasePrompt {
  /// The passphrase of a profile that is there.
  static func ask() throws -> String {
    try readHidden("Passphrase: ")
  }

  /// A passphrase for a new profile, typed twice.
  static func askTwice() throws -> String {
    for _ in 0..<3 {
      let first = try readHidden("New passphrase: ")
      if try readHidden("The same again: ") == first { return first }
      Terminal.note("The two are not the same.")
    }
    throw CommandFailure(
      text: "no passphrase was chosen", hint: "try again, or use --key-file", exitCode: Exit.cannotCreate)
  }

  /// The first line of a file.
  static func read(file: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: file),
      let line = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).first
    else {
      throw CommandFailure(
        text: "the passphrase file cannot be read", hint: "look at --passphrase-file or SOTTO_PASSPHRASE_FILE",
        exitCode: Exit.notFound)
    }
    return line.hasSuffix("\r") ? String(line.dropLast()) : String(line)
  }

  /// Reads a line from the terminal itself, whatever standard input is.
  ///
  /// Ctrl-C comes as a byte here, not as a signal: the terminal must not be left without echo.
  private static func readHidden(_ prompt: String) throws -> String {
    // The string is lent to the system as a C string for the duration of the call.
    let terminal = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard terminal >= 0 else { throw noTerminal }
    defer { _ = Foundation.close(terminal) }
    var saved = termios()
    // The system fills the structure, which is held during the call; so below.
    guard unsafe tcgetattr(terminal, &saved) == 0 else { throw noTerminal }
    var hidden = saved
    hidden.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
    guard unsafe tcsetattr(terminal, TCSAFLUSH, &hidden) == 0 else { throw noTerminal }
    defer {
      // As above.
      _ = unsafe tcsetattr(terminal, TCSAFLUSH, &saved)
      Terminal.note("")
    }
    let words = Array(prompt.utf8)
    // Reads `words.count` bytes of an array that is held during the call.
    _ = unsafe words.withUnsafeBytes { unsafe Foundation.write(terminal, $0.baseAddress, $0.count) }
    var typed: [UInt8] = []
    while true {
      var byte: UInt8 = 0
      // Writes one byte into a variable that is held during the call.
      let count = unsafe Foundation.read(terminal, &byte, 1)
      if count < 0 && errno == EINTR { continue }
      guard count == 1 else { throw stopped }
      switch byte {
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"): return String(decoding: typed, as: UTF8.self)
      // Ctrl-C, Ctrl-\, and Ctrl-D on an empty line.
      case 3, 28: throw stopped
      case 4: if typed.isEmpty { throw stopped }
      // Backspace takes a whole character back.
      case 8, 127:
        var text = String(decoding: typed, as: UTF8.self)
        _ = text.popLast()
        typed = Array(text.utf8)
      // Ctrl-U begins again.
      case 21: typed = []
      default: typed.append(byte)
      }
    }
  }

  private static var noTerminal: CommandFailure {
    CommandFailure(
      text: "there is no terminal to ask for the passphrase on",
      hint: "use --passphrase-file or SOTTO_PASSPHRASE_FILE, or a profile with --key-file", exitCode: Exit.notPermitted)
  }

  private static var stopped: CommandFailure {
    CommandFailure(text: "no passphrase was typed", hint: "nothing was done", exitCode: Exit.notPermitted)
  }
}
