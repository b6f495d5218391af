import MailboxStoreConformance
import Testing

@Suite struct SQLiteConformanceTests {
  @Test(arguments: ConformanceCheck.all)
  func `the store in SQLite keeps the promises of a store`(_ check: ConformanceCheck) async throws {
    let server = try TemporaryServer()
    try await check.run(server.fixture())
  }
}
