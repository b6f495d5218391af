import MailboxEngineTesting
import MailboxStoreConformance
import Testing

@Suite struct InMemoryConformanceTests {
  @Test(arguments: ConformanceCheck.all)
  func `the store in memory keeps the promises of a store`(_ check: ConformanceCheck) async throws {
    let store = InMemoryMailboxStore()
    try await check.run(
      StoreFixture(store: store) {
        store.reopen()
        return store
      })
  }
}
