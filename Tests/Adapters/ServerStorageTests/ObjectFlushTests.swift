import MailboxEngine
import SottoProtocol
import Synchronization
import SystemFiles
import Testing

@testable import ServerStorage

/// What counts of an object's file on a disk that does not always flush.
@Suite struct ObjectFlushTests {
  /// A disk of which some flushes fail.
  private final class Disk: Sendable {
    private let state = Mutex((failing: 0, count: 0))

    var failing: Int {
      get { state.withLock { $0.failing } }
      set { state.withLock { $0.failing = newValue } }
    }
    var count: Int { state.withLock { $0.count } }

    func flush() throws(SystemFailure) {
      let fails = state.withLock { state in
        state.count += 1
        guard state.failing > 0 else { return false }
        state.failing -= 1
        return true
      }
      if fails { throw SystemFailure(errno: 5) }
    }
  }

  private static let quota: UInt64 = 1 << 20
  private let today = Day(number: 20_000)
  private let name = StoredName(trusted: (0..<32).map { $0 })
  private let content = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  private let server: TemporaryServer
  private let disk = Disk()
  private let store: FileObjectStore

  init() async throws {
    server = try TemporaryServer()
    let space = ObjectSpace(quota: Self.quota, minimumFreeByteCount: 0, disk: DiskSpace { nil })
    store = try FileObjectStore(path: server.file("objects"), space: space) { [disk] (_) throws(SystemFailure) in try disk.flush() }
    _ = try await store.create(NewObject(name: name, byteCount: UInt64(content.count), days: 3), today: today)
  }

  private func write(_ range: Range<Int>) async throws(StoreFailure) -> ObjectOutcome {
    try await store.write(Array(content[range]), to: name, at: UInt64(range.lowerBound), today: today)
  }

  private func stands(_ count: Int, finished: Bool = false) -> ObjectOutcome {
    .stands(ObjectState(byteCount: UInt64(count), isFinished: finished))
  }

  /// What the object has, asked of the store and of one that is opened anew.
  private func byteCounts() async throws -> [UInt64?] {
    let other = try server.directory.openObjects(quota: Self.quota)
    return try await [store.state(of: name, today: today)?.byteCount, other.state(of: name, today: today)?.byteCount]
  }

  private func finishesWhole() async throws {
    #expect(try await store.finish(name, today: today) == stands(content.count, finished: true))
    #expect(try await store.read(name, at: 0, count: content.count, today: today) == content)
    #expect(try store.usedByteCount == server.directory.openObjects(quota: Self.quota).usedByteCount)
  }

  @Test func `after a failed flush what was flushed before counts, and nothing else`() async throws {
    #expect(try await write(0..<9_000) == stands(9_000))
    let used = store.usedByteCount
    disk.failing = 1
    await #expect(throws: StoreFailure.outcomeUnknown) { try await write(9_000..<20_000) }
    #expect(try await byteCounts() == [9_000, 9_000])
    #expect(store.usedByteCount == used)
    #expect(try await store.finish(name, today: today) == stands(9_000))
    #expect(try await write(9_000..<20_000) == stands(20_000))
    // What was written over may be lost, too.
    disk.failing = 1
    await #expect(throws: StoreFailure.outcomeUnknown) { try await write(6_000..<7_000) }
    #expect(try await byteCounts() == [6_000, 6_000])
    #expect(try await write(6_000..<20_000) == stands(20_000))
    try await finishesWhole()
  }

  @Test func `a file is finished when its content is flushed`() async throws {
    #expect(try await write(0..<20_000) == stands(20_000))
    let before = disk.count
    disk.failing = 1
    await #expect(throws: StoreFailure.outcomeUnknown) { try await store.finish(name, today: today) }
    #expect(disk.count > before)
    #expect(try await byteCounts() == [0, 0], "nobody knows what of it is on the disk")
    #expect(try await store.finish(name, today: today) == stands(0))
    #expect(try await write(0..<20_000) == stands(20_000))
    try await finishesWhole()
  }

  @Test func `where what was flushed before cannot be had again, the object goes`() async throws {
    #expect(try await write(0..<9_000) == stands(9_000))
    disk.failing = .max
    await #expect(throws: StoreFailure.outcomeUnknown) { try await write(9_000..<20_000) }
    #expect(try await byteCounts() == [nil, nil])
    #expect(store.usedByteCount == 0)
    disk.failing = 0
    #expect(try await store.create(NewObject(name: name, byteCount: UInt64(content.count), days: 3), today: today) == .made)
    #expect(try await write(0..<20_000) == stands(20_000))
    try await finishesWhole()
  }
}
