import Foundation
import Testing

extension EndToEndTests {
  @Test(.enabled(if: geteuid() == 0, "this is not root: scripts/try-full-disk"))
  func `a server starts on a disk that is full to the last byte, and people receive`() throws { try TriedScript.run("try-full-disk") }
}
