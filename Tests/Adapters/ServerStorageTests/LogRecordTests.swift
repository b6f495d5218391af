import CryptoSuite
import MailboxEngine
import Testing

@testable import ServerStorage

@Suite struct LogRecordTests {
  private let name = [UInt8](repeating: 1, count: StoredName.shortByteCount)
  private let today = Day(number: 20_000)

  @Test func `a log holds so many entries, counted over the days on which they expire`() throws {
    var record = LogRecord(writeKey: name, administrators: [name], creation: name)
    for slot in 0..<ServerLimits.logEntryCount {
      #expect(record.hasRoom(byteCount: 1, today: today))
      record.advance(expires: today.adding(UInt32(1 + slot / 1_000)), byteCount: 1)
    }
    #expect(!record.hasRoom(byteCount: 1, today: today))
    #expect(!(try LogRecord(record.bytes)).hasRoom(byteCount: 1, today: today))
    // The first thousand are gone.
    #expect(try LogRecord(record.bytes).hasRoom(byteCount: 1, today: today.adding(1)))
    #expect(record.bytes.count == LogRecord.byteCount)
  }

  /// An overflow page for each would double what a change of a crowd writes.
  @Test func `the rows of logs share pages`() async throws {
    let server = try TemporaryServer()
    try server.openStore().close()
    let before = try server.read("server.sqlite").count
    let store = try server.openStore()
    let workload = Workload(random: SeededRandom(seed: 1))
    for _ in 0..<60 { _ = try await workload.log(in: store) }
    try store.close()
    let pageCount = try (server.read("server.sqlite").count - before) / Schema.pageByteCount
    // Two to four in a page, since names come in any order; with an overflow page for each it is over 60.
    #expect(pageCount < 40)
  }

  @Test func `the bytes of all days count, and no others`() {
    var record = LogRecord(writeKey: name, administrators: [name], creation: name)
    for day in UInt32(1)...4 { record.advance(expires: today.adding(day), byteCount: ServerLimits.logByteCount / 4) }
    #expect(!record.hasRoom(byteCount: 1, today: today))
    #expect(record.hasRoom(byteCount: 0, today: today))
    #expect(record.hasRoom(byteCount: ServerLimits.logByteCount / 4, today: today.adding(1)))
    #expect(!record.hasRoom(byteCount: ServerLimits.logByteCount / 4 + 1, today: today.adding(1)))
  }
}
