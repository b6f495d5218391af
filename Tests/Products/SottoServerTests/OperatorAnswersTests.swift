import Foundation
import GRDB
import MailboxServer
import SottoProtocol
import Synchronization
import Testing

@testable import MailboxEngine
@testable import ServerStorage
@testable import SottoServer

@Suite struct OperatorAnswersTests {
  /// Has each commit fail as a disk does whose flush did not succeed.
  private final class FailingDisk: TransactionObserver {
    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseWillCommit() throws { throw DatabaseError(resultCode: .SQLITE_IOERR) }
    func databaseDidCommit(_ db: Database) {}
    func databaseDidRollback(_ db: Database) {}
  }

  private final class Stage: Sendable {
    private let value = Mutex(MailboxServer.Phase.starting)
    var phase: MailboxServer.Phase {
      get { value.withLock { $0 } }
      set { value.withLock { $0 = newValue } }
    }
  }

  @Test func `a server whose disk has failed lives and is not ready, and its status says why`() async throws {
    // Short: the path of a socket has at most some hundred bytes.
    let path = "/tmp/sotto-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let directory = ServerDirectory(path)
    let store = try directory.openStore(creating: true, checking: true)
    let stage = Stage()
    let answers = OperatorAnswers(
      directory: directory, store: store, rows: RowCounter { nil }, metrics: ServerMetrics(),
      keys: try ServedKeys(nil, behindProxy: nil), clock: SystemClock(), startedAt: 0, hasSecurityText: { true }, phase: { stage.phase })
    let port = OperatorPort(answers: answers.answer)
    try await port.listen(socket: directory.socketFile)
    func fetch(_ path: String) async throws -> String {
      String(decoding: try await OperatorPort.fetch(path, socket: directory.socketFile), as: UTF8.self)
    }
    #expect(try await fetch("/healthz") == "ok\n")
    for (phase, text) in [(MailboxServer.Phase.starting, "starting\n"), (.stopping, "stopping\n")] {
      stage.phase = phase
      let answer = try #require(await answers.answer("/readyz", to: .anybodyHere))
      #expect(answer.status == 503 && answer.body == Array(text.utf8))
    }
    stage.phase = .serving
    #expect(try await fetch("/readyz") == "ready\n")
    #expect(await answers.answer("/elsewhere", to: .owner) == nil)
    #expect(await answers.answer("/status", to: .anybodyHere) == nil, "it names the address and the key")

    store.pool.add(transactionObserver: FailingDisk(), extent: .databaseLifetime)
    await #expect(throws: StoreFailure.outcomeUnknown) {
      try await store.addVouchers([StoredName(trusted: [UInt8](repeating: 1, count: 32))], expires: Day(number: 9))
    }
    #expect(try await fetch("/healthz") == "ok\n")
    let ready = try #require(await answers.answer("/readyz", to: .anybodyHere))
    #expect(ready.status == 503 && ready.body == Array("the disk has failed\n".utf8))
    await #expect(throws: MailboxServerError.self) { try await fetch("/readyz") }
    #expect(try await fetch("/status").contains("the disk has failed; nothing is written any more"))
    await port.close()
    try store.close()
  }
}
