import CryptoSuite
import Foundation
import GRDB
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import MailboxEngine
@testable import ServerStorage

@Suite struct AtRestTests {
  @Test func `no file holds an identifier, a permission or its hash, or what was said`() async throws {
    let directory = try TemporaryServer()
    let store = try directory.openStore()
    let server = try EngineFixture(store: store)
    let random = server.random
    let key = Permission.random(using: random)
    let mailboxes = [try await server.makeMailbox(deliveryKeys: [key]), try await server.makeMailbox(deliveryKeys: [key])]
    let send = SendID.random(using: random)
    let frame = server.frame("the canary sings in the mailbox")
    #expect(
      try await server.call(.send(id: send, frame: frame, recipients: mailboxes.map { $0.recipient(key) }))
        == .sent([.accepted, .accepted]))
    let (handle, writeKey) = (HandleID.random(using: random), Permission.random(using: random))
    let admin = SignatureAlgorithm.ed25519.generateKey(using: random)
    let administrators = [PublicKey32(trusted: admin.publicKey)]
    #expect(
      try await server.call(
        .createLog(token: server.token(), handle: handle, writeKeyHash: writeKey.hash, administratorKeys: administrators)) == .created)
    let append = LogAppend(
      handle: handle, slot: 0, writeKey: writeKey, entry: server.frame(), rotation: nil, groupInfo: [],
      recipients: mailboxes.map { $0.recipient(key) })
    #expect(try await server.call(.append(append)) == .appended([.accepted, .accepted]))
    let capability = Permission.random(using: random)
    let stream = try await server.attach(mailboxes[0])
    try await stream.send(.publish(id: 1, capabilityHash: capability.hash, days: 1, blobs: [[1, 2, 3]]))
    try await stream.send(.vouchers(id: 2, count: 1))
    guard case .vouchers(2, let vouchers)? = await stream.messages.last else { throw FixtureError.unexpectedAnswer }

    let files = try directory.everything()
    let name = server.secrets.names.mailbox(mailboxes[0].id).name.bytes
    #expect(files.contains(bytes: name), "the search finds what is there")
    let canaries: [(String, [UInt8])] = [
      ("mailbox", mailboxes[0].id.bytes), ("mailbox", mailboxes[1].id.bytes), ("delivery key", key.bytes),
      ("its hash", key.hash.bytes), ("send", send.bytes), ("frame", Array(frame.prefix(24))),
      ("frame", Array(frame.suffix(24))), ("handle", handle.bytes), ("write key", writeKey.bytes),
      ("its hash", writeKey.hash.bytes), ("administrator", admin.publicKey), ("capability", capability.bytes),
      ("its hash", capability.hash.bytes), ("voucher", vouchers[0].bytes), ("its hash", vouchers[0].hash.bytes),
    ]
    for (name, bytes) in canaries { #expect(!files.contains(bytes: bytes), "\(name)") }
  }

  @Test(arguments: [false, true])
  func `what was acknowledged is gone from every file once the log is cut, or the server stops`(stops: Bool) async throws {
    let directory = try TemporaryServer()
    let store = try directory.openStore()
    let server = try EngineFixture(store: store)
    let key = Permission.random(using: server.random)
    let mailbox = try await server.makeMailbox(deliveryKeys: [key])
    for _ in 0..<20 {
      let frame = server.random.bytes(4_096)
      _ = try await server.call(.send(id: .random(using: server.random), frame: frame, recipients: [mailbox.recipient(key)]))
    }
    let stream = try await server.attach(mailbox)
    let envelopes = await stream.envelopes
    #expect(envelopes.count == 20)
    try await store.truncateLog()
    #expect(try directory.read("server.sqlite-wal").isEmpty)
    var files = try directory.everything()
    var count = try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE length(sealed) > 0") }
    #expect(count == 40)
    let rows = try await store.pool.read { try Data.fetchAll($0, sql: "SELECT sealed FROM envelopes").map(Array.init) }
    #expect(rows.allSatisfy { files.contains(bytes: $0) }, "a cell lies in one piece")
    try await stream.send(.acknowledge(cursor: envelopes[19].cursor))
    if stops {
      try store.close()
    } else {
      try await store.truncateLog()
      count = try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM envelopes WHERE length(sealed) > 0") }
      #expect(count == 0)
    }
    files = try directory.everything()
    for row in rows {
      for start in stride(from: 0, to: row.count - 32, by: 256) { #expect(!files.contains(bytes: Array(row[start..<start + 32]))) }
    }
  }

  /// The rows of a page that begin with a name of the database, under a heading: by that name, what the last cell says.
  private static func documented(_ page: String, _ heading: String) throws -> [String: String] {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/\(page)")
    let lines = try String(contentsOf: page.standardized, encoding: .utf8).split(separator: "\n")
    let section = lines.drop { $0 != "## \(heading)" }.dropFirst().prefix { !$0.hasPrefix("## ") }
    let head = try #require(section.first { $0.hasPrefix("|") })
    var found: [String: String] = [:]
    for line in section where line.hasPrefix("| `") {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
        .map { $0.trimmingCharacters(in: .whitespaces) }
      let name = cells[0].replacing("`", with: "")
      #expect(cells.count == head.split(separator: "|").count, "\(name)")
      // A column that reveals nothing says so.
      #expect(cells.allSatisfy { !$0.isEmpty }, "an empty cell in the row of \(name)")
      #expect(found.updateValue(cells[cells.count - 1], forKey: name) == nil, "\(name) stands there twice")
    }
    return found
  }

  private static func ofToday() throws -> [String: String] { try documented("operating.md", "What its disk tells a thief") }

  @Test func `docs/operating.md lists every table and column with what it reveals, and no others; of tables it says what the drill says`()
    throws
  {
    let directory = try TemporaryServer()
    let columns = try Self.columns(directory.openStore())
    let tables = Set(columns.compactMap { $0.split(separator: ".").first.map(String.init) })
    let documented = try Self.ofToday()
    #expect(Set(documented.keys) == columns.union(tables))
    for table in tables { #expect(documented[table] == TableMeanings.sentence(for: table), "\(table)") }
    #expect(TableMeanings.sentence(for: "leaks") == nil)
  }

  private static func columns(_ store: SQLiteMailboxStore) throws -> Set<String> {
    try store.pool.read { db in
      let tables = try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
      return Set(
        try tables.flatMap { table in
          try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table]).map { "\(table).\($0)" }
        })
    }
  }

  @Test func `docs/at-rest.md lists every table and column of an older version with what it reveals, and no others`() throws {
    let old = try TemporaryServer()
    try OldSchema.make(old)
    let columns = try Self.columns(old.openStore())
    let ofToday = Set(try Self.ofToday().keys.filter { $0.contains(".") })
    #expect(columns.subtracting(ofToday) == Set(try Self.documented("at-rest.md", "Tables of an older version").keys))
    #expect(columns.isSuperset(of: ofToday))
  }
}
