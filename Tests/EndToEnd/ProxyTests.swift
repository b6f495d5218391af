import Foundation
import Testing

extension EndToEndTests {
  @Test(.enabled(if: Tools.has("/usr/sbin/nginx") && geteuid() == 0, "nginx is not installed, or this is not root: scripts/try-proxy"))
  func `people talk through a proxy that passes TLS on, and through one that does TLS itself`() throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../scripts/try-proxy").standardized
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
    // 77: something else that it needs is not installed, as its words say.
    #expect([0, 77].contains(process.terminationStatus), "\(Programs.text(output))\n\(Programs.text(errors))")
    if process.terminationStatus == 77 { print(Programs.text(errors)) }
  }
}
