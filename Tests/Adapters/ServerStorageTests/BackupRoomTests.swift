import Foundation
import GRDB
import Testing

@testable import ServerStorage

/// A backup looks at the room that it takes before it writes.
@Suite struct BackupRoomTests {
  private let objectByteCount = 3_000_000

  /// A server with some of everything that a copy takes.
  private func makeServer() throws -> TemporaryServer {
    let server = try TemporaryServer()
    try server.openStore().close()
    try server.directory.reports.start(publicKey: [1])
    try server.directory.reports.add([UInt8](repeating: 2, count: 5_000), day: 20_000)
    let folder = "objects/kept/20000/ab"
    try FileManager.default.createDirectory(atPath: server.file(folder), withIntermediateDirectories: true)
    let name = String(repeating: "ab", count: 32)
    try server.write([UInt8](repeating: 3, count: objectByteCount), to: "\(folder)/\(name)")
    return server
  }

  private func backUp(_ server: TemporaryServer, to name: String, free: Int?) throws -> BackupSize {
    let disk = DiskSpace(freeByteCount: { free })
    return try server.directory.backUp(to: server.file(name), parts: .everything, disk: disk)
  }

  /// What a backup says that it needs.
  private func needed(_ server: TemporaryServer) throws -> Int {
    do {
      _ = try backUp(server, to: "copy", free: 1_000)
    } catch let error as ServerStorageError {
      if case .tooLittleRoom(let needed, let free) = error, free == 1_000 { return needed }
      throw error
    }
    Issue.record("there was no room")
    return 0
  }

  private func names(_ server: TemporaryServer) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: server.path).filter { $0.hasPrefix("copy") }
  }

  @Test func `without room for all of it nothing is written, and the sizes are told`() throws {
    let server = try makeServer()
    let needed = try needed(server)
    let content = try server.read("server.sqlite").count + objectByteCount
    let most = content + BackupSize.slackByteCount + 50_000
    #expect(needed >= content + 5_000)
    #expect(needed <= most)
    let little = needed - 1
    #expect(throws: ServerStorageError.self) { try backUp(server, to: "copy", free: little) }
    #expect(try names(server).isEmpty)

    let size = try backUp(server, to: "copy", free: needed)
    let copied = try server.read("copy/server.sqlite").count
    #expect(size.database == copied)
    #expect(size.files >= objectByteCount)
    let taken = size.database + size.files
    #expect(taken <= needed)
    #expect(size.free == needed)
    #expect(size.isOnServersDisk)
  }

  @Test func `a disk that says nothing is tried, and keys alone need next to nothing`() throws {
    let server = try makeServer()
    #expect(try backUp(server, to: "copy", free: nil).free == nil)
    let disk = DiskSpace(freeByteCount: { 2_000_000 })
    let size = try server.directory.backUp(to: server.file("keys"), parts: .keysOnly, disk: disk)
    #expect(size.database == 0)
    #expect(size.files == 0)
  }

  @Test func `what waits in the log of the database counts, and freed pages do not`() throws {
    let server = try makeServer()
    let store = try server.openStore()
    let before = try needed(server)
    let filler = [UInt8](repeating: 4, count: 4_000_000)
    try store.pool.write { db in
      try db.execute(sql: "CREATE TABLE filler (bytes BLOB)")
      try db.execute(sql: "INSERT INTO filler VALUES (?)", arguments: [Data(filler)])
    }
    let with = try needed(server)
    #expect(with >= before + 4_000_000, "it is in the log alone")
    try store.pool.write { db in try db.execute(sql: "DROP TABLE filler") }
    let after = try needed(server)
    #expect(after <= before + 64_000)
    try store.close()
  }
}
