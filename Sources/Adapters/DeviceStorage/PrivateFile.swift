#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Files and directories that only their owner may enter, read and write.
enum PrivateFile {
  static func exists(_ path: String) -> Bool {
    // `unsafe`, here and below: a string is lent to the system as a C string for the duration of the call.
    unsafe access(path, F_OK) == 0
  }

  /// Makes the directory and the ones above it, for its owner only.
  static func makeDirectory(_ path: String) throws(ProfileError) {
    guard !exists(path) else { return }
    let parent = parent(of: path)
    if parent != path { try makeDirectory(parent) }
    // unsafe: see `exists`.
    guard unsafe mkdir(path, mode_t(0o700)) == 0 || errno == EEXIST else { throw .system(errno: errno) }
  }

  static func closeToOthers(_ path: String, mode: mode_t) throws(ProfileError) {
    // unsafe: see `exists`.
    guard unsafe chmod(path, mode) == 0 else { throw .system(errno: errno) }
  }

  /// The names in a directory, without `.` and `..`.
  static func names(in path: String) throws(ProfileError) -> [String] {
    // unsafe: the handle is closed below, and each entry is read before the next call replaces it.
    guard let directory = unsafe opendir(path) else { throw .system(errno: errno) }
    defer { _ = unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // unsafe: the system ends the name with a zero within the entry.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Reads a whole file, refusing one larger than `limit` bytes.
  ///
  /// - Parameter refusesExposed: whether a file that others may read or change is refused, with `.exposed`.
  static func read(_ path: String, limit: Int, refusesExposed: Bool = false) throws(ProfileError) -> [UInt8] {
    // unsafe: see `exists`.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw errno == ENOENT ? .missing : .system(errno: errno) }
    defer { _ = close(descriptor) }
    if refusesExposed {
      var status = stat()
      // unsafe: the system fills the structure, which is held during the call.
      guard unsafe fstat(descriptor, &status) == 0 else { throw .system(errno: errno) }
      guard status.st_mode & 0o077 == 0 else { throw .exposed }
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      // unsafe: the system writes at most `$0.count` bytes into the array's storage, which is held during the call.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe systemRead(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(errno: errno)
      }
      if count == 0 { return bytes }
      guard bytes.count + count <= limit else { throw .damaged }
      bytes += chunk.prefix(count)
    }
  }

  /// Makes an empty file if there is none.
  static func touch(_ path: String) throws(ProfileError) {
    // unsafe: see `exists`.
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode_t(0o600))
    guard descriptor >= 0 else { throw .system(errno: errno) }
    _ = close(descriptor)
  }

  /// Makes a file of these bytes, which must not be there yet.
  static func create(_ path: String, _ bytes: [UInt8]) throws(ProfileError) {
    // unsafe: see `exists`.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw errno == EEXIST ? .exists : .system(errno: errno) }
    defer { _ = close(descriptor) }
    try write(bytes, to: descriptor)
    try synchronize(parent(of: path))
  }

  /// Replaces the file in one step, durably: after a crash there is the old content or the new one. The bytes of the old
  /// file are overwritten, for what that is worth on the medium below.
  ///
  /// - Parameter beforeStep: called before each thing that reaches the disk.
  static func replace(_ path: String, with bytes: [UInt8], beforeStep: () -> Void) throws(ProfileError) {
    let fresh = path + ".new"
    // A crash may have left one behind. unsafe: see `exists`.
    _ = unsafe unlink(fresh)
    let old = unsafe open(path, O_WRONLY | O_CLOEXEC)
    defer { if old >= 0 { _ = close(old) } }
    beforeStep()
    try create(fresh, bytes)
    beforeStep()
    guard unsafe rename(fresh, path) == 0 else { throw .system(errno: errno) }
    beforeStep()
    try synchronize(parent(of: path))
    beforeStep()
    if old >= 0 { try overwrite(old) }
  }

  static func remove(_ path: String) throws(ProfileError) {
    // unsafe: see `exists`.
    guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .system(errno: errno) }
  }

  private static func overwrite(_ descriptor: Int32) throws(ProfileError) {
    let length = lseek(descriptor, 0, SEEK_END)
    guard length >= 0, lseek(descriptor, 0, SEEK_SET) == 0 else { throw .system(errno: errno) }
    try write([UInt8](repeating: 0, count: Int(length)), to: descriptor)
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(ProfileError) {
    var written = 0
    while written < bytes.count {
      let rest = bytes[written...]
      // unsafe: the system reads `$0.count` bytes of the slice's storage, which is held during the call.
      let count = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(errno: errno)
      }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw .system(errno: errno) }
  }

  /// Makes the names in a directory durable.
  private static func synchronize(_ directory: String) throws(ProfileError) {
    // unsafe: see `exists`.
    let descriptor = unsafe open(directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(errno: errno) }
    defer { _ = close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system(errno: errno) }
  }

  private static func parent(of path: String) -> String {
    var components = path.split(separator: "/", omittingEmptySubsequences: true)
    guard !components.isEmpty else { return path.hasPrefix("/") ? "/" : "." }
    components.removeLast()
    if path.hasPrefix("/") { return "/" + components.joined(separator: "/") }
    return components.isEmpty ? "." : components.joined(separator: "/")
  }
}

/// The system's calls, under names that the members above do not hide.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  // unsafe: passed on as it came.
  unsafe write(descriptor, bytes, count)
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  // unsafe: passed on as it came.
  unsafe read(descriptor, bytes, count)
}
