import CryptoSuite
import Foundation
import SottoProtocol
import WireFormat

/// The process of a `BenchServer`.
final class ServerProcess {
  let server: ServerUnderTest
  private let process: Process
  private let input: Pipe
  private let folder: URL

  init(mailboxCount: Int, isLimited: Bool = false) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "sotto-bench-\(UInt64.random(in: 0...UInt64.max))")
    process = Process()
    input = Pipe()
    let output = Pipe()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [BenchServer.flag, folder.path, "\(mailboxCount)", isLimited ? "limited" : "open"]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      let part = output.fileHandleForReading.availableData
      guard !part.isEmpty else { throw BenchmarkError.refused }
      line += part
    }
    server = ServerUnderTest(
      announcement: try JSONDecoder().decode(BenchServer.Announcement.self, from: line), pid: process.processIdentifier)
  }

  func stop() {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: folder)
  }
}

/// A running server, and what the system says of its process.
struct ServerUnderTest: Sendable {
  let announcement: BenchServer.Announcement
  let pid: Int32

  var port: Int { announcement.port }

  /// Processor time of the server, in nanoseconds: user and system, in the system's ticks of 10 ms.
  func cpu() -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) * 1e9 / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Memory of the server that is in use, in KiB.
  func residentKibibytes() -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return line.flatMap { Double($0.split(separator: " ", omittingEmptySubsequences: true).dropFirst().first ?? "") } ?? 0
  }

  func recipient(_ index: Int) -> Recipient? {
    let mailbox = announcement.mailboxes[index % announcement.mailboxes.count]
    guard let id = MailboxID(mailbox.mailbox), let key = Permission(mailbox.deliveryKey) else { return nil }
    return Recipient(mailbox: id, deliveryKey: key)
  }

  /// Opens a stream and attaches to one of the mailboxes.
  func attach(_ index: Int) async throws -> BenchClient {
    let mailbox = announcement.mailboxes[index % announcement.mailboxes.count]
    let client = try await BenchClient.connect(port: port)
    try await client.upgrade()
    guard let hello = try await client.message(), case .hello(let key, let nonce) = try ServerMessage(decoding: hello),
      let id = MailboxID(mailbox.mailbox)
    else { throw BenchmarkError.refused }
    let owner = try SigningKey(.ed25519, privateKey: Secret(mailbox.ownerSeed))
    let content = OwnerMessage.attachContent(serverKey: key, nonce: nonce, mailbox: id)
    guard let signature = Signature64(try owner.sign(content)) else { throw BenchmarkError.refused }
    client.sendMessage(OwnerMessage.attach(mailbox: id, signature: signature).encoded)
    guard let attached = try await client.message(), case .attached = try ServerMessage(decoding: attached) else {
      throw BenchmarkError.refused
    }
    return client
  }
}
