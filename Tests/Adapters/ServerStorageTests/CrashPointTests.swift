import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// A process that is killed leaves the files as they are at that moment; between two checkpoints the write-ahead log only grows.
/// So each beginning of the log, cut at any byte, is what `kill -9` at some moment leaves, or a power failure under a disk that
/// lies about flushes: hundreds of deaths for one life. `KillTests` dies for real.
@Suite struct CrashPointTests {
  private struct Accepted: Sendable {
    let bytes: [UInt8]
    /// The length of the log when the client was told.
    let logByteCount: Int
  }

  /// What clients were told, in the order in which they were.
  private final class Notes: Sendable {
    private let notes = Mutex<[Accepted]>([])

    var all: [Accepted] { notes.withLock { $0 } }

    func add(_ note: Accepted) { notes.withLock { $0.append(note) } }
  }

  @Test func `at any of 300 deaths nothing accepted is lost, nothing is there twice, and the database verifies`() async throws {
    let seed: UInt64 = 17
    let server = try TemporaryServer()
    let workload = Workload(random: SeededRandom(seed: seed))
    let store = try server.openStore()
    let targets = [try await workload.target(in: store), try await workload.target(in: store)]
    let log = try await workload.log(in: store)
    try await store.truncateLog()
    try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
    let database = try server.read("server.sqlite")

    let accepted = Notes()
    let logFile = server.file("server.sqlite-wal")
    try await withThrowingTaskGroup { group in
      for writer in UInt8(0)..<8 {
        group.addTask {
          for number in UInt8(0)..<20 {
            let bytes = [writer, number] + [UInt8](repeating: number, count: number.isMultiple(of: 7) ? 9_000 : 500)
            let copies = targets.map { Workload.copy(to: $0, bytes) }
            if writer == 0 {
              let append = StoredAppend(
                log: log.place, slot: UInt64(number), writeKey: log.writeKey, entry: bytes, expires: Workload.expires, rotation: nil,
                groupInfo: bytes, copies: copies)
              #expect(try await store.append(append, today: Workload.today) == .appended([.accepted, .accepted]))
            } else {
              #expect(try await store.append(copies, today: Workload.today) == [.accepted, .accepted])
            }
            let size = try FileManager.default.attributesOfItem(atPath: logFile)[.size] as? Int ?? 0
            accepted.add(Accepted(bytes: bytes, logByteCount: size))
          }
        }
      }
      try await group.waitForAll()
    }
    let whole = try server.read("server.sqlite-wal")
    let notes = accepted.all
    #expect(notes.count == 160 && whole.count > 1 << 20)
    var numbers = SourceNumbers(workload.random)
    for death in 0..<300 {
      // Half of them at a client's acceptance, half at any byte.
      let byteCount =
        death.isMultiple(of: 2) ? notes.randomElement(using: &numbers)?.logByteCount ?? 0 : Int.random(in: 0...whole.count, using: &numbers)
      let dead = try TemporaryServer()
      try dead.write(server.read("server.keys"), to: "server.keys")
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: dead.file("server.keys"))
      try dead.write(database, to: "server.sqlite")
      try dead.write(Array(whole.prefix(byteCount)), to: "server.sqlite-wal")
      let reopened = try dead.openStore(checking: true)
      let mailboxes = [try await Workload.readAll(targets[0], in: reopened), try await Workload.readAll(targets[1], in: reopened)]
      #expect(mailboxes[0] == mailboxes[1] || Set(mailboxes[0]) == Set(mailboxes[1]), "seed \(seed), \(byteCount) bytes")
      #expect(Set(mailboxes[0]).count == mailboxes[0].count)
      #expect(
        Set(notes.filter { $0.logByteCount <= byteCount }.map(\.bytes)).isSubset(of: mailboxes[0]), "seed \(seed), \(byteCount) bytes")
      let entries = try await reopened.readLog(
        log.place, from: 0, page: PageLimit(count: 1_000, byteCount: 1 << 24), today: Workload.today)
      #expect(entries?.entries.map(\.frame) == mailboxes[0].filter { $0[0] == 0 })
      #expect(try await reopened.append([Workload.copy(to: targets[0], [255])], today: Workload.today) == [.accepted])
      #expect(try await Workload.readAll(targets[0], in: reopened).last == [255])
      try reopened.close()
    }
    try store.close()
  }
}

private struct SourceNumbers: RandomNumberGenerator {
  private let source: SeededRandom

  init(_ source: SeededRandom) { self.source = source }

  mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
