import ConversationEngine
import CryptoSuite
import DeviceStorage
import DeviceStoreTesting
import SottoProtocol
import Testing

/// What every device's store does, shown of both.
enum Subject: String, CaseIterable, CustomTestStringConvertible {
  case inMemory, encrypted

  var testDescription: String { rawValue }

  /// A fresh store, in a directory that lives as long as the result.
  func makeStore() throws -> (store: any DeviceStore, directory: TemporaryDirectory) {
    let directory = try TemporaryDirectory()
    switch self {
    case .inMemory: return (InMemoryDeviceStore(), directory)
    case .encrypted:
      let store = try EncryptedDeviceStore.create(directory: directory.file("p"), key: passphrase, cost: cheap)
      return (store, directory)
    }
  }
}

@Suite struct DeviceStoreConformanceTests {
  @Test(arguments: Subject.allCases)
  func `what was committed is read back, of every kind`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    var records: [RecordKey: [UInt8]?] = [:]
    for kind in RecordKind.allCases {
      records[RecordKey(kind, [kind.rawValue, 7])] = [1, 2, kind.rawValue]
      records[RecordKey(kind)] = .some([])
    }
    try store.commit(.writing(records))
    for kind in RecordKind.allCases {
      #expect(try store.record(RecordKey(kind, [kind.rawValue, 7])) == [1, 2, kind.rawValue])
      #expect(try store.record(RecordKey(kind)) == [])
      #expect(try store.record(RecordKey(kind, [9])) == nil)
      #expect(try store.records(of: kind).count == 2)
    }
  }

  @Test(arguments: Subject.allCases)
  func `records of a kind come in the order of their names`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    let names: [[UInt8]] = [[2], [1, 255], [], [1], [255], [1, 0, 0]]
    for name in names { try store.commit(.writing([RecordKey(.contact, name): name])) }
    try store.commit(.writing([RecordKey(.offer, [3]): [3]]))
    let found = try store.records(of: .contact)
    #expect(found.map(\.key.name) == [[], [1], [1, 0, 0], [1, 255], [2], [255]])
    #expect(found.allSatisfy { $0.key.name == $0.value && $0.key.kind == .contact })
  }

  @Test(arguments: Subject.allCases)
  func `a record is replaced and removed`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    let key = RecordKey(.conversation, [1])
    try store.commit(.writing([key: [1]]))
    try store.commit(.writing([key: [2]]))
    #expect(try store.record(key) == [2])
    try store.commit(.writing([key: nil]))
    #expect(try store.record(key) == nil)
    #expect(try store.records(of: .conversation).isEmpty)
    try store.commit(.writing([key: nil]))
  }

  @Test(arguments: Subject.allCases)
  func `the same name under two kinds is two records`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    try store.commit(.writing([RecordKey(.groupPublic, [1]): [1], RecordKey(.groupSecret, [1]): [2]]))
    #expect(try store.record(RecordKey(.groupPublic, [1])) == [1])
    #expect(try store.record(RecordKey(.groupSecret, [1])) == [2])
  }

  @Test(arguments: Subject.allCases)
  func `history comes by position, from a position, up to a limit, of one conversation`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    for position in [5, 1, 3, 2, 4] as [UInt64] {
      try store.commit(.appending([UInt8(position)], to: conversation(1), at: position))
    }
    try store.commit(.appending([99], to: conversation(2), at: 3))
    #expect(try store.history(of: conversation(1), after: nil, limit: 10).map(\.position) == [1, 2, 3, 4, 5])
    #expect(try store.history(of: conversation(1), after: 2, limit: 2).map(\.value) == [[3], [4]])
    #expect(try store.history(of: conversation(1), after: 5, limit: 2).isEmpty)
    #expect(try store.history(of: conversation(1), after: .max, limit: 2).isEmpty)
    #expect(try store.history(of: conversation(1), after: nil, limit: 0).isEmpty)
    #expect(try store.history(of: conversation(3), after: nil, limit: 1).isEmpty)
    #expect(try store.history(of: conversation(2), after: nil, limit: 9).map(\.value) == [[99]])
  }

  @Test(arguments: Subject.allCases)
  func `position 0 is a position, and an entry is replaced`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    try store.commit(.appending([1], to: conversation(1), at: 0))
    try store.commit(.appending([2], to: conversation(1), at: 0))
    #expect(try store.history(of: conversation(1), after: nil, limit: 9).map(\.value) == [[2]])
    #expect(try store.history(of: conversation(1), after: 0, limit: 9).isEmpty)
  }

  @Test(arguments: Subject.allCases)
  func `large values and long names are kept whole`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    let value = SeededRandom(seed: 1).bytes(400_000)
    let key = RecordKey(.groupPublic, SeededRandom(seed: 2).bytes(300))
    try store.commit(.writing([key: value]))
    #expect(try store.record(key) == value)
    #expect(try store.records(of: .groupPublic).map(\.key) == [key])
  }

  @Test(arguments: Subject.allCases)
  func `an empty transaction changes nothing`(_ subject: Subject) throws {
    let (store, _) = try subject.makeStore()
    try store.commit(DeviceTransaction())
    #expect(try store.records(of: .profile).isEmpty)
  }
}
