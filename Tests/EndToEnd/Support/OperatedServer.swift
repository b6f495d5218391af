import Foundation
import Testing

/// A server with settings of its own, without a tap, and what an operator does to it.
final class OperatedServer {
  let data: URL
  let settings: URL
  private let scratch: URL
  private(set) var running: Programs.Running?
  private(set) var port = 0

  /// Starts it with these lines of settings, besides `data` and `listen`.
  init(in scratch: Scratch, named name: String = "operated", lines: [String] = []) throws {
    self.scratch = scratch.url
    data = scratch.url.appending(path: name)
    settings = scratch.url.appending(path: "\(name).conf")
    try write(lines)
    try start()
  }

  deinit { running?.kill() }

  var processID: Int32 { running?.process.processIdentifier ?? 0 }
  /// What it has said so far.
  var words: String { running.map { Programs.text($0.errorFile) } ?? "" }

  func write(_ lines: [String]) throws {
    let text = (["data = \(data.path)", "listen = 127.0.0.1:\(port)"] + lines).joined(separator: "\n") + "\n"
    try Data(text.utf8).write(to: settings)
  }

  func start() throws {
    let ready = scratch.appending(path: "\(UUID().uuidString).ready")
    let running = try Programs.start("sotto-server", ["serve", "--config", settings.path, "--ready-file", ready.path], in: scratch)
    self.running = running
    try wait("readiness") { FileManager.default.fileExists(atPath: ready.path) }
    let address = Programs.text(ready).trimmingCharacters(in: .whitespacesAndNewlines)
    port = try #require(address.split(separator: ":").last.flatMap { Int($0) })
  }

  /// SIGHUP, and waits until the server has said something that it had not said before and that contains these words.
  func hangUp(expecting words: String) throws {
    let before = count(of: words)
    Foundation.kill(processID, SIGHUP)
    try wait(words) { self.count(of: words) > before }
  }

  func stop() -> Programs.Outcome? {
    guard let running else { return nil }
    running.process.terminate()
    defer { self.running = nil }
    return running.outcome()
  }

  func kill() {
    running?.kill()
    running = nil
  }

  /// Runs a command on its directory.
  func command(_ name: String..., arguments: [String] = [], input: String = "") throws -> Programs.Outcome {
    try Programs.run("sotto-server", name + ["--data", data.path] + arguments, input: input, in: scratch)
  }

  /// Polls a fact, and asserts nothing on how long it takes; a server that has ended never gets there.
  private func wait(_ what: String, _ isSo: () -> Bool) throws {
    while !isSo() {
      guard let running, running.process.isRunning else { throw EndToEndError.notReady("\(what): \(words)") }
      usleep(5_000)
    }
  }

  private func count(of text: String) -> Int { words.components(separatedBy: text).count - 1 }
}

extension OperatedServer: RegisteringServer {
  func registrationLink() throws -> String {
    let outcome = try command("invite")
    return try #require(outcome.lines.first { $0.hasPrefix("sotto://") }, "\(outcome.errors)")
  }
}

/// A certificate and key made by openssl, as an authority would hand them out.
struct IssuedCertificate {
  let certificate: URL
  let key: URL

  init(_ name: String, in scratch: Scratch, days: Int = 90) throws {
    certificate = scratch.url.appending(path: "\(name).crt")
    key = scratch.url.appending(path: "\(name).key")
    let request = scratch.url.appending(path: "\(name).csr")
    try run([
      "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=chat.example.org", "-keyout",
      key.path, "-out", request.path,
    ])
    // Unlike `req`, `x509` makes certificates that have ended, for a count below zero.
    try run(["x509", "-req", "-in", request.path, "-signkey", key.path, "-days", "\(days)", "-out", certificate.path])
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
  }

  private func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: Tools.openssl)
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }
}
