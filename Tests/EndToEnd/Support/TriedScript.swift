import Foundation
import Testing

/// A script of `scripts/` that tries the programs in surroundings that it makes itself.
enum TriedScript {
  /// Runs it to its end: 0 says that all holds, and 77 that it cannot be tried here, which is said in plain sight.
  static func run(_ name: String) throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../scripts/\(name)").standardized
    let scratch = try Scratch()
    let (output, errors) = (scratch.url.appending(path: "out"), scratch.url.appending(path: "err"))
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = script
    process.arguments = [try Programs.url("sotto-server").deletingLastPathComponent().path]
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    let words = "\(Programs.text(output))\n\(Programs.text(errors))"
    #expect([0, 77].contains(process.terminationStatus), "\(words)")
    // `scripts/test` lists such lines at its end.
    if process.terminationStatus == 77 { print("NOT TRIED: scripts/\(name): \(words.split(separator: "\n").first ?? "")") }
  }
}
