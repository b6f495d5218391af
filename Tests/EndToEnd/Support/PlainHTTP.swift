import Foundation
import MailboxClient
import SottoProtocol
import Testing

/// Programs of the system that some tests need; without one they say so and do not run.
enum Tools {
  static let curl = "/usr/bin/curl"
  static let openssl = "/usr/bin/openssl"

  static func has(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }
}

/// One request of a test's own.
enum PlainRequest {
  case get(String)
  case post(String, [UInt8])
}

extension OperatedServer {
  /// Sends a request with curl, which trusts whatever answers: what is tested is the server.
  func exchange(_ request: PlainRequest, scheme: String = "https") async throws -> (status: Int, body: [UInt8]) {
    switch request {
    case .get(let path): try curl(["\(scheme)://127.0.0.1:\(port)\(path)"], input: [])
    case .post(let path, let body): try curl(["--data-binary", "@-", "\(scheme)://127.0.0.1:\(port)\(path)"], input: body)
    }
  }

  /// The key that it shows in a handshake.
  func shownKey() async throws -> [UInt8] {
    try await ServerConnection.fetchIdentityStatement(host: "127.0.0.1", port: port).leafSPKIHash
  }

  /// The keys that its identity vouches for.
  func vouchedKeys() async throws -> [[UInt8]] {
    let link = try RegistrationLink(try registrationLink())
    let answer = try await ServerConnection.fetchIdentityStatement(host: "127.0.0.1", port: port)
    return try IdentityStatement(
      verifying: answer.statement, serverKey: link.server.serverKey, now: UInt64(Date().timeIntervalSince1970), lastSequence: 0
    ).keyHashes.map(\.bytes)
  }
}

func plainGet(_ path: String, port: Int) async throws -> [UInt8] {
  let answer = try curl(["http://127.0.0.1:\(port)\(path)"], input: [])
  try #require(answer.status == 200)
  return answer.body
}

private func curl(_ arguments: [String], input: [UInt8]) throws -> (status: Int, body: [UInt8]) {
  let scratch = try Scratch()
  let (body, sent) = (scratch.url.appending(path: "body"), scratch.url.appending(path: "sent"))
  try Data(input).write(to: sent)
  try Data().write(to: body)
  let process = Process()
  process.executableURL = URL(filePath: Tools.curl)
  process.arguments = ["--silent", "--insecure", "--output", body.path, "--write-out", "%{http_code}"] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardInput = try FileHandle(forReadingFrom: sent)
  try process.run()
  let status = try output.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  return (Int(String(decoding: status, as: UTF8.self)) ?? 0, [UInt8](try Data(contentsOf: body)))
}
