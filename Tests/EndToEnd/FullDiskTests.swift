import Foundation
import Testing

extension EndToEndTests {
  @Test(.enabled(if: geteuid() == 0, "this is not root: scripts/try-full-disk"))
  func `a server starts on a disk that is full to the last byte, and people receive`() throws { try TriedScript.run("try-full-disk") }

  @Test(.enabled(if: geteuid() == 0, "this is not root: scripts/try-quota"))
  func `under a quota of the file system that is used up a server starts and goes on, and people receive`() throws {
    try TriedScript.run("try-quota")
  }
}
