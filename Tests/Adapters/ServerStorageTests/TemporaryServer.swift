import Foundation
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
    limits: StorageLimits, free: @escaping @Sendable () -> Int? = { .max }, observer: @escaping StoreObserver = { _ in }
  ) throws -> SQLiteMailboxStore {
    let veil = try directory.keys(creating: true).veil
    return try SQLiteMailboxStore(
      path: directory.databaseFile, veil: veil, checking: true, limits: limits, disk: DiskSpace(freeByteCount: free), observer: observer)
  }

  func fixture() throws -> StoreFixture {
    let store = try openStore()
    return StoreFixture(store: store) { [self] in
      try store.close()
      return try openStore(checking: true)
    }
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
