import CryptoSuite
import Dispatch
import Foundation
import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization
import Testing

@testable import MailboxEngine
@testable import SottoServer

/// Reports of strangers, and the disk that they are written to.
@Suite struct ReportDeskTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)").path

  /// A disk that lets nobody on until it is opened.
  private final class HeldDisk: Sendable {
    private let gate = DispatchSemaphore(value: 0)
    private let usedByTask = Mutex(false)

    /// Whether a thread of Swift's pool came to wait.
    var wasUsedByTask: Bool { usedByTask.withLock { $0 } }

    func wait() {
      // `unsafe`: the task is not kept.
      let isTask = unsafe withUnsafeCurrentTask { unsafe $0 != nil }
      if isTask { usedByTask.withLock { $0 = true } } else { gate.wait() }
    }

    func open(_ count: Int) { for _ in 0..<count { gate.signal() } }
  }

  private func makeDesk(_ disk: HeldDisk, refused: @escaping @Sendable () -> Void = {}) throws -> (desk: ReportDesk, box: ReportBox) {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let directory = ServerDirectory(path)
    let secrets = try directory.keys(creating: true).secrets()
    try directory.reports.start(publicKey: SealedReport.key(Secret(randomByteCount: 32)).publicKey)
    let desk = ReportDesk(
      box: directory.reports, identity: secrets.identity, clock: SystemClock(), willUseDisk: { disk.wait() }, refused: refused)
    return (desk, directory.reports)
  }

  @Test(.timeLimit(.minutes(10)))
  func `reports that wait for the disk hold up no thread of others, and are bounded`() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let disk = HeldDisk()
    let refusedCount = Mutex(0)
    let (desk, box) = try makeDesk(disk) { refusedCount.withLock { $0 += 1 } }
    try await withThrowingTaskGroup(of: CallAnswer.self) { group in
      for number in 0...ReportDesk.waitingLimit { group.addTask { await desk.take([UInt8(number) + 1]) } }
      // All others wait; that this one is heard of at all says that the pool goes on.
      #expect(try await group.next() == .busy)
      #expect(refusedCount.withLock { $0 } == 1)
      #expect(try box.folder.list().isEmpty)
      disk.open(ReportDesk.waitingLimit)
      for try await answer in group {
        guard case .reply = answer else {
          Issue.record("\(answer)")
          continue
        }
      }
    }
    #expect(!disk.wasUsedByTask)
    #expect(try box.folder.list().count == ReportDesk.waitingLimit)
    // Who has left makes room for the next.
    disk.open(1)
    guard case .reply = await desk.take([1]) else {
      Issue.record("there is room again")
      return
    }
  }
}
