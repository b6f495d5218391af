import GRDB

extension Schema {
  /// What opening a database may change in its tables.
  enum Change {
    /// Nothing: they have to be of this version.
    case none
    /// Tables of an older version become those of this one.
    case update
    /// The same, and a file without tables gets them.
    case make
  }

  /// Looks whether a database may become one of this version.
  ///
  /// - Throws: `.databaseMissing` for a file without tables: a database that lost all but its first page, or its log, is like one that
  ///   is gone. `.serverOlder` for one of an older version.
  static func permit(_ change: Change, version: Int, tableCount: Int) throws(ServerStorageError) {
    if change != .make, version == 0, tableCount == 0 { throw .databaseMissing }
    if change == .none, (1..<Self.version).contains(version) { throw .serverOlder }
  }

  /// Whether a file of a database has no tables.
  static func isEmpty(path: String) throws -> Bool {
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    return try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_schema") == 0 }
  }
}
