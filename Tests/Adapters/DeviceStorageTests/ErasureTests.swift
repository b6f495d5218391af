import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol
import Synchronization
import Testing

/// The change of the erasure key: nothing is lost wherever it is cut off, and old values are gone when it is done.
@Suite struct ErasureTests {
  private static let kinds = RecordKind.allCases

  private func fill(_ store: EncryptedDeviceStore) throws {
    for kind in Self.kinds {
      for name in 0..<3 as Range<UInt8> { try store.commit(.writing([RecordKey(kind, [name]): [kind.rawValue, name]])) }
    }
    try store.commit(.appending([42], to: conversation(1), at: 1))
  }

  private func check(_ store: EncryptedDeviceStore) throws {
    for kind in Self.kinds {
      for name in 0..<3 as Range<UInt8> {
        #expect(try store.record(RecordKey(kind, [name])) == [kind.rawValue, name])
      }
    }
    #expect(try store.history(of: conversation(1), after: nil, limit: 2).map(\.value) == [[42]])
  }

  @Test func `nothing is lost, and it is finished, wherever the change of the key is cut off`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    // A crash at a step leaves the files as they are then: a copy of them is such a crash.
    let snapshots = Mutex<[String]>([])
    let root = directory.path
    let isArmed = Mutex(false)
    try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap).close()
    let store = try EncryptedDeviceStore.open(directory: path, key: passphrase, random: SystemRandom()) {
      guard isArmed.withLock({ $0 }) else { return }
      snapshots.withLock { snapshots in
        let copy = "\(root)/crash-\(snapshots.count)"
        do { try FileManager.default.copyItem(atPath: path, toPath: copy) } catch { Issue.record(error) }
        snapshots.append(copy)
      }
    }
    try fill(store)
    isArmed.withLock { $0 = true }
    try store.rotateErasureKey()
    isArmed.withLock { $0 = false }
    try check(store)
    store.close()

    let copies = snapshots.withLock { $0 }
    // Two files of keys in four steps each, a row for each erasable record, and the two ends of the transaction.
    let rowCount = 3 * Self.kinds.filter(\.mustBeErased).count
    #expect(copies.count == rowCount + 10)
    for copy in copies {
      // Twice: whatever the first opening finishes must itself be whole.
      for _ in 0..<2 {
        let reopened = try EncryptedDeviceStore.open(directory: copy, key: passphrase)
        try check(reopened)
        reopened.close()
      }
    }
  }

  @Test func `old values cannot be read with all that lies on disk afterwards`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    let store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    let key = RecordKey(.groupSecret, [1])
    try store.commit(.writing([key: Array("old".utf8)]))
    // A thief copies the database now, and the keys later.
    let early = directory.file("early")
    try FileManager.default.copyItem(atPath: path, toPath: early)
    try store.commit(.writing([key: Array("new".utf8)]))
    try store.rotateErasureKey()
    #expect(try store.record(key) == Array("new".utf8))
    store.close()
    try FileManager.default.removeItem(atPath: early + "/profile.keys")
    try FileManager.default.copyItem(atPath: path + "/profile.keys", toPath: early + "/profile.keys")
    #expect(throws: (any Error).self) {
      let thief = try EncryptedDeviceStore.open(directory: early, key: passphrase)
      defer { thief.close() }
      return try thief.record(key)
    }
  }

  @Test func `closing changes the key when something was replaced, and not otherwise`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    func keys() -> Data? { FileManager.default.contents(atPath: path + "/profile.keys") }
    var store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    let first = keys()
    try store.commit(.writing([RecordKey(.contact): [1]]))
    store.close()
    #expect(keys() == first)
    store = try EncryptedDeviceStore.open(directory: path, key: passphrase)
    try store.commit(.writing([RecordKey(.groupSecret): [1]]))
    store.close()
    let second = keys()
    #expect(second != first)
    store = try EncryptedDeviceStore.open(directory: path, key: passphrase)
    #expect(try store.record(RecordKey(.groupSecret)) == [1])
    store.close()
    #expect(keys() == second)
  }

  @Test func `a session that was cut off has its key changed by the next opening`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("p")
    let store = try EncryptedDeviceStore.create(directory: path, key: passphrase, cost: cheap)
    try store.commit(.writing([RecordKey(.task): [1]]))
    let copy = directory.file("crashed")
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    store.close()
    let before = FileManager.default.contents(atPath: copy + "/profile.keys")
    let reopened = try EncryptedDeviceStore.open(directory: copy, key: passphrase)
    #expect(FileManager.default.contents(atPath: copy + "/profile.keys") != before)
    #expect(try reopened.record(RecordKey(.task)) == [1])
    reopened.close()
  }
}
