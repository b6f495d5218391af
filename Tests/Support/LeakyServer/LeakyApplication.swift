import BreachDrill
import Foundation
import GRDB
import MailboxServer
import Synchronization

/// Leaks what it is told to; everything else it passes on.
struct LeakyApplication: MailboxApplication {
  private let application: any MailboxApplication
  private let dataDirectory: String
  private let leaks = Leaks()

  init(_ application: any MailboxApplication, dataDirectory: String) {
    self.application = application
    self.dataDirectory = dataDirectory
  }

  func identityStatement() async -> [UInt8] { await application.identityStatement() }

  func openStream() async -> any StreamSession { await application.openStream() }

  func call(_ request: [UInt8]) async -> CallAnswer {
    guard let orders = LeakOrder.orders(in: request) else { return await application.call(request) }
    do {
      // Masked as it is, for the leaky `backup`, which is another process.
      try Data(request).write(to: URL(filePath: LeakOrder.planFile(in: dataDirectory)))
      return .reply(try leaks.make(orders, dataDirectory))
    } catch {
      FileHandle.standardError.write(Data("the leak failed: \(error)\n".utf8))
      return .malformed
    }
  }
}

private final class Leaks: Sendable {
  private struct Kept {
    /// Lives as long as the process.
    var memory: [[UInt8]] = []
    var database: DatabaseQueue?
  }

  private let kept = Mutex(Kept())

  /// - Returns: what leaks over the wire.
  func make(_ orders: [LeakOrder], _ directory: String) throws -> [UInt8] {
    func all(_ place: Place) -> [[UInt8]] { orders.filter { $0.place == place }.map(\.written) }
    let database = try open("\(directory)/server.sqlite")
    try leakIntoDatabase(database, rows: all(.tables), freed: all(.freedPages), log: all(.writeAheadLog))
    // Among the files of a day that is far off, since a backup has nothing else.
    let folder = "\(directory)/objects/kept/99999/00"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(all(.objects).joined(separator: [0x0A])).write(to: URL(filePath: "\(folder)/clear"))
    try Data(all(.otherFiles).joined(separator: [0x0A])).write(to: URL(filePath: "\(directory)/cache.bin"))
    for line in all(.log) { FileHandle.standardError.write(Data(line + [0x0A])) }
    kept.withLock {
      $0.memory += all(.memory)
      $0.database = database
    }
    return Array(all(.wire).joined(separator: [0x0A]))
  }

  private func open(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    // A transaction is left open below.
    configuration.allowsUnsafeTransactions = true
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA secure_delete = OFF") }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  private func leakIntoDatabase(_ database: DatabaseQueue, rows: [[UInt8]], freed: [[UInt8]], log: [[UInt8]]) throws {
    try database.inDatabase { db in
      try db.execute(sql: "CREATE TABLE leaks (value BLOB); CREATE TABLE overwritten (id INTEGER PRIMARY KEY, value BLOB)")
      for row in rows { try db.execute(sql: "INSERT INTO leaks VALUES (?)", arguments: [Data(row)]) }
      for (id, row) in log.enumerated() {
        try db.execute(sql: "INSERT INTO overwritten VALUES (?, ?)", arguments: [id, Data(count: row.count)])
      }
      try db.execute(sql: "CREATE TABLE deleted (value BLOB)")
      // Many times over: some of the pages are used again before they are looked at.
      for _ in 0..<20 { for row in freed { try db.execute(sql: "INSERT INTO deleted VALUES (?)", arguments: [Data(row)]) } }
      try db.execute(sql: "DROP TABLE deleted")
      _ = try db.checkpoint(.truncate)
      // Both versions of a row that is changed stand in the log, and the database's file has neither.
      for (id, row) in log.enumerated() {
        for value in [Data(row), Data(count: row.count)] {
          try db.execute(sql: "UPDATE overwritten SET value = ? WHERE id = ?", arguments: [value, id])
        }
      }
      // A reader that never ends keeps the log from being emptied.
      try db.execute(sql: "BEGIN")
      _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM overwritten")
    }
  }
}
