import Foundation
import MailboxEngine
import MailboxStoreConformance
import SottoProtocol
import Testing

@testable import ServerStorage

@Suite struct FileObjectStoreTests {
  private let today = Day(number: 20_000)
  private let name = StoredName(trusted: (0..<32).map { $0 })

  @Test(arguments: ObjectCheck.all)
  func `objects in files keep the promises of a store`(_ check: ObjectCheck) async throws {
    let server = try TemporaryServer()
    // Each file has a header, which counts as well.
    let quota = ObjectCheck.quota + 16 * UInt64(ObjectFile.headerByteCount)
    try await check.run(
      ObjectFixture(store: try server.directory.openObjects(quota: quota)) { try server.directory.openObjects(quota: quota) })
  }

  private func files(_ server: TemporaryServer) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: server.file("objects")).filter {
      (try? FileManager.default.attributesOfItem(atPath: server.file("objects/\($0)"))[.type] as? FileAttributeType) == .typeRegular
    }
  }

  @Test func `files are their owner's alone, and their times tell the day and nothing finer`() async throws {
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
    #expect(reopened.usedByteCount == 16 + 3)
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
