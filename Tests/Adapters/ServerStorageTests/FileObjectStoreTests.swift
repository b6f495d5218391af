import CryptoSuite
import Foundation
import MailboxEngine
import MailboxEngineTesting
import MailboxStoreConformance
import SottoProtocol
import Synchronization
import Testing

@testable import ServerStorage

@Suite struct FileObjectStoreTests {
  private let today = Day(number: 20_000)
  private let name = StoredName(trusted: (0..<32).map { $0 })

  @Test(arguments: ObjectCheck.all)
  func `objects in files keep the promises of a store`(_ check: ObjectCheck) async throws {
    let server = try TemporaryServer()
    // Each file has a header, and takes whole blocks.
    let quota = ObjectCheck.quota + 16 * 4_096
    try await check.run(
      ObjectFixture(store: try server.directory.openObjects(quota: quota)) { try server.directory.openObjects(quota: quota) })
  }

  private func files(_ server: TemporaryServer) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: server.file("objects")).filter {
      (try? FileManager.default.attributesOfItem(atPath: server.file("objects/\($0)"))[.type] as? FileAttributeType) == .typeRegular
    }
  }

  @Test func `files are their owner's alone, and those of their times that can be set tell the day`() async throws {
    let server = try TemporaryServer()
    let store = try server.directory.openObjects(quota: 1 << 20)
    let today = Day(secondsSince1970: UInt64(Date().timeIntervalSince1970))
    _ = try await store.create(NewObject(name: name, byteCount: 5, days: 30), today: today)
    _ = try await store.write([1, 2, 3, 4, 5], to: name, at: 0, today: today)
    func check() throws {
      let tree = try FileManager.default.subpathsOfDirectory(atPath: server.file("objects"))
      #expect(tree.count >= 4)
      for path in tree where path.contains("/") {
        var status = stat()
        // `unsafe`: the system writes the value during the call.
        let result = unsafe stat(server.file("objects/\(path)"), &status)
        #expect(result == 0)
        #expect(status.st_mode & 0o077 == 0, "\(path)")
        #expect(status.st_mtim.tv_sec % 86_400 == 0 && status.st_mtim.tv_nsec == 0, "\(path)")
        if status.st_mode & S_IFMT == S_IFREG { #expect(status.st_atim.tv_sec % 86_400 == 0, "\(path)") }
      }
    }
    try check()
    _ = try await store.finish(name, today: today)
    _ = try await store.read(name, at: 0, count: 5, today: today)
    try check()
  }

  @Test func `what a crash leaves behind goes with its day`() async throws {
    let server = try TemporaryServer()
    let store = try server.directory.openObjects(quota: 1 << 20)
    _ = try await store.create(NewObject(name: name, byteCount: 5, days: 2), today: today)
    let made = try #require(try files(server).first)
    // Between the writing of a new file and its name, and between a rename and the answer.
    try server.write([1, 2, 3], to: "objects/\(made).new")
    let reopened = try server.directory.openObjects(quota: 1 << 20)
    #expect(reopened.usedByteCount == 2 * 4_096)
    #expect(try await reopened.state(of: name, today: today) == ObjectState(byteCount: 0, isFinished: false))
    try await reopened.expire(today: today.adding(2))
    #expect(try files(server).isEmpty)
    #expect(reopened.usedByteCount == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: server.file("objects/open")).isEmpty)
  }

  @Test func `a file that was cut short or is no file of ours is a failure, and no answer`() async throws {
    let server = try TemporaryServer()
    let store = try server.directory.openObjects(quota: 1 << 20)
    _ = try await store.create(NewObject(name: name, byteCount: 5, days: 2), today: today)
    let path = try #require(try files(server).first)
    for bytes: [UInt8] in [[], [1, 2, 3], Array(repeating: 9, count: 40)] {
      try server.write(bytes, to: "objects/\(path)")
      await #expect(throws: StoreFailure.outcomeUnknown) { try await store.write([1], to: name, at: 0, today: today) }
    }
  }

  @Test func `names in the tree are the store's, so a link in it leads nowhere`() async throws {
    let server = try TemporaryServer()
    let store = try server.directory.openObjects(quota: 1 << 20)
    _ = try await store.create(NewObject(name: name, byteCount: 5, days: 2), today: today)
    let path = try #require(try files(server).first)
    try server.write([7, 7, 7], to: "elsewhere")
    try FileManager.default.removeItem(atPath: server.file("objects/\(path)"))
    try FileManager.default.createSymbolicLink(atPath: server.file("objects/\(path)"), withDestinationPath: server.file("elsewhere"))
    await #expect(throws: StoreFailure.outcomeUnknown) { try await store.write([1], to: name, at: 0, today: today) }
    #expect(try server.read("elsewhere") == [7, 7, 7])
  }
}

/// What files take of the disk.
@Suite struct FileRoomTests {
  private let today = Day(number: 20_000)
  private func name(_ number: UInt8) -> StoredName { StoredName(trusted: Array(repeating: number, count: 32)) }

  @Test func `a file leaves free what has to stay free, also of what others have announced`() async throws {
    let server = try TemporaryServer()
    let free = Number(.max)
    let store = try FileObjectStore(
      path: server.file("objects"),
      space: ObjectSpace(quota: 1 << 40, minimumFreeByteCount: 1_000, disk: DiskSpace { Int(clamping: free.value) }))
    free.value = 1_000 + 8_192
    #expect(try await store.hasRoom(for: 8_177) == false)
    #expect(try await store.create(NewObject(name: name(1), byteCount: 8_177, days: 1), today: today) == .overQuota)
    #expect(try await store.create(NewObject(name: name(1), byteCount: 8_176, days: 1), today: today) == .made)
    // What the first is to get is no room for a second one; its header is on the disk.
    free.value = 1_000 + 4_096
    #expect(try await store.create(NewObject(name: name(2), byteCount: 1, days: 1), today: today) == .overQuota)
    #expect(
      try await store.write([UInt8](repeating: 1, count: 60), to: name(1), at: 0, today: today)
        == .stands(ObjectState(byteCount: 60, isFinished: false)))
    // Somebody else has filled the disk.
    free.value = 1_000 + 39
    #expect(try await store.write([UInt8](repeating: 1, count: 40), to: name(1), at: 60, today: today) == .overQuota)
    #expect(
      try await store.write([2], to: name(1), at: 0, today: today) == .stands(ObjectState(byteCount: 60, isFinished: false)))
    #expect(try await store.read(name(1), at: 0, count: 1, today: today) == nil)
    #expect(try await store.delete(name(1), today: today))
    #expect(store.usedByteCount == 0)
    store.replaceMinimumFreeByteCount(with: 0)
    #expect(try await store.create(NewObject(name: name(2), byteCount: 5_000, days: 1), today: today) == .made)
    #expect(store.usedByteCount == 8_192)
    #expect(try server.directory.openObjects(quota: 1 << 40).usedByteCount == 4_096, "whoever goes on with it asks for room again")
  }

  @Test func `room that was announced and is not used is others' after a while, and is asked for again`() async throws {
    let server = try TemporaryServer()
    let seconds = Number(1_000)
    let store = try FileObjectStore(
      path: server.file("objects"),
      space: ObjectSpace(quota: 1 << 16, minimumFreeByteCount: 0, disk: DiskSpace { nil }, now: { seconds.value }))
    func create(_ number: UInt8, _ byteCount: UInt64) async throws -> ObjectCreation {
      try await store.create(NewObject(name: name(number), byteCount: byteCount, days: 1), today: today)
    }
    func write(_ count: Int, at offset: UInt64) async throws -> ObjectOutcome {
      try await store.write([UInt8](repeating: 1, count: count), to: name(1), at: offset, today: today)
    }
    #expect(try await create(1, 60_000) == .made)
    seconds.value += ObjectSpace.patience - 1
    #expect(try await create(2, 10_000) == .overQuota)
    #expect(try await write(1, at: 0) == .stands(ObjectState(byteCount: 1, isFinished: false)))
    seconds.value += ObjectSpace.patience - 1
    #expect(try await create(2, 10_000) == .overQuota, "it grew meanwhile")
    seconds.value += ObjectSpace.patience
    #expect(try await create(2, 10_000) == .made)
    #expect(try await write(40_000, at: 1) == .overQuota, "all of what is missing has to find room")
    #expect(try await store.delete(name(2), today: today))
    #expect(try await write(40_000, at: 1) == .stands(ObjectState(byteCount: 40_001, isFinished: false)))
    #expect(try await create(2, 10_000) == .overQuota, "it has its room again")
    #expect(try await write(19_999, at: 40_001) == .stands(ObjectState(byteCount: 60_000, isFinished: false)))
    #expect(store.usedByteCount == 61_440)
  }

  @Test func `what is counted is what is there, whatever is made, written, finished, deleted or expires`() async throws {
    let server = try TemporaryServer()
    let space = ObjectSpace(quota: 1 << 16, minimumFreeByteCount: 0, disk: DiskSpace { nil })
    let store = try FileObjectStore(path: server.file("objects"), space: space)
    let random = SeededRandom(seed: 91)
    func number(_ bound: Int) -> Int { Int(random.bytes(4).reduce(0) { $0 << 8 | UInt64($1) } % UInt64(bound)) }
    var day = today
    for step in 0..<400 {
      let object = name(UInt8(number(8)))
      switch number(8) {
      case 0...1: _ = try await store.create(NewObject(name: object, byteCount: UInt64(1 + number(20_000)), days: 2), today: day)
      case 2...4:
        let offset = UInt64(number(8_000))
        _ = try await store.write([UInt8](repeating: 1, count: 1 + number(9_000)), to: object, at: offset, today: day)
      case 5: _ = try await store.finish(object, today: day)
      case 6: _ = try await store.delete(object, today: day)
      default:
        if number(4) == 0 { day = day.adding(1) }
        try await store.expire(today: day)
      }
      guard step.isMultiple(of: 8) else { continue }
      #expect(try space.presentByteCount == server.directory.openObjects(quota: 1 << 16).usedByteCount, "step \(step)")
    }
    try await store.expire(today: day.adding(60))
    #expect(store.usedByteCount == 0)
  }
}

/// A number that a test changes while others read it.
private final class Number: Sendable {
  private let state: Mutex<UInt64>

  init(_ value: UInt64) { state = Mutex(value) }

  var value: UInt64 {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }
}
