import Foundation
import MailboxEngine
import Synchronization
import Testing

@testable import ServerStorage

/// What a server keeps of its disk for the day on which it is full. `scripts/try-full-disk` tries a whole server on such a disk.
@Suite struct DiskReserveTests {
  private let server: TemporaryServer

  init() throws { server = try TemporaryServer() }

  @Test func `the reserve is kept where there is room, given up where there is none, and kept again`() throws {
    let reserve = 1 << 20
    #expect(!server.directory.tendReserve(freeByteCount: reserve))
    #expect(!PrivateFiles.exists(server.file("server.reserve")), "not with so little")
    #expect(!server.directory.tendReserve(freeByteCount: 32 * reserve))
    let bytes = try server.read("server.reserve")
    // On a disk that compresses, anything that repeats would take less.
    #expect(bytes.count == reserve && Set(stride(from: 0, to: reserve, by: 8).map { Array(bytes[$0..<$0 + 8]) }).count == reserve / 8)
    #expect(try server.permissions("server.reserve") == 0o600)
    // It stays as long as there is a little.
    #expect(!server.directory.tendReserve(freeByteCount: reserve))
    #expect(PrivateFiles.exists(server.file("server.reserve")))
    #expect(server.directory.tendReserve(freeByteCount: reserve - 1))
    #expect(!PrivateFiles.exists(server.file("server.reserve")))
    #expect(!server.directory.tendReserve(freeByteCount: 0), "there is nothing more to give up")
    // One that was cut off is made whole.
    try server.write([0, 0], to: "server.reserve")
    #expect(!server.directory.tendReserve(freeByteCount: .max))
    #expect(try server.read("server.reserve").count == reserve)
  }

  @Test func `the address is written when it is another one`() throws {
    try server.directory.rememberAddress("chat.example.org:443")
    // A file that is not replaced stays the same file.
    func file() throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: server.file("server.address"))[.systemFileNumber] as? Int
    }
    let before = try file()
    try server.directory.rememberAddress("chat.example.org:443")
    #expect(try file() == before)
    try server.directory.rememberAddress("chat.example.org:8443")
    #expect(try server.directory.address() == "chat.example.org:8443")
  }

  @Test func `a database that finds no room at the start says so, and one that is out of reach says that`() throws {
    let disk = try FaultyDisk(server)
    try server.openStore().close()
    let hasRoom = Mutex(false)
    func open() throws { try server.openStore(limits: StorageLimits(), takesMore: { hasRoom.withLock { $0 } }).close() }
    for (operation, code, expected) in [
      (FaultyDisk.Operation.write, Int32(13), ServerStorageError.diskFull), (.open, 14, .diskFull), (.write, 10 | 3 << 8, .diskFull),
    ] {
      disk.fail(operation, nth: 1, lasts: true, code: code)
      #expect(throws: expected) { try open() }
      disk.mend()
    }
    hasRoom.withLock { $0 = true }
    disk.fail(.open, nth: 1, lasts: true, code: 1)
    #expect(throws: ServerStorageError.readOnly) { try open() }
    disk.mend()
    disk.fail(.write, nth: 1, lasts: true, code: 10 | 3 << 8)
    #expect(throws: ServerStorageError.database(code: 10 | 3 << 8)) { try open() }
    disk.mend()
    try open()
  }

  @Test func `whether a disk takes more is tried beside the database, and nothing is left of it`() throws {
    let before = try FileManager.default.contentsOfDirectory(atPath: server.path)
    #expect(DiskSpace(of: server.file("server.sqlite")).takesMore())
    #expect(DiskSpace(of: server.file("elsewhere/server.sqlite")).takesMore(), "what is not there is not full")
    #expect(try FileManager.default.contentsOfDirectory(atPath: server.path) == before)
  }
}
