import GRDB
import Synchronization
import SystemFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Copies of a data directory that can be put back.
///
/// A copy is a directory with the same names in it. The database in it is one moment of the original, put together anew by
/// SQLite, so that it holds no freed pages and has no log beside it.
extension ServerDirectory {
  /// What goes into a copy.
  public enum BackupParts: Sendable {
    case everything
    /// The database and the stored objects, which say little without the keys.
    case withoutKeys
    /// What opens them, and makes the server the one that links name.
    case keysOnly
  }

  private static let keyNames = ["server.keys", "server.issuer", "server.tls.pem", "server.address", "server.reports.key"]
  /// More openings of the database than lie between a copy and the end of its original: one each minute for 45 days. Only a server
  /// that starts counts as one. A database can be restored 60 times.
  private static let bootStep = 1 << 16

  /// Copies the directory, whether or not a server runs on it. Everything accepted before the call is in the copy.
  ///
  /// - Parameter destination: a directory that is not there yet; it appears when all of it is on disk and verified.
  /// - Returns: the size of the copy, and what is free beside it.
  /// - Throws: `.exists` for one that is there, `.missing` without data, `.tooLittleRoom` before anything is written.
  @discardableResult
  public func backUp(to destination: String, parts: BackupParts) throws(ServerStorageError) -> BackupSize {
    try backUp(to: destination, parts: parts, disk: DiskSpace(of: SystemFile.parent(of: ServerDirectory(destination).path)))
  }

  /// - Parameter disk: where the copy goes.
  func backUp(to destination: String, parts: BackupParts, disk: DiskSpace) throws(ServerStorageError) -> BackupSize {
    let copy = ServerDirectory(destination)
    guard !PrivateFiles.exists(copy.path) else { throw .exists }
    guard exists else { throw .missing }
    var size = try backupSize(parts)
    if let free = disk.freeByteCount(), free < size.needed { throw .tooLittleRoom(needed: size.needed, free: free) }
    let partial = ServerDirectory("\(copy.path).\(getpid()).partial")
    // Keys: not for whoever the directory around it belongs to.
    try PrivateFiles.makeDirectory(partial.path, staysOwn: true)
    do throws(ServerStorageError) {
      if parts != .withoutKeys {
        for name in Self.keyNames where PrivateFiles.exists(file(name)) { try PrivateFiles.copy(file(name), to: partial.file(name)) }
        _ = try ServerKeys(readingFrom: partial.keysFile)
      }
      if parts != .keysOnly {
        try copyDatabase(to: partial.databaseFile)
        try copyFiles(to: partial)
      }
      try PrivateFiles.synchronizeDirectory(partial.path)
      size = partial.size(parts)
    } catch {
      partial.remove()
      throw error
    }
    // `unsafe`, here and below: strings are lent to the system as C strings for the duration of the call.
    guard unsafe rename(partial.path, copy.path) == 0 else {
      let failure = SystemFailure.last()
      partial.remove()
      throw ServerStorageError(failure)
    }
    try PrivateFiles.synchronizeDirectory(SystemFile.parent(of: copy.path))
    size.free = disk.freeByteCount()
    size.isOnServersDisk = SystemFile.areTogether(path, copy.path)
    return size
  }

  /// What a copy will take. The database is counted as SQLite knows it, without freed pages and with its log.
  private func backupSize(_ parts: BackupParts) throws(ServerStorageError) -> BackupSize {
    var size = size(parts)
    guard parts != .keysOnly else { return size }
    let counted = Mutex(0)
    try withDatabase(databaseFile, isReadOnly: true) { db in
      // In one transaction, or the numbers are of different moments.
      try db.inTransaction(.deferred) {
        let numbers = try ["page_count", "freelist_count", "page_size"].map { try Int.fetchOne(db, sql: "PRAGMA \($0)") ?? 0 }
        let (bytes, overflow) = max(0, numbers[0] - numbers[1]).multipliedReportingOverflow(by: numbers[2])
        counted.withLock { $0 = overflow ? .max : bytes }
        return .commit
      }
    }
    size.database = counted.withLock { $0 }
    return size
  }

  /// What lies here of the parts of a copy, the database's file as it is.
  private func size(_ parts: BackupParts) -> BackupSize {
    var size = BackupSize()
    guard parts != .keysOnly else { return size }
    size.database = PrivateFiles.byteCount(databaseFile) ?? 0
    for path in [objectsDirectory, reports.folder.path] { size.addFiles(below: path) }
    return size
  }

  /// Makes this directory from a copy.
  ///
  /// An older copy than the last state of its original brings back what was acknowledged since, which devices know to be
  /// repeated; what was accepted since is lost. Sequences go on above all that the original ever gave out.
  ///
  /// - Parameters:
  ///   - source: a copy.
  ///   - keys: another copy that has the keys, if this one was made without them.
  /// - Throws: `.exists` where there is something already, `.missing` and `.keysMissing` for a copy that is not whole.
  public func restore(from source: String, keys: String?) throws(ServerStorageError) {
    let copy = ServerDirectory(source)
    let keyCopy = ServerDirectory(keys ?? source)
    guard copy.exists else { throw .missing }
    guard PrivateFiles.exists(keyCopy.keysFile) else { throw .keysMissing }
    try PrivateFiles.makeDirectory(path)
    // The lock is what a start leaves that came to nothing.
    guard try PrivateFiles.names(in: path).allSatisfy({ $0 == "server.lock" }) else { throw .exists }
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    try copy.copyFiles(to: self)
    // Under another name until it may be used, and the keys last: without keys no server starts, whatever else is there. So a restore
    // that is cut off leaves nothing that a server would start with.
    let newFile = file("server.restored")
    try PrivateFiles.copy(copy.databaseFile, to: newFile)
    try raiseBoot(newFile)
    guard unsafe rename(newFile, databaseFile) == 0 else { throw ServerStorageError(.last()) }
    try PrivateFiles.synchronizeDirectory(path)
    for name in Self.keyNames.reversed() where PrivateFiles.exists(keyCopy.file(name)) {
      try PrivateFiles.copy(keyCopy.file(name), to: file(name))
    }
    try PrivateFiles.synchronizeDirectory(path)
  }

  private func copyDatabase(to destination: String) throws(ServerStorageError) {
    // SQLite would make it with other permissions.
    try PrivateFiles.touch(destination)
    try withDatabase(databaseFile, isReadOnly: true) { db in
      try db.execute(sql: "VACUUM INTO ?", arguments: [destination])
    }
    try withDatabase(destination, isReadOnly: true) { db in
      guard try String.fetchOne(db, sql: "PRAGMA integrity_check(1)") == "ok" else { throw ServerStorageError.databaseDamaged }
    }
    try PrivateFiles.synchronize(destination)
  }

  private func raiseBoot(_ file: String) throws(ServerStorageError) {
    try withDatabase(file, isReadOnly: false) { db in
      guard try Int.fetchOne(db, sql: "PRAGMA application_id") == Schema.applicationID else { throw ServerStorageError.notADatabase }
      guard try String.fetchOne(db, sql: "PRAGMA integrity_check(1)") == "ok" else { throw ServerStorageError.databaseDamaged }
      // The first version counted in each mailbox's own row; opening it gives it a number of its own.
      guard try db.columns(in: "upkeep").contains(where: { $0.name == "boot" }) else { return }
      try db.execute(sql: "UPDATE upkeep SET boot = boot + ?", arguments: [Self.bootStep])
    }
    try PrivateFiles.synchronize(file)
  }

  private func withDatabase(
    _ file: String, isReadOnly: Bool, _ body: @escaping (Database) throws -> Void
  ) throws(ServerStorageError) {
    var configuration = Configuration()
    configuration.readonly = isReadOnly
    configuration.busyMode = .timeout(30)
    do {
      let queue = try DatabaseQueue(path: file, configuration: configuration)
      try queue.writeWithoutTransaction(body)
      try queue.close()
    } catch let error as ServerStorageError {
      throw error
    } catch let error as DatabaseError {
      throw ServerStorageError(error)
    } catch { throw .databaseDamaged }
  }

  /// Copies stored objects and reports.
  private func copyFiles(to other: ServerDirectory) throws(ServerStorageError) {
    var objects = ObjectCopy(from: objectsDirectory, to: other.objectsDirectory)
    try objects.run()
    let (folder, copy) = (reports.folder, other.reports.folder)
    guard folder.exists else { return }
    try PrivateFiles.makeDirectory(copy.path)
    for name in try folder.names() {
      do throws(ServerStorageError) { try PrivateFiles.copy("\(folder.path)/\(name)", to: "\(copy.path)/\(name)") } catch {
        // What has been read and deleted meanwhile is no loss.
        guard error == .missing else { throw error }
      }
    }
    try PrivateFiles.synchronizeDirectory(copy.path)
  }

  /// Removes a copy that did not come to its end.
  private func remove() {
    for name in (try? PrivateFiles.names(in: path)) ?? [] {
      let inner = ServerDirectory(file(name))
      if PrivateFiles.isDirectory(inner.path) { inner.remove() } else { _ = unsafe unlink(inner.path) }
    }
    _ = unsafe rmdir(path)
  }
}
