import Foundation
import Synchronization
import Testing

@testable import SottoServer

@Suite struct ServerLogTests {
  @Test func `a line is text of the source and numbers, and only up to the level`() {
    let lines = Mutex<[String]>([])
    let log = ServerLog(level: .info) { line in lines.withLock { $0.append(line) } }
    log.info("rows were deleted", ("rows", .count(3)), ("time", .milliseconds(12)), ("error", .code(28)), ("kind", .word("expiry")))
    log.debug("not at this level")
    log.level = .error
    log.warning("nor this one now")
    #expect(lines.withLock { $0 } == ["info: rows were deleted rows=3 time=12ms error=28 kind=expiry"])
  }

  @Test(.enabled(if: compiler != nil, "there is no swiftc on the PATH"))
  func `nothing that came from outside can be given to the log: it does not compile`() throws {
    let call = "let log = ServerLog(level: .trace) { _ in }\nlet outside = String(readLine() ?? \"\")\nlet number = outside.count\n"
    #expect(try compiles(call + "log.trace(\"calls\", (\"count\", .count(number)))"), "else the refusals below would show nothing")
    for leak in [
      "log.trace(outside)", "log.trace(\"from \\(outside)\")", "log.trace(\"from\", (\"who\", outside))",
      "log.trace(\"from\", (\"who\", .word(outside)))", "log.trace(\"from\", (outside, .count(1)))",
      "log.trace(\"from\", (\"who\", .count(outside)))",
    ] { #expect(try !compiles(call + leak), "\(leak)") }
  }

  private static let compiler = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":").map { "\($0)/swiftc" }
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  /// Whether the compiler takes this as a program beside the log's own source.
  private func compiles(_ program: String) throws -> Bool {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let main = folder.appending(path: "main.swift")
    try Data(program.utf8).write(to: main)
    let source = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Sources/Products/sotto-server/Operations/ServerLog.swift").standardized
    let process = Process()
    process.executableURL = URL(filePath: try #require(Self.compiler))
    process.arguments = ["-typecheck", "-swift-version", "6", source.path, main.path]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
