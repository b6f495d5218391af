public import MailboxEngine

/// A server's data directory: the database, and apart from it the keys without which the database says little.
public struct ServerDirectory: Sendable {
  let path: String

  public init(_ path: String) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  var keysFile: String { file("server.keys") }
  /// The number of the last opening of the database by a server, kept apart from it.
  var markFile: String { file("server.mark") }
  var addressFile: String { file("server.address") }
  /// The keys that tokens are signed with.
  var issuerFile: String { file("server.issuer") }
  var databaseFile: String { file("server.sqlite") }
  var objectsDirectory: String { file("objects") }
  /// Where the TLS key and certificate lie.
  public var tlsFile: String { file("server.tls.pem") }

  /// Makes the directory if it is missing, and takes it for this process alone.
  ///
  /// - Throws: `.inUse` while another server has it.
  public func lock() throws(ServerStorageError) -> ServerLock {
    try PrivateFiles.makeDirectory(path)
    return ServerLock(descriptor: try PrivateFiles.lock(file("server.lock")))
  }

  /// The server's keys.
  ///
  /// - Parameter creating: makes new ones for a directory that is empty.
  /// - Throws: `.missing` for a directory without data, `.keysMissing` for one that lost its keys.
  public func keys(creating: Bool) throws(ServerStorageError) -> ServerKeys {
    if !PrivateFiles.exists(keysFile) {
      // An empty file is what a first start leaves that was cut off.
      guard (PrivateFiles.byteCount(databaseFile) ?? 0) == 0 else { throw .keysMissing }
      guard creating else { throw .missing }
      // Before the keys: keys without a file of the database say that the database is lost. SQLite gives the files that it makes
      // beside the database the permissions of the database.
      try PrivateFiles.touch(databaseFile)
      try PrivateFiles.synchronizeDirectory(path)
      try ServerKeys.make().write(to: keysFile)
    }
    return try ServerKeys(readingFrom: keysFile)
  }

  /// Opens the database. Its keys are made, or must be there, as `keys(creating:)` says.
  ///
  /// - Parameters:
  ///   - creating: makes it in a directory that is empty.
  ///   - checking: reads all of it first, to find damage before clients do.
  ///   - limits: how much it may take.
  ///   - observer: hears what an operator's figures count.
  /// - Throws: `.databaseMissing` where there are keys and no database, or an empty one although a server has run.
  public func openStore(
    creating: Bool, checking: Bool, limits: StorageLimits = StorageLimits(), observer: @escaping StoreObserver = { _ in }
  ) throws(ServerStorageError) -> SQLiteMailboxStore {
    let mark = try prepareDatabase(creating: creating)
    let store = try SQLiteMailboxStore(
      path: databaseFile, veil: keys(creating: false).veil, checking: checking, change: creating && mark == nil ? .make : .update,
      mark: mark ?? 0, limits: limits, observer: observer)
    if let opening = store.opening {
      do throws(ServerStorageError) { try PrivateFiles.replace(markFile, with: Array(String(opening).utf8)) } catch {
        // With an older number less is noticed of what a disk forgets; that is no reason to keep owners from their mailboxes.
        guard error == .diskFull else { throw error }
      }
    }
    return store
  }

  /// Opens the database to add vouchers, beside a server that may be running.
  ///
  /// - Parameter limits: the server's; vouchers are added within them, too.
  /// - Throws: `.serverOlder` for a database of an older version while a server uses it, which would not understand it afterwards.
  public func openStoreForInviting(limits: StorageLimits = StorageLimits()) throws(ServerStorageError) -> SQLiteMailboxStore {
    let mark = try prepareDatabase(creating: false)
    let veil = try keys(creating: false).veil
    func open(_ change: Schema.Change) throws(ServerStorageError) -> SQLiteMailboxStore {
      do throws(ServerStorageError) {
        return try SQLiteMailboxStore(path: databaseFile, veil: veil, checking: false, purpose: .inviting, change: change, limits: limits)
      } catch { throw error == .databaseMissing && mark == nil ? .missing : error }
    }
    do throws(ServerStorageError) { return try open(.none) } catch {
      guard error == .serverOlder else { throw error }
    }
    // Nobody serves it meanwhile, in whatever version.
    let lock: ServerLock
    do throws(ServerStorageError) { lock = try self.lock() } catch { throw error == .inUse ? .serverOlder : error }
    defer { withExtendedLifetime(lock) {} }
    return try open(.update)
  }

  /// Makes an empty database for keys that lost theirs: the server that links name, with nobody on it.
  ///
  /// - Throws: `.exists` where there is anything but an empty database, `.missing` without keys, `.inUse`.
  public func makeNewDatabase() throws(ServerStorageError) {
    guard PrivateFiles.exists(keysFile) else { throw .missing }
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    guard (PrivateFiles.byteCount(databaseFile) ?? 0) == 0 || (try? Schema.isEmpty(path: databaseFile)) == true else { throw .exists }
    // What a lost database left beside it would be taken for the new one's.
    for suffix in ["", "-wal", "-shm"] { try PrivateFiles.remove(databaseFile + suffix) }
    try PrivateFiles.touch(databaseFile)
    let store = try SQLiteMailboxStore(path: databaseFile, veil: keys(creating: false).veil, checking: false, mark: mark() ?? 0)
    do { try store.close() } catch { throw .database(code: 0) }
    try PrivateFiles.synchronizeDirectory(path)
  }

  /// - Returns: the highest number of an opening that is known beside the database; nil where no server has run yet.
  private func prepareDatabase(creating: Bool) throws(ServerStorageError) -> UInt64? {
    _ = try keys(creating: creating)
    let mark = try mark()
    switch PrivateFiles.byteCount(databaseFile) {
    case nil: throw .databaseMissing
    // The file of a first start that was cut off, unless a server has run since.
    case 0? where mark != nil || !creating: throw mark == nil ? .missing : .databaseMissing
    default: return mark
    }
  }

  /// Nil where no server has run yet, 0 where the file says nothing.
  private func mark() throws(ServerStorageError) -> UInt64? {
    guard PrivateFiles.exists(markFile) else { return nil }
    return UInt64(String(decoding: try PrivateFiles.readPrivate(markFile, limit: 32), as: UTF8.self)) ?? 0
  }

  /// Opens the place of the files that people send each other, and makes it if it is missing.
  ///
  /// - Parameters:
  ///   - quota: bytes that they may take together.
  ///   - minimumFreeByteCount: bytes of the disk that they leave free.
  public func openObjects(
    quota: UInt64 = ServerLimits.objectQuotaByteCount, minimumFreeByteCount: Int = 0
  ) throws(ServerStorageError) -> FileObjectStore {
    try FileObjectStore(path: objectsDirectory, quota: quota, minimumFreeByteCount: minimumFreeByteCount)
  }

  /// Remembers under which address clients reach the server, for links that are made later.
  public func rememberAddress(_ address: String) throws(ServerStorageError) {
    // A start on a full disk writes what has changed, and nothing else.
    if let known = try? self.address(), known == address { return }
    try PrivateFiles.replace(addressFile, with: Array(address.utf8))
  }

  /// The address that clients reach the server under, if it ever ran.
  public func address() throws(ServerStorageError) -> String {
    String(decoding: try PrivateFiles.readPrivate(addressFile, limit: 1_024), as: UTF8.self)
  }
}

/// Keeps a data directory for this process while it lives.
public final class ServerLock: Sendable {
  private let descriptor: Int32

  init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { PrivateFiles.unlock(descriptor) }
}
