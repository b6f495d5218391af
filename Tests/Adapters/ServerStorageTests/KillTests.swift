import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// A process that writes is killed at a given point, without any warning. What it had answered for, and noted in a file,
/// must be in the database; what it had not may be there, wholly or not at all.
@Suite(.serialized) struct KillTests {
  enum Moment: String, Codable, CaseIterable, Sendable { case statement, beforeCommit, afterCommit }

  struct Case: Sendable, CustomTestStringConvertible {
    let moment: Moment
    let count: Int
    var testDescription: String { "\(moment) \(count)" }
    static let all =
      [7, 40, 133, 402, 1_001].map { Case(moment: .statement, count: $0) }
      + [1, 2, 5, 9].flatMap { [Case(moment: .beforeCommit, count: $0), Case(moment: .afterCommit, count: $0)] }
  }

  private static let writerCount = UInt8(12)

  @Test(arguments: Case.all)
  func `what was accepted before kill -9 is there when the database is opened again`(_ test: Case) async throws {
    let server = try TemporaryServer()
    let workload = Workload(random: SeededRandom(seed: 21))
    let store = try server.openStore()
    let targets = [try await workload.target(in: store), try await workload.target(in: store)]
    let log = try await workload.log(in: store)
    try store.close()
    let names =
      (targets.flatMap { [$0.mailbox.name, Self.key(of: $0.mailbox), $0.deliveryKey] } + [
        log.place.name, Self.key(of: log.place), log.writeKey,
      ])
      .map(\.bytes)

    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = server.path as String, names = names as [[UInt8]], moment = test.moment as Moment, count = test.count as Int] in
      try await KillTests.write(path: path, names: names.map(StoredName.init(trusted:)), dying: moment, count: count)
    }

    let reopened = try server.openStore(checking: true)
    let accepted = try server.read("accepted")
    #expect(accepted.count.isMultiple(of: 2))
    let pairs = stride(from: 0, to: accepted.count, by: 2).map { Array(accepted[$0..<$0 + 2]) }
    let mailboxes = [
      try await Workload.readAll(targets[0], in: reopened), try await Workload.readAll(targets[1], in: reopened),
    ]
    // Every transaction writes to both mailboxes, and in the same order within each writer.
    #expect(Set(mailboxes[0]) == Set(mailboxes[1]))
    for mailbox in mailboxes {
      #expect(Set(mailbox).count == mailbox.count)
      #expect(Set(pairs).isSubset(of: Set(mailbox)))
      for writer in 0..<Self.writerCount {
        let numbers = mailbox.filter { $0[0] == writer }.map { Int($0[1]) }
        #expect(numbers == Array(0..<numbers.count))
      }
    }
    // Writer 0 appends to the log: its entries are there exactly with their copies.
    let entries = try await reopened.readLog(
      log.place, from: 0, page: PageLimit(count: 1_000, byteCount: 1 << 20), today: Workload.today)
    #expect(entries?.entries.map(\.frame) == mailboxes[0].filter { $0[0] == 0 })
    #expect(entries.map { Int($0.nextSlot) } == entries?.entries.count)
    #expect(try await reopened.append(targets.map { Workload.copy(to: $0, [255, 0]) }, today: Workload.today) == [.accepted, .accepted])
  }

  private static func key(of place: StoredPlace) -> StoredName { StoredName(trusted: place.key.exposedBytes) }

  private static func place(_ names: [StoredName], _ index: Int) -> StoredPlace {
    StoredPlace(name: names[index], key: Secret(names[index + 1].bytes))
  }

  /// Runs in a process of its own, until it is killed.
  private static func write(path: String, names: [StoredName], dying moment: Moment, count: Int) async throws {
    let store = try ServerDirectory(path).openStore(creating: false, checking: false)
    let targets = [
      DeliveryTarget(mailbox: place(names, 0), deliveryKey: names[2]), DeliveryTarget(mailbox: place(names, 3), deliveryKey: names[5]),
    ]
    let death = Death(moment: moment, count: count)
    store.pool.add(transactionObserver: death, extent: .databaseLifetime)
    try await store.pool.writeWithoutTransaction { db in
      if moment == .statement { db.trace { _ in death.approach() } }
    }
    try Data().write(to: URL(filePath: "\(path)/accepted"))
    let accepted = AcceptLog(try FileHandle(forWritingTo: URL(filePath: "\(path)/accepted")))
    try await withThrowingTaskGroup { group in
      for writer in 0..<writerCount {
        group.addTask {
          for number in UInt8(0)..<250 {
            let copies = targets.map { Workload.copy(to: $0, [writer, number]) }
            if writer == 0 {
              let append = StoredAppend(
                log: place(names, 6), slot: UInt64(number), writeKey: names[8], entry: [writer, number],
                expires: Workload.expires, rotation: nil, groupInfo: [number], copies: copies)
              guard case .appended([.accepted, .accepted]) = try await store.append(append, today: Workload.today) else { exit(1) }
            } else {
              guard try await store.append(copies, today: Workload.today) == [.accepted, .accepted] else { exit(1) }
            }
            accepted.note([writer, number])
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// The file outlives the process: the system has what was written.
  private final class AcceptLog: Sendable {
    private let file: Mutex<FileHandle>

    init(_ file: sending FileHandle) { self.file = Mutex(file) }

    func note(_ bytes: [UInt8]) { file.withLock { $0.write(Data(bytes)) } }
  }

  private final class Death: TransactionObserver, Sendable {
    private let moment: Moment
    private let rest: Mutex<Int>

    init(moment: Moment, count: Int) {
      self.moment = moment
      rest = Mutex(count)
    }

    func approach() {
      let isNow = rest.withLock { rest in
        rest -= 1
        return rest == 0
      }
      if isNow { kill(getpid(), SIGKILL) }
    }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseWillCommit() { if moment == .beforeCommit { approach() } }
    func databaseDidCommit(_ db: Database) { if moment == .afterCommit { approach() } }
    func databaseDidRollback(_ db: Database) {}
  }
}
