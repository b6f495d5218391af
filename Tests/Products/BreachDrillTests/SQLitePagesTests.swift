import Foundation
import GRDB
import Testing

@testable import BreachDrill

@Suite struct SQLitePagesTests {
  private let canary = "deleted-and-yet-here-0123456789"

  /// A database with rows beside one that was deleted, and what is found in its free ranges and in all of it.
  private func hits(secureDelete: Bool, large: Bool) throws -> (free: Bool, whole: Bool, freePages: Int) {
    let file = FileManager.default.temporaryDirectory.appending(path: "pages-\(UUID().uuidString).sqlite")
    defer { try? FileManager.default.removeItem(at: file) }
    let queue = try DatabaseQueue(path: file.path)
    try queue.inDatabase { db in
      try db.execute(sql: "PRAGMA secure_delete = \(secureDelete ? "ON" : "OFF")")
      try db.execute(sql: "CREATE TABLE things (id INTEGER PRIMARY KEY, value BLOB)")
      for id in 1...50 {
        let text = (id == 25 ? canary : "an-ordinary-row-among-others-\(id)") + String(repeating: ".", count: large ? 9_000 : 40)
        try db.execute(sql: "INSERT INTO things VALUES (?, ?)", arguments: [id, Data(text.utf8)])
      }
      try db.execute(sql: "DELETE FROM things WHERE id = 25")
    }
    try queue.close()
    let bytes = [UInt8](try Data(contentsOf: file))
    let pages = try #require(SQLitePages(bytes))
    let search = CanarySearch([Canary("text", text: canary)])
    let other = CanarySearch([Canary("text", text: "an-ordinary-row-among-others-7")])
    // What lives is no free range.
    #expect(pages.freeRanges.allSatisfy { other.findings(in: Array(bytes[$0])).isEmpty })
    let free = pages.freeRanges.contains { !search.findings(in: Array(bytes[$0])).isEmpty }
    return (free, !search.findings(in: bytes).isEmpty, pages.freePages.count)
  }

  @Test(arguments: [false, true]) func `what was deleted and not overwritten is found in the free ranges`(_ large: Bool) throws {
    let hits = try hits(secureDelete: false, large: large)
    #expect(hits.free && hits.whole)
    #expect(hits.freePages > 0 || !large)
  }

  @Test(arguments: [false, true]) func `what was overwritten is not`(_ large: Bool) throws {
    let hits = try hits(secureDelete: true, large: large)
    #expect(!hits.free && !hits.whole)
  }

  @Test func `anything else is no database, and a damaged one does no harm`() throws {
    #expect(SQLitePages([]) == nil)
    #expect(SQLitePages([UInt8](repeating: 1, count: 4_096)) == nil)
    var state: UInt64 = 7
    for _ in 0..<200 {
      var bytes = Array("SQLite format 3\0".utf8)
      while bytes.count < 2_048 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(UInt8(truncatingIfNeeded: state >> 56))
      }
      bytes.replaceSubrange(16..<18, with: [2, 0])
      let pages = try #require(SQLitePages(bytes))
      #expect(pages.freeRanges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= bytes.count })
    }
  }
}
