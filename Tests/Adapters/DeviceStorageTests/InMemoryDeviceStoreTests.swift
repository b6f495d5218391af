import ConversationEngine
import DeviceStoreTesting
import Testing

@Suite struct InMemoryDeviceStoreTests {
  private let transaction: DeviceTransaction = {
    var transaction = DeviceTransaction.writing([RecordKey(.contact, [1]): [1], RecordKey(.task, [2]): [2]])
    transaction.history = [(conversation: conversation(1), position: 1, value: [3])]
    return transaction
  }()

  @Test func `a crash at any write leaves all of a transaction or nothing`() throws {
    for isDurable in [false, true] {
      for write in 1...4 {
        let store = InMemoryDeviceStore()
        store.plan(CrashPlan(atWrite: write, isDurable: isDurable))
        #expect(throws: DeviceStoreError.outcomeUnknown) { try store.commit(transaction) }
        #expect(throws: DeviceStoreError.unavailable) { try store.record(RecordKey(.contact, [1])) }
        store.reopen()
        let isThere = isDurable && write == 4
        #expect(try (store.record(RecordKey(.contact, [1])) != nil) == isThere)
        #expect(try (store.record(RecordKey(.task, [2])) != nil) == isThere)
        #expect(try store.history(of: conversation(1), after: nil, limit: 9).isEmpty != isThere)
      }
    }
  }

  @Test func `a full disk says so and goes on`() throws {
    let store = InMemoryDeviceStore()
    store.plan(CrashPlan(atWrite: 2, failure: .unavailable, staysUp: true))
    #expect(throws: DeviceStoreError.unavailable) { try store.commit(transaction) }
    #expect(try store.record(RecordKey(.contact, [1])) == nil)
    try store.commit(transaction)
    #expect(try store.record(RecordKey(.contact, [1])) == [1])
    #expect(store.writeCount == 2 + 4)
  }

  @Test func `a copy is a disk of its own`() throws {
    let store = InMemoryDeviceStore()
    try store.commit(transaction)
    let copy = store.copy()
    try store.commit(.writing([RecordKey(.contact, [1]): nil]))
    #expect(try copy.record(RecordKey(.contact, [1])) == [1])
  }
}
