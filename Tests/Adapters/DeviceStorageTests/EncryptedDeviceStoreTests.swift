import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol
import Testing

@Suite struct EncryptedDeviceStoreTests {
  @Test func `what was committed is there when the profile is opened again, under a passphrase and a key file`() throws {
    let directory = try TemporaryDirectory()
    for key in [passphrase, try KeyFile.create(at: directory.file("key"))] {
      let path = directory.file(UUID().uuidString)
      var store = try EncryptedDeviceStore.create(directory: path, key: key, cost: cheap)
      try store.commit(.writing([RecordKey(.contact, [1]): [1], RecordKey(.groupSecret, [2]): [2]]))
      try store.commit(.appending([3], to: conversation(1), at: 4))
      try store.setNote([5], named: "read")
      store.close()
      store = try EncryptedDeviceStore.open(directory: path, key: key)
      #expect(try store.record(RecordKey(.contact, [1])) == [1])
      #expect(try store.record(RecordKey(.groupSecret, [2])) == [2])
      #expect(try store.history(of: conversation(1), after: nil, limit: 1).map(\.value) == [[3]])
      #expect(try store.note("read") == [5])
      try store.setNote(nil, named: "read")
      #expect(try store.note("read") == nil)
      store.close()
    }
  }

  @Test func `durability and erasure are switched on`() throws {
    let directory = try TemporaryDirectory()
    let store = try EncryptedDeviceStore.create(directory: directory.file("p"), key: passphrase, cost: cheap)
    try store.commit(.writing([RecordKey(.contact): [1]]))
    let pragmas = try store.pragmas()
    #expect(pragmas.synchronous == 2)
    #expect(pragmas.journalMode == "wal")
    #expect(pragmas.secureDelete == 1)
  }

  @Test func `no name and no value stands in the files`() throws {
    let directory = try TemporaryDirectory()
    let store = try EncryptedDeviceStore.create(directory: directory.file("p"), key: passphrase, cost: cheap)
    let name = SeededRandom(seed: 7).bytes(32)
    let group = ConversationID(trusted: SeededRandom(seed: 8).bytes(16))
    for kind in RecordKind.allCases { try store.commit(.writing([RecordKey(kind, name): Array("the blue door".utf8)])) }
    try store.commit(.appending(Array("the blue door".utf8), to: group, at: 1))
    for _ in 0..<2 {
      let bytes = try directory.allBytes()
      #expect(bytes.count > 4096)
      #expect(!bytes.holds(Array("blue door".utf8)))
      #expect(!bytes.holds(Array(name.prefix(12))))
      #expect(!bytes.holds(Array(group.bytes.prefix(12))))
      store.close()
    }
  }

  @Test func `files are for their owner only`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("a/b/p")
    let store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    try store.commit(.writing([RecordKey(.contact): [1]]))
    _ = try KeyFile.create(at: directory.file("key"))
    func mode(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
    #expect(try mode(path) == 0o700)
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    #expect(names.contains("profile.db-wal"))
    for name in names { #expect(try mode(path + "/" + name) == 0o600) }
    #expect(try mode(directory.file("key")) == 0o600)
  }

  @Test func `a wrong key, the other kind of key and a damaged file are told apart`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap).close()
    let wrong = DeviceKey.passphrase(Secret(Array("battery".utf8)))
    #expect(throws: ProfileError.wrongKey) { try EncryptedDeviceStore.open(directory: path, key: wrong) }
    let file = try KeyFile.create(at: directory.file("key"))
    #expect(throws: ProfileError.wrongKindOfKey) { try EncryptedDeviceStore.open(directory: path, key: file) }
    #expect(try EncryptedDeviceStore.protection(of: path) == .passphrase)

    let keys = path + "/profile.keys"
    let good = try #require(FileManager.default.contents(atPath: keys))
    for index in good.indices {
      var bad = good
      bad[index] ^= 1
      try bad.write(to: URL(fileURLWithPath: keys))
      #expect(throws: ProfileError.damaged) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    }
    for length in 0..<good.count {
      try good.prefix(length).write(to: URL(fileURLWithPath: keys))
      #expect(throws: ProfileError.damaged) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    }
    try FileManager.default.removeItem(atPath: keys)
    #expect(throws: ProfileError.damaged) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    #expect(throws: ProfileError.damaged) {
      try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    }
    try good.write(to: URL(fileURLWithPath: keys))
    try EncryptedDeviceStore.open(directory: path, key: passphrase).close()
  }

  @Test func `a header that asks for too much memory is refused before it gets any`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    #expect(throws: ProfileError.unsupported) {
      let greedy = PassphraseCost(logN: 24, blockSize: 64, parallelism: 64)
      return try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: greedy)
    }
  }

  @Test func `the standard cost of a passphrase can be borne`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    try EncryptedDeviceStore.create(directory: path, key: passphrase).close()
    try EncryptedDeviceStore.open(directory: path, key: passphrase).close()
  }

  @Test func `a profile is opened once at a time`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    let store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    #expect(throws: ProfileError.inUse) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    store.close()
    #expect(throws: DeviceStoreError.unavailable) { try store.record(RecordKey(.contact)) }
    try EncryptedDeviceStore.open(directory: path, key: passphrase).close()
  }

  @Test func `a profile is made once, and not among other things`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    #expect(throws: ProfileError.missing) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    #expect(throws: ProfileError.missing) { try EncryptedDeviceStore.protection(of: path) }
    try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap).close()
    #expect(throws: ProfileError.exists) {
      try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    }
    try Data([1]).write(to: URL(fileURLWithPath: directory.file("letter.txt")))
    #expect(throws: ProfileError.notEmpty) {
      try EncryptedDeviceStore.create(directory: directory.path, key: passphrase, cost: cheap)
    }
  }

  @Test func `the path of a key file is remembered`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    let key = try KeyFile.create(at: directory.file("key"))
    try EncryptedDeviceStore.create(directory: path, key: key).close()
    #expect(try EncryptedDeviceStore.protection(of: path) == .keyFile(path: directory.file("key")))
    #expect(throws: ProfileError.exists) { try KeyFile.create(at: directory.file("key")) }
    try EncryptedDeviceStore.open(directory: path, key: KeyFile.read(at: directory.file("key"))).close()
    try Data([1]).write(to: URL(fileURLWithPath: directory.file("key")))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: directory.file("key"))
    #expect(throws: ProfileError.damaged) { try KeyFile.read(at: directory.file("key")) }
    #expect(throws: ProfileError.missing) { try KeyFile.read(at: directory.file("none")) }
  }

  @Test func `a key file that others may read or change is refused`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("key")
    _ = try KeyFile.create(at: path)
    for mode in [0o640, 0o604, 0o620, 0o601] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      #expect(throws: ProfileError.exposed, "\(String(mode, radix: 8))") { try KeyFile.read(at: path) }
    }
    for mode in [0o600, 0o400] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      _ = try KeyFile.read(at: path)
    }
  }

  @Test func `an erased profile is gone, and its directory can be used again`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    let store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    try store.commit(.writing([RecordKey(.contact): [1]]))
    try store.erase()
    #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
    #expect(throws: ProfileError.missing) { try EncryptedDeviceStore.open(directory: path, key: passphrase) }
    try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap).close()
  }

  @Test func `a value that stands in another's row is not believed`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    var store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    try store.commit(.writing([RecordKey(.contact, [1]): [1], RecordKey(.contact, [2]): [2]]))
    store.close()
    try swapRecords(path + "/profile.db")
    store = try EncryptedDeviceStore.open(directory: path, key: passphrase)
    #expect(throws: DeviceStoreError.unreadable) { try store.record(RecordKey(.contact, [1])) }
    #expect(throws: DeviceStoreError.unreadable) { try store.records(of: .contact) }
    store.close()
  }
}
