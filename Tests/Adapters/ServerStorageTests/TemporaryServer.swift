import Foundation
import GRDB
import MailboxEngine
import MailboxStoreConformance

@testable import ServerStorage

/// A data directory of its own for each test, deleted with the value.
final class TemporaryServer: Sendable {
  let path: String
  let directory: ServerDirectory

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    directory = ServerDirectory(path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func openStore(checking: Bool = false) throws -> SQLiteMailboxStore {
    try directory.openStore(creating: true, checking: checking)
  }

  /// A store under limits, on a disk of which so much is free.
  func openStore(
    limits: StorageLimits, free: @escaping @Sendable () -> Int? = { .max }, takesMore: @escaping @Sendable () -> Bool = { true },
    observer: @escaping StoreObserver = { _ in }
  ) throws -> SQLiteMailboxStore {
    let veil = try directory.keys(creating: true).veil
    let disk = DiskSpace(freeByteCount: free, takesMore: takesMore)
    return try SQLiteMailboxStore(
      path: directory.databaseFile, veil: veil, checking: true, limits: limits, disk: disk, observer: observer)
  }

  func fixture() throws -> StoreFixture {
    let store = try openStore()
    return StoreFixture(store: store) { [self] in
      try store.close()
      return try openStore(checking: true)
    }
  }

  /// Somebody who reads the database as it is now until `rollback`, as a backup does.
  func reader() throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.allowsUnsafeTransactions = true
    let reader = try DatabaseQueue(path: file("server.sqlite"), configuration: configuration)
    try reader.inDatabase { db in
      try db.beginTransaction(.deferred)
      _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM upkeep")
    }
    return reader
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: URL(filePath: file(name))) }

  func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file(name)))) }

  /// The content of all files.
  func everything() throws -> [UInt8] {
    try FileManager.default.contentsOfDirectory(atPath: path).flatMap { try read($0) }
  }

  func permissions(_ name: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: file(name))[.posixPermissions] as? Int
  }
}

extension [UInt8] {
  func contains(bytes: [UInt8]) -> Bool { Data(self).range(of: Data(bytes)) != nil }
}
