import Foundation
import GRDB
import MailboxEngine
import SottoProtocol
import Testing

@testable import ServerStorage

@Suite struct ServerDirectoryTests {
  private let server: TemporaryServer

  init() throws { server = try TemporaryServer() }

  private func publicKey(creating: Bool) throws -> PublicKey32 {
    try server.directory.keys(creating: creating).secrets().identity.publicKey
  }

  @Test func `a second server is kept out while the first has the directory`() throws {
    var lock: ServerLock? = try server.directory.lock()
    #expect(throws: ServerStorageError.inUse) { try server.directory.lock() }
    withExtendedLifetime(lock) {}
    lock = nil
    _ = try server.directory.lock()
  }

  @Test func `the keys are made once and stay`() throws {
    #expect(throws: ServerStorageError.missing) { try publicKey(creating: false) }
    let key = try publicKey(creating: true)
    #expect(try publicKey(creating: true) == key)
    #expect(try publicKey(creating: false) == key)
  }

  @Test func `changed, cut or exposed keys are refused`() throws {
    _ = try publicKey(creating: true)
    let good = try server.read("server.keys")
    for index in [0, 1, 40, good.count - 1] {
      var bad = good
      bad[index] ^= 1
      try server.write(bad, to: "server.keys")
      #expect(throws: ServerStorageError.keysDamaged) { try publicKey(creating: true) }
    }
    for bad in [[], Array(good.dropLast()), good + [0]] {
      try server.write(bad, to: "server.keys")
      #expect(throws: ServerStorageError.keysDamaged) { try publicKey(creating: true) }
    }
    try server.write(good, to: "server.keys")
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: server.file("server.keys"))
    #expect(throws: ServerStorageError.keysExposed) { try publicKey(creating: true) }
  }

  @Test func `a database without its keys is not given new ones`() throws {
    _ = try server.openStore()
    try FileManager.default.removeItem(atPath: server.file("server.keys"))
    #expect(throws: ServerStorageError.keysMissing) { try publicKey(creating: true) }
    #expect(throws: ServerStorageError.keysMissing) { try server.openStore() }
  }

  @Test func `only the owner may read what lies in the directory`() async throws {
    _ = try server.directory.lock()
    _ = try publicKey(creating: true)
    try server.directory.rememberAddress("example.org:443")
    let store = try server.openStore()
    try await store.expire(today: Day(number: 1))
    #expect(try FileManager.default.attributesOfItem(atPath: server.path)[.posixPermissions] as? Int == 0o700)
    let names = try FileManager.default.contentsOfDirectory(atPath: server.path)
    #expect(names.contains("server.sqlite-wal"))
    for name in names { #expect(try server.permissions(name) == 0o600, "\(name)") }
    #expect(try server.directory.address() == "example.org:443")
  }

  @Test func `a file that is no database of ours is refused`() throws {
    _ = try publicKey(creating: true)
    try server.write(Array("this is not a database, however long one looks at it".utf8), to: "server.sqlite")
    #expect(throws: ServerStorageError.notADatabase) { try server.openStore() }
    try FileManager.default.removeItem(atPath: server.file("server.sqlite"))
    let foreign = try DatabaseQueue(path: server.file("server.sqlite"))
    try foreign.write { try $0.execute(sql: "CREATE TABLE other (id INTEGER)") }
    try foreign.close()
    #expect(throws: ServerStorageError.notADatabase) { try server.openStore() }
    #expect(throws: ServerStorageError.missing) {
      try ServerDirectory(server.file("nowhere")).openStore(creating: false, checking: false)
    }
  }

  @Test func `a database of a newer version is refused`() throws {
    let store = try server.openStore()
    try store.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = \(Schema.version + 1)") }
    try store.close()
    #expect(throws: ServerStorageError.databaseNewer(version: Schema.version + 1)) { try server.openStore() }
  }

  @Test func `a damaged database is found when it is checked`() async throws {
    let store = try server.openStore()
    let vouchers = (UInt8(0)..<200).map { StoredName(trusted: Array(repeating: $0, count: 32)) }
    try await store.addVouchers(vouchers, expires: Day(number: 9))
    try store.close()
    let good = try server.read("server.sqlite")
    // The pages behind the first, where the schema lies, lose their order.
    try server.write(Array(good.prefix(8_192)) + good.dropFirst(8_192).map { $0 ^ 0x55 }, to: "server.sqlite")
    #expect(throws: ServerStorageError.databaseDamaged) { try server.openStore(checking: true) }
  }
}
