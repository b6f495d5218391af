import Foundation
import Testing

extension EndToEndTests {
  @Test(.enabled(if: geteuid() == 0, "this is not root: scripts/try-full-disk"))
  func `a server starts on a disk that is full to the last byte, and people receive`() throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../scripts/try-full-disk").standardized
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
    // 77: there is no mount namespace here, as its words say.
    #expect([0, 77].contains(process.terminationStatus), "\(Programs.text(output))\n\(Programs.text(errors))")
    if process.terminationStatus == 77 { print(Programs.text(output)) }
  }
}
