#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Files and directories that only their owner may read.
enum PrivateFiles {
  static func exists(_ path: String) -> Bool {
    // `unsafe`, here and below: a string is lent to the system as a C string for the duration of the call.
    unsafe access(path, F_OK) == 0
  }

  /// Makes a directory if it is missing, and closes it to others.
  static func makeDirectory(_ path: String) throws(ServerStorageError) {
    guard unsafe mkdir(path, mode_t(0o700)) == 0 || errno == EEXIST else { throw .system(errno: errno) }
    guard unsafe chmod(path, mode_t(0o700)) == 0 else { throw .system(errno: errno) }
  }

  /// Makes an empty file if it is missing, and closes it to others.
  static func touch(_ path: String) throws(ServerStorageError) {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw .system(errno: errno) }
    defer { _ = close(descriptor) }
    guard fchmod(descriptor, mode_t(0o600)) == 0 else { throw .system(errno: errno) }
  }

  /// Removes a file that may be missing.
  static func remove(_ path: String) throws(ServerStorageError) {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .system(errno: errno) }
  }

  /// The first `limit` bytes of a file.
  ///
  /// - Throws: `.keysExposed` for one that others may read.
  static func readPrivate(_ path: String, limit: Int) throws(ServerStorageError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw errno == ENOENT ? .missing : .system(errno: errno) }
    defer { _ = close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .system(errno: errno) }
    guard status.st_mode & 0o077 == 0 else { throw .keysExposed }
    var bytes = [UInt8](repeating: 0, count: limit)
    var count = 0
    while count < limit {
      // The system writes at most the rest of the array's storage, which is held during the call.
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe systemRead(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
      }
      if read < 0 {
        if errno == EINTR { continue }
        throw .system(errno: errno)
      }
      if read == 0 { break }
      count += read
    }
    return Array(bytes.prefix(count))
  }

  /// Writes a file in one step, and returns when it is on disk: after a crash there is the old content or the new one.
  static func replace(_ path: String, with bytes: [UInt8]) throws(ServerStorageError) {
    let newPath = path + ".new"
    // A crash may have left one behind, perhaps with other permissions.
    _ = unsafe unlink(newPath)
    let descriptor = unsafe open(newPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw .system(errno: errno) }
    do {
      defer { _ = close(descriptor) }
      try write(bytes, to: descriptor)
    }
    guard unsafe rename(newPath, path) == 0 else { throw .system(errno: errno) }
    let slash = path.lastIndex(of: "/")
    try synchronizeDirectory(slash.map { String(path[...$0]) } ?? ".")
  }

  /// Takes the file for this process alone, until the descriptor is closed or the process ends in any way.
  static func lock(_ path: String) throws(ServerStorageError) -> Int32 {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw .system(errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      _ = close(descriptor)
      throw code == EWOULDBLOCK ? .inUse : .system(errno: code)
    }
    return descriptor
  }

  static func unlock(_ descriptor: Int32) { _ = close(descriptor) }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(ServerStorageError) {
    try writeAll(bytes[...], to: descriptor)
    guard fsync(descriptor) == 0 else { throw .system(errno: errno) }
  }

  static func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) throws(ServerStorageError) {
    var rest = bytes
    while !rest.isEmpty {
      // The system reads `rest.count` bytes of the slice's storage, which is held during the call.
      let count = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(errno: errno)
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Makes the names in a directory durable.
  static func synchronizeDirectory(_ path: String) throws(ServerStorageError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(errno: errno) }
    defer { _ = close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system(errno: errno) }
  }
}

/// The system's calls, under names that the members above do not hide; passed on as they come.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}

func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  unsafe read(descriptor, bytes, count)
}
