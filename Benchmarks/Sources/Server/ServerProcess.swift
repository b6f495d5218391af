import CryptoSuite
import Foundation
import SottoProtocol
import WireFormat

/// `sotto-server` itself, as a process of its own: so its processor time and its memory are nobody else's.
final class ServerProcess {
  let server: ServerUnderTest
  private let child: ChildProcess
  private let directory: String

  /// Ends the server when standard input ends, which it does however this program ends.
  private static let script = """
    "$0" "$@" 2>/dev/null & echo $!; cat >/dev/null; kill -TERM $!; wait $!
    """

  /// Starts a server on a copy of a world's directory.
  ///
  /// - Parameter settings: `name=value`, as `sotto-server config sample` explains them.
  init(world: ServerWorld, settings: [String] = []) throws {
    directory = world.directory + "-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.copyItem(atPath: world.directory, toPath: directory)
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "sotto-server").path
    child = try ChildProcess(
      "/bin/sh",
      ["-c", Self.script, program, "serve", "--data", directory, "--listen", "127.0.0.1:0"]
        + settings.flatMap { ["--set", $0] })
    guard let pid = Int32(try child.readLine()),
      let port = try child.readLine().split(separator: ":").last.flatMap({ Int($0) })
    else { throw BenchmarkError.refused }
    server = ServerUnderTest(world: world, pid: pid, port: port)
  }

  func stop() {
    child.stop()
    try? FileManager.default.removeItem(atPath: directory)
  }
}

/// A child that says something in lines, and ends when its standard input does.
final class ChildProcess {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private var rest = Data()

  init(_ path: String, _ arguments: [String]) throws {
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  func readLine() throws -> String {
    while true {
      if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest = Data(rest[(end + 1)...]) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      let part = output.fileHandleForReading.availableData
      guard !part.isEmpty else { throw BenchmarkError.refused }
      rest += part
    }
  }

  /// Asks for the end; what is still said can be read.
  func endInput() { try? input.fileHandleForWriting.close() }

  func stop() {
    endInput()
    process.waitUntilExit()
  }
}

/// A running server, and what the system says of its process.
struct ServerUnderTest: Sendable {
  let world: ServerWorld
  let pid: Int32
  let port: Int

  /// Processor time of the server, in nanoseconds: user and system, in the system's ticks of 10 ms.
  func cpu() -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) * 1e9 / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Memory of its own that the server has in use, without what it shares with files; in MiB.
  func mebibytes() -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
    return (line.flatMap { Double($0.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "") } ?? 0) / 1_024
  }

  func connect(_ address: String? = nil) async throws -> BenchClient { try await BenchClient.connect(port: port, from: address) }

  /// Opens a stream and attaches to one of the mailboxes.
  func attach(_ index: Int, from address: String? = nil, to client: BenchClient? = nil) async throws -> BenchClient {
    var client = client
    if client == nil { client = try await connect(address) }
    guard let client else { throw BenchmarkError.refused }
    try await client.upgrade()
    let mailbox = try world.recipient(index).mailbox
    client.sendMessage(
      try await attachMessage(client, mailbox) { try world.owner(index).sign($0) })
    guard let attached = try await client.message(), case .attached = try ServerMessage(decoding: attached) else {
      throw BenchmarkError.refused
    }
    return client
  }

  /// Waits for the greeting, and answers it.
  func attachMessage(_ client: BenchClient, _ mailbox: MailboxID, sign: ([UInt8]) throws -> [UInt8]) async throws -> [UInt8] {
    guard let hello = try await client.message(), case .hello(let key, let nonce) = try ServerMessage(decoding: hello),
      let signature = Signature64(try sign(OwnerMessage.attachContent(serverKey: key, nonce: nonce, mailbox: mailbox)))
    else { throw BenchmarkError.refused }
    return OwnerMessage.attach(mailbox: mailbox, signature: signature).encoded
  }
}

/// Addresses of this machine beside 127.0.0.1, so that the server sees many peers.
enum Loopback {
  /// - Parameter group: 1 to 200; the addresses of two groups differ.
  static func address(_ group: Int, _ index: Int) -> String { "127.\(group).\(index / 250 % 250).\(1 + index % 250)" }
}
