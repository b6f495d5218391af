import SystemFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Files and directories that only their owner may read, with this adapter's errors.
enum PrivateFiles {
  static func exists(_ path: String) -> Bool { SystemFile.exists(path) }

  /// The size of a file, or nil when there is none.
  static func byteCount(_ path: String) -> Int? { SystemFile.byteCount(path) }

  static func isDirectory(_ path: String) -> Bool { SystemFile.isDirectory(path) }

  /// Makes a directory if it is missing, and closes it to others.
  ///
  /// - Parameter staysOwn: what root makes is not left to the owner of the directory around it.
  static func makeDirectory(_ path: String, staysOwn: Bool = false) throws(ServerStorageError) {
    try translated { () throws(SystemFailure) in
      try SystemFile.makeDirectory(path, staysOwn: staysOwn)
      try SystemFile.setMode(path, 0o700)
    }
  }

  /// What lies in a directory, in order.
  ///
  /// - Throws: `.missing` without the directory.
  static func names(in path: String) throws(ServerStorageError) -> [String] {
    do throws(SystemFailure) { return try SystemFile.names(in: path) } catch {
      throw error.isMissing ? .missing : .system(errno: error.errno)
    }
  }

  /// Makes an empty file if it is missing, and closes it to others.
  static func touch(_ path: String) throws(ServerStorageError) {
    try translated { () throws(SystemFailure) in
      try SystemFile.touch(path)
      try SystemFile.setMode(path, 0o600)
    }
  }

  /// Removes a file that may be missing.
  static func remove(_ path: String) throws(ServerStorageError) {
    try translated { () throws(SystemFailure) in try SystemFile.remove(path) }
  }

  /// The first `limit` bytes of a file.
  ///
  /// - Throws: `.missing`; `.keysExposed` for one that others may read.
  static func readPrivate(_ path: String, limit: Int) throws(ServerStorageError) -> [UInt8] {
    let (bytes, isExposed): ([UInt8], Bool)
    do throws(SystemFailure) { (bytes, isExposed) = try SystemFile.read(path, limit: limit) } catch {
      throw error.isMissing ? .missing : .system(errno: error.errno)
    }
    guard !isExposed else { throw .keysExposed }
    return bytes
  }

  /// Writes a file in one step, and returns when it is on disk: after a crash there is the old content or the new one.
  static func replace(_ path: String, with bytes: [UInt8]) throws(ServerStorageError) {
    try translated { () throws(SystemFailure) in try SystemFile.replace(path, with: bytes) }
  }

  /// Makes the names in a directory durable.
  static func synchronizeDirectory(_ path: String) throws(ServerStorageError) {
    try translated { () throws(SystemFailure) in try SystemFile.flush(path) }
  }

  /// Returns when a file that somebody else wrote is on disk.
  static func synchronize(_ path: String) throws(ServerStorageError) { try synchronizeDirectory(path) }

  static func translated<Value>(_ body: () throws(SystemFailure) -> Value) throws(ServerStorageError) -> Value {
    do { return try body() } catch { throw ServerStorageError(error) }
  }

  // MARK: Locks

  /// Takes the file for this process alone, until the descriptor is closed or the process ends in any way.
  static func lock(_ path: String) throws(ServerStorageError) -> Int32 {
    if !exists(path) { try touch(path) }
    // `unsafe`: the string is lent to the system as a C string for the duration of the call.
    let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw ServerStorageError(.last()) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      _ = close(descriptor)
      throw code == EWOULDBLOCK ? .inUse : .system(errno: code)
    }
    return descriptor
  }

  static func unlock(_ descriptor: Int32) { _ = close(descriptor) }
}
