import Foundation

/// A server of the drill's own, in a process of its own, with everything switched on that helps an intruder.
final class DrillServer {
  /// Its name and value stand in the process's memory from its first moment: a search of memory that does not find them is blind.
  static let controlVariable = "SOTTO_DRILL_CONTROL"

  let folder: URL
  let program: URL
  let control: String
  private var process: Process?

  var data: URL { folder.appending(path: "data") }
  var tap: URL { folder.appending(path: "tap") }
  var log: URL { folder.appending(path: "log") }
  var backup: URL { folder.appending(path: "backup") }
  var coreFolder: URL { folder.appending(path: "core") }

  /// - Parameter program: an executable with the commands of `sotto-server`.
  init(program: URL, folder: URL) throws {
    self.program = program
    self.folder = folder
    control = "control-" + RandomText.marker()
    try FileManager.default.createDirectory(at: coreFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { kill() }

  var processIdentifier: Int32 { process?.processIdentifier ?? -1 }

  /// Starts it, and returns when clients can connect.
  func start() async throws {
    let ready = folder.appending(path: "ready")
    let process = try launch(
      [
        "serve", "--data", data.path, "--listen", "127.0.0.1:0", "--ready-file", ready.path, "--tap", tap.path, "--open-to-drill",
        "--set", "log.level=trace",
      ], output: log, in: coreFolder)
    self.process = process
    try await until("the server is ready") {
      guard process.isRunning else { throw DrillError("the server ended before it was ready: \(Self.lastWords(in: self.log))") }
      return FileManager.default.fileExists(atPath: ready.path)
    }
  }

  /// Runs another command of the program to its end, and returns the lines that it printed.
  func run(_ arguments: [String]) throws -> [String] {
    let output = folder.appending(path: "command-\(RandomText.marker())")
    let process = try launch(arguments, output: output, in: folder)
    process.waitUntilExit()
    let text = String(decoding: (try? Data(contentsOf: output)) ?? Data(), as: UTF8.self)
    try? FileManager.default.removeItem(at: output)
    guard process.terminationStatus == 0 else {
      throw DrillError("`\(arguments.first ?? "")` failed: \(text.split(separator: "\n").last ?? "")")
    }
    return text.split(separator: "\n").map(String.init)
  }

  private func launch(_ arguments: [String], output: URL, in directory: URL) throws -> Process {
    guard FileManager.default.createFile(atPath: output.path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
      throw DrillError("a file cannot be written in \(folder.path)")
    }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.environment = [
      "PATH": "/usr/bin:/bin", "HOME": folder.path, "NO_COLOR": "1", "SWIFT_BACKTRACE": "enable=no", Self.controlVariable: control,
    ]
    let file = try FileHandle(forWritingTo: output)
    process.standardOutput = file
    process.standardError = file
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Stops the process where it stands, so that files and memory are of one moment; nothing in it runs on.
  func freeze() async throws {
    Foundation.kill(processIdentifier, SIGSTOP)
    #if os(Linux)
      try await until("the server stands still") {
        guard let status = FileManager.default.contents(atPath: "/proc/\(self.processIdentifier)/status") else { return false }
        return String(decoding: status, as: UTF8.self).contains("\nState:\tT")
      }
    #endif
  }

  func thaw() { Foundation.kill(processIdentifier, SIGCONT) }

  /// Lets the process crash, as a fault of its own would, and waits for its end.
  func crash() {
    guard let process else { return }
    Foundation.kill(process.processIdentifier, SIGABRT)
    thaw()
    process.waitUntilExit()
    self.process = nil
  }

  func kill() {
    guard let process, process.isRunning else { return }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    self.process = nil
  }

  private static func lastWords(in log: URL) -> String {
    String(decoding: (try? Data(contentsOf: log)) ?? Data(), as: UTF8.self).split(separator: "\n").suffix(2).joined(separator: "; ")
  }
}

/// Why a drill came to no result.
package struct DrillError: Error {
  package var text: String
  init(_ text: String) { self.text = text }
}

/// Looks again and again until something has happened.
///
/// - Throws: when it has not within two minutes.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(120)
  while try await !condition() {
    guard ContinuousClock.now < end else { throw DrillError("it took too long until \(what)") }
    try await Task.sleep(for: .milliseconds(10))
  }
}

/// What stands nowhere else.
package enum RandomText {
  /// Sixteen hexadecimal digits.
  package static func marker() -> String {
    String(decoding: Encode.hex((0..<8).map { _ in UInt8.random(in: 0...255) }, Encode.lowerDigits), as: UTF8.self)
  }

  static func digits(_ count: Int) -> String { (0..<count).map { _ in String(Int.random(in: 0...9)) }.joined() }
}
