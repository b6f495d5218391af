#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Copying of private files, and looking through directories.
extension PrivateFiles {
  private static let chunkByteCount = 1 << 20

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    // `unsafe`, here and below: strings are lent to the system as C strings, and values for it to write, during the call.
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// What lies in a directory, without the two names that every one has.
  static func names(in path: String) throws(ServerStorageError) -> [String] {
    guard let directory = unsafe opendir(path) else { throw errno == ENOENT ? .missing : .system(errno: errno) }
    defer { _ = unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // The system ends the name with a zero within the entry, which stays valid until the next call.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: name.pointee)) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Copies a file into a new one that only its owner may read, and returns when it is on disk.
  ///
  /// - Throws: `.missing` without the first, `.exists` with the second.
  static func copy(_ source: String, to destination: String) throws(ServerStorageError) {
    let input = unsafe open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw errno == ENOENT ? .missing : .system(errno: errno) }
    defer { _ = close(input) }
    let output = unsafe open(destination, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard output >= 0 else { throw errno == EEXIST ? .exists : .system(errno: errno) }
    defer { _ = close(output) }
    var buffer = [UInt8](repeating: 0, count: chunkByteCount)
    while true {
      // The system writes at most the array's bytes, which are held during the call.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe systemRead(input, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(errno: errno)
      }
      if count == 0 { break }
      try writeAll(buffer[..<count], to: output)
    }
    guard fsync(output) == 0 else { throw .system(errno: errno) }
  }

  /// Returns when a file that somebody else wrote is on disk.
  static func synchronize(_ path: String) throws(ServerStorageError) { try synchronizeDirectory(path) }
}
