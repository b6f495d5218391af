import Foundation
import MailboxServer
import SottoProtocol
import Testing

@testable import SottoServer

@Suite struct ServedKeysTests {
  private func material() throws -> TLSMaterial {
    let file = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString).pem")
    defer { try? FileManager.default.removeItem(at: file) }
    return try TLSMaterial.make(file: file.path)
  }

  @Test func `a former key is vouched for during seven days, and the one that is served comes first`() throws {
    let (first, second) = (try material(), try material())
    let keys = try ServedKeys(first, behindProxy: nil)
    #expect(keys.hashes(now: 1_000).map(\.bytes) == [first.leafSPKIHash])
    try keys.serve(second, now: 1_000)
    #expect(keys.hashes(now: 1_000).map(\.bytes) == [second.leafSPKIHash, first.leafSPKIHash])
    #expect(keys.hashes(now: 1_000 + 7 * 86_400 - 1).count == 2)
    #expect(keys.hashes(now: 1_000 + 7 * 86_400).map(\.bytes) == [second.leafSPKIHash])
    try keys.serve(first, now: 700_000)
    try keys.serve(second, now: 700_001)
    #expect(keys.hashes(now: 700_001).map(\.bytes) == [second.leafSPKIHash, first.leafSPKIHash])
  }

  @Test func `a statement names no more keys than it may, however often they change`() throws {
    let keys = try ServedKeys(try material(), behindProxy: nil)
    var last = keys.material
    for _ in 0..<10 {
      last = try material()
      try keys.serve(last, now: 1)
    }
    let hashes = keys.hashes(now: 1)
    #expect(hashes.count == 8 && hashes.first?.bytes == last?.leafSPKIHash)
  }

  @Test func `a histogram counts each value once, in the first range that holds it`() {
    var histogram = Histogram(bounds: [1, 5])
    for value in [0.5, 1, 3, 9] { histogram.add(value) }
    #expect(
      histogram.lines("m") == [
        "m_bucket{le=\"1.0\"} 2", "m_bucket{le=\"5.0\"} 3", "m_bucket{le=\"+Inf\"} 4", "m_sum 13.5", "m_count 4",
      ])
  }
}
