import Foundation
import Testing

extension EndToEndTests {
  @Test(.enabled(if: Tools.has("/usr/sbin/nginx") && geteuid() == 0, "nginx is not installed, or this is not root: scripts/try-proxy"))
  func `people talk through a proxy that passes TLS on, and through one that does TLS itself`() throws { try TriedScript.run("try-proxy") }
}
