import Foundation

/// A real `sotto-server` on a port of its own.
final class ServerProcess: RegisteringServer {
  let data: URL
  let tap: URL
  private let scratch: URL
  private let isTapped: Bool
  private(set) var port = 0
  private var running: Programs.Running?

  /// Starts the server and returns when it says that it is ready.
  ///
  /// - Parameter isTapped: whether what crosses the plaintext side of TLS is kept.
  init(in scratch: Scratch, named name: String = "server", isTapped: Bool = true) throws {
    self.isTapped = isTapped
    self.scratch = scratch.url
    data = scratch.url.appending(path: name)
    tap = scratch.url.appending(path: "\(name).tap")
    try start()
  }

  deinit { running?.kill() }

  /// Starts it again, on the same port: links name it.
  func start() throws {
    let ready = scratch.appending(path: "\(UUID().uuidString).ready")
    // A pipe that only the server holds open: its end says that the server died before it was ready.
    let running = try Programs.start(
      "sotto-server",
      ["serve", "--data", data.path, "--listen", "127.0.0.1:\(port)", "--ready-file", ready.path]
        + (isTapped ? ["--tap", tap.path] : []), in: scratch)
    self.running = running
    while !FileManager.default.fileExists(atPath: ready.path) {
      guard running.process.isRunning else { throw EndToEndError.notReady(running.outcome().errors) }
      // Polls a fact, and asserts nothing on how long it takes; the watchdog ends a server that never gets ready.
      usleep(5_000)
    }
    let address = Programs.text(ready).trimmingCharacters(in: .whitespacesAndNewlines)
    guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else { throw EndToEndError.notReady(address) }
    self.port = port
  }

  var processID: Int32? { running?.process.processIdentifier }

  /// `kill -9`.
  func kill() {
    running?.kill()
    running = nil
  }

  /// SIGTERM.
  func stop() -> Programs.Outcome? {
    guard let running else { return nil }
    running.process.terminate()
    defer { self.running = nil }
    return running.outcome()
  }

  func registrationLink() throws -> String {
    let outcome = try Programs.run("sotto-server", ["invite", "--data", data.path], in: scratch)
    guard outcome.status == 0, let link = outcome.lines.first(where: { $0.hasPrefix("sotto://") }) else {
      throw EndToEndError.failed(command: "sotto-server invite", status: outcome.status, errors: outcome.errors)
    }
    return link
  }

  /// Everything that the server has on disk, file by file.
  func storedFiles() throws -> [(name: String, bytes: [UInt8])] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: data.path)
    return names.compactMap { name in
      (try? Data(contentsOf: data.appending(path: name))).map { (name, [UInt8]($0)) }
    }
  }

  /// Everything that crossed the plaintext side of TLS.
  func tappedBytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: tap)) }
}
