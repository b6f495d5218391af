import Foundation
import MailboxEngine
import ServerStorage
import Testing

@testable import SottoServer

@Suite struct ServerStatusTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)").path

  @Test func `the status says when what the cells take becomes free`() throws {
    // 24 December 2026, in the afternoon.
    let today = Day(number: 20_811)
    let now = UInt64(today.number) * 86_400 + 50_000
    var status = ServerStatus(ServerDirectory(path), now: now)
    #expect(!status.lines(now: now).contains { $0.hasPrefix("expiring") }, "nothing is known of a server that does not run")
    let days: [UInt32] = [0, 7, 8, 14, 15, 30]
    status.cellBytes = ServerStatus.byDate(
      Dictionary(uniqueKeysWithValues: days.enumerated().map { (today.adding($0.element), 1 << (20 + $0.offset)) }))
    #expect(status.cellBytes?["2026-12-24"] == 1 << 20)
    #expect(status.cellBytes?["2027-01-23"] == 32 << 20)
    #expect(
      status.lines(now: now).contains { $0.hasSuffix("3 MiB of cells within a week, 12 MiB in the next, 48 MiB later") })
  }
}
