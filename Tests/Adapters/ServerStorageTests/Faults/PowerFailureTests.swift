import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

/// Power failures at hundreds of moments of one life, with its checkpoints: of what was not flushed any sectors are lost, in any
/// order. Then the same for disks that say that they have flushed and have not.
@Suite struct PowerFailureTests {
  private struct Accepted: Sendable {
    let bytes: [UInt8]
    /// How much the disk had done when the client was told.
    let eventCount: Int
  }

  private final class Notes: Sendable {
    private let notes = Mutex<(accepted: [Accepted], firstLie: Int)>(([], .max))

    var all: (accepted: [Accepted], firstLie: Int) { notes.withLock { $0 } }

    func add(_ note: Accepted) { notes.withLock { $0.accepted.append(note) } }

    func beginLying(_ eventCount: Int) { notes.withLock { $0.firstLie = eventCount } }
  }

  /// One life, as the disk saw it.
  private struct Life {
    let server: TemporaryServer
    let disk: FaultyDisk
    let targets: [DeliveryTarget]
    let start: DiskImage
    let accepted: [Accepted]
    /// From which event on the disk lied.
    let firstLie: Int
  }

  private static let writerCount = UInt8(6)

  /// - Parameters:
  ///   - lying: whether the disk begins to lie in the middle.
  ///   - checkpoints: whether the log is cut now and then.
  private func live(lying: Bool, checkpoints: Bool, failingSync: Int? = nil) async throws -> Life {
    let server = try TemporaryServer()
    let disk = try FaultyDisk(server)
    let workload = Workload(random: SeededRandom(seed: 81))
    let store = try server.openStore()
    let targets = [try await workload.target(in: store), try await workload.target(in: store)]
    try await store.truncateLog()
    if !checkpoints { try await store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_autocheckpoint = 0") } }
    let start = DiskImage(database: try server.read("server.sqlite"), log: try server.read("server.sqlite-wal"))
    disk.record()
    let notes = Notes()
    await withTaskGroup { group in
      for writer in 0..<Self.writerCount {
        group.addTask {
          for number in UInt8(0)..<18 {
            if writer == 0, number == 9, lying {
              disk.lie(true)
              notes.beginLying(disk.eventCount)
            }
            let bytes = [writer, number] + [UInt8](repeating: number, count: number.isMultiple(of: 7) ? 9_000 : 500)
            let copies = targets.map { Workload.copy(to: $0, bytes) }
            guard (try? await store.append(copies, today: Workload.today)) == [.accepted, .accepted] else { continue }
            notes.add(Accepted(bytes: bytes, eventCount: disk.eventCount))
            if writer == 1, checkpoints, number.isMultiple(of: 4) {
              if let failingSync, number == 8 { disk.fail(.sync, nth: failingSync, lasts: false, code: 10 | 4 << 8) }
              try? await store.truncateLog()
            }
          }
        }
      }
    }
    let life = Life(
      server: server, disk: disk, targets: targets, start: start, accepted: notes.all.accepted, firstLie: notes.all.firstLie)
    try? store.close()
    return life
  }

  /// What a death leaves, opened; nil where the damage is found and the server refuses to start.
  private func reopen(_ life: Life, database: [UInt8], log: [UInt8]) throws -> (TemporaryServer, SQLiteMailboxStore)? {
    let dead = try TemporaryServer()
    try PrivateFiles.copy(life.server.file("server.keys"), to: dead.file("server.keys"))
    try dead.write(database, to: "server.sqlite")
    try dead.write(log, to: "server.sqlite-wal")
    do throws(ServerStorageError) {
      let veil = try dead.directory.keys(creating: false).veil
      return (dead, try SQLiteMailboxStore(path: dead.directory.databaseFile, veil: veil, checking: true))
    } catch {
      switch error {
      case .databaseDamaged, .notADatabase: return nil
      default: throw error
      }
    }
  }

  /// Goes through a life, and calls `body` with the disk at each of some hundred deaths.
  private func deaths(
    of life: Life, count: Int, seed: UInt64, _ body: (Int, DiskImage, inout Numbers) async throws -> Void
  ) async throws {
    var numbers = Numbers(SeededRandom(seed: seed))
    // Half of them at a client's acceptance, half at any moment.
    let moments = (0..<count).map { death in
      death.isMultiple(of: 2)
        ? life.accepted.randomElement(using: &numbers)?.eventCount ?? 0 : Int.random(in: 0...life.disk.eventCount, using: &numbers)
    }
    var image = life.start
    var done = 0
    for moment in moments.sorted() {
      while done < moment, let event = life.disk.event(done) {
        image.apply(event, &numbers)
        done += 1
      }
      try await body(moment, image, &numbers)
    }
  }

  struct Numbers: RandomNumberGenerator {
    private let source: SeededRandom

    init(_ source: SeededRandom) { self.source = source }

    mutating func next() -> UInt64 { source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
  }

  /// Reads both mailboxes, and puts one more envelope into each.
  private func contents(_ life: Life, _ store: SQLiteMailboxStore) async throws -> [[[UInt8]]] {
    var mailboxes: [[[UInt8]]] = []
    for target in life.targets {
      let mailbox = try await Workload.readAll(target, in: store)
      #expect(Set(mailbox).count == mailbox.count, "nothing is there twice")
      mailboxes.append(mailbox)
    }
    return mailboxes
  }

  @Test(arguments: [nil, 2] as [Int?])
  func `at any of 100 power failures nothing accepted is lost, also after a flush that failed`(failingSync: Int?) async throws {
    let life = try await live(lying: false, checkpoints: true, failingSync: failingSync)
    #expect(failingSync != nil || life.accepted.count == 108)
    #expect(life.accepted.count > 30)
    try await deaths(of: life, count: 100, seed: 82) { moment, image, numbers in
      let files = (image.survivors(.database, &numbers), image.survivors(.log, &numbers))
      let (dead, store) = try #require(try reopen(life, database: files.0, log: files.1), "event \(moment)")
      defer { withExtendedLifetime(dead) {} }
      let mailboxes = try await contents(life, store)
      #expect(Set(mailboxes[0]) == Set(mailboxes[1]))
      let told = Set(life.accepted.filter { $0.eventCount <= moment }.map(\.bytes))
      #expect(told.isSubset(of: mailboxes[0]), "event \(moment)")
      #expect(try await store.append([Workload.copy(to: life.targets[0], [255])], today: Workload.today) == [.accepted])
      try store.close()
    }
  }

  @Test func `whatever was written last, flushed or not, what was accepted by then is there`() async throws {
    let life = try await live(lying: true, checkpoints: true)
    try await deaths(of: life, count: 40, seed: 83) { moment, image, _ in
      // All that was written up to some moment is there, flushed or not.
      let files = (image.everything(.database), image.everything(.log))
      let (dead, store) = try #require(try reopen(life, database: files.0, log: files.1))
      defer { withExtendedLifetime(dead) {} }
      let mailboxes = try await contents(life, store)
      #expect(Set(mailboxes[0]) == Set(mailboxes[1]))
      let told = Set(life.accepted.filter { $0.eventCount <= moment }.map(\.bytes))
      #expect(told.isSubset(of: mailboxes[0]), "event \(moment)")
      try store.close()
    }
  }

  @Test func `between two checkpoints a lying disk loses the end of the log, whatever sectors it lost`() async throws {
    let life = try await live(lying: true, checkpoints: false)
    var lost = 0
    try await deaths(of: life, count: 80, seed: 84) { moment, image, numbers in
      let files = (image.survivors(.database, &numbers), image.survivors(.log, &numbers))
      let (dead, store) = try #require(try reopen(life, database: files.0, log: files.1))
      defer { withExtendedLifetime(dead) {} }
      let mailboxes = try await contents(life, store)
      #expect(Set(mailboxes[0]) == Set(mailboxes[1]))
      let before = Set(life.accepted.filter { $0.eventCount <= min(moment, life.firstLie) }.map(\.bytes))
      #expect(before.isSubset(of: mailboxes[0]), "event \(moment)")
      // Each writer waited for an answer: what it has is a beginning.
      for writer in 0..<Self.writerCount {
        let numbers = mailboxes[0].filter { $0[0] == writer }.map { Int($0[1]) }
        #expect(numbers == Array(0..<numbers.count))
      }
      lost += Set(life.accepted.filter { $0.eventCount <= moment }.map(\.bytes)).subtracting(mailboxes[0]).count
      #expect(try await store.append([Workload.copy(to: life.targets[0], [255])], today: Workload.today) == [.accepted])
      try store.close()
    }
    #expect(lost > 0, "something was lost")
  }

  @Test func `over a checkpoint a lying disk can damage the database, which is found, or lose pages, which invents nothing`() async throws {
    let life = try await live(lying: true, checkpoints: true)
    let written = Set((0..<Self.writerCount).flatMap { writer in (UInt8(0)..<18).map { [writer, $0] } })
    var (refused, losses, whole) = (0, 0, 0)
    try await deaths(of: life, count: 100, seed: 85) { moment, image, numbers in
      let files = (image.survivors(.database, &numbers), image.survivors(.log, &numbers))
      guard let (dead, store) = try reopen(life, database: files.0, log: files.1) else {
        #expect(moment > life.firstLie, "an honest disk does no such damage")
        refused += 1
        return
      }
      defer { withExtendedLifetime(dead) {} }
      let mailboxes = try await contents(life, store)
      for mailbox in mailboxes { #expect(written.isSuperset(of: mailbox.map { Array($0.prefix(2)) })) }
      let told = Set(life.accepted.filter { $0.eventCount <= moment }.map(\.bytes))
      if mailboxes.allSatisfy({ told.isSubset(of: $0) }) { whole += 1 } else { losses += 1 }
      #expect(moment > life.firstLie || losses == 0)
      // What a lie has left is used by nobody unawares: a write is taken whole, or refused.
      let answer = try? await store.append([Workload.copy(to: life.targets[0], [255])], today: Workload.today)
      if answer == [.accepted] { #expect(try await Workload.readAll(life.targets[0], in: store).contains([255])) }
      try? store.close()
    }
    print("a lying disk: of 100 deaths \(whole) lost nothing, \(losses) lost envelopes, \(refused) were refused at the start")
    #expect(refused + losses > 0, "a disk that lies over a checkpoint does harm")
  }
}
