/// What an operator can be told about a data directory without opening the database.
extension ServerDirectory {
  /// The socket on which a running server answers its operator.
  public var socketFile: String { file("server.socket") }

  /// Whether there is a server's data in it.
  public var exists: Bool { PrivateFiles.exists(databaseFile) }

  /// Bytes of the database and of its write-ahead log.
  public var databaseByteCounts: (database: Int, log: Int) {
    (PrivateFiles.byteCount(databaseFile) ?? 0, PrivateFiles.byteCount(databaseFile + "-wal") ?? 0)
  }

  /// Bytes that are free where the directory lies.
  public var freeByteCount: Int { DiskSpace(of: path).freeByteCount() ?? 0 }

  /// Whether a server has the directory.
  public var isInUse: Bool {
    guard PrivateFiles.exists(file("server.lock")) else { return false }
    do throws(ServerStorageError) {
      PrivateFiles.unlock(try PrivateFiles.lock(file("server.lock")))
      return false
    } catch { return error == .inUse }
  }

  private var backupMark: String { file("server.backup") }

  /// When the last backup ended, seconds since 1970; nil when none is known of.
  public var lastBackup: UInt64? {
    guard let bytes = try? PrivateFiles.readPrivate(backupMark, limit: 32) else { return nil }
    return UInt64(String(decoding: bytes, as: UTF8.self))
  }

  /// Remembers that a backup ended.
  ///
  /// - Parameter time: seconds since 1970.
  public func rememberBackup(at time: UInt64) throws(ServerStorageError) {
    try PrivateFiles.replace(backupMark, with: Array(String(time).utf8))
  }
}
