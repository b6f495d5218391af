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
      guard !PrivateFiles.exists(databaseFile) else { throw .keysMissing }
      guard creating else { throw .missing }
      try ServerKeys.make().write(to: keysFile)
    }
    return try ServerKeys(readingFrom: keysFile)
  }

  /// Opens the database. Its keys are made, or must be there, as `keys(creating:)` says.
  ///
  /// - Parameters:
  ///   - creating: makes it if it is missing.
  ///   - checking: reads all of it first, to find damage before clients do.
  ///   - observer: hears what an operator's figures count.
  public func openStore(
    creating: Bool, checking: Bool, observer: @escaping StoreObserver = { _ in }
  ) throws(ServerStorageError) -> SQLiteMailboxStore {
    let veil = try keys(creating: creating).veil
    if !PrivateFiles.exists(databaseFile) {
      guard creating else { throw .missing }
      // SQLite gives the files that it makes beside the database the permissions of the database.
      try PrivateFiles.touch(databaseFile)
      try PrivateFiles.synchronizeDirectory(path)
    }
    return try SQLiteMailboxStore(path: databaseFile, veil: veil, checking: checking, observer: observer)
  }

  /// Opens the place of the files that people send each other, and makes it if it is missing.
  ///
  /// - Parameter quota: bytes that they may take together.
  public func openObjects(quota: UInt64 = ServerLimits.objectQuotaByteCount) throws(ServerStorageError) -> FileObjectStore {
    try FileObjectStore(path: objectsDirectory, quota: quota)
  }

  /// Remembers under which address clients reach the server, for links that are made later.
  public func rememberAddress(_ address: String) throws(ServerStorageError) {
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
