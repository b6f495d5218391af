#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Files that only their owner may read.
enum OwnerFile {
  static func exists(_ path: String) -> Bool {
    // `unsafe`: the string is passed as a C string for the duration of the call.
    unsafe access(path, F_OK) == 0
  }

  /// The permissions of a file, or nil when there is none.
  static func mode(_ path: String) -> mode_t? {
    var status = stat()
    // The system writes the value during the call.
    return unsafe stat(path, &status) == 0 ? status.st_mode : nil
  }

  /// Replaces the file at `path` in one step: after a crash there is the old content or the new one.
  static func replace(_ path: String, with bytes: [UInt8]) throws(TLSMaterialError) {
    let newPath = path + ".new"
    // A crash may have left one behind, perhaps with other permissions.
    _ = unsafe unlink(newPath)
    let descriptor = unsafe open(newPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw .cannotWrite(errno: errno) }
    do {
      try write(bytes, to: descriptor)
    } catch {
      _ = close(descriptor)
      throw error
    }
    guard close(descriptor) == 0 else { throw .cannotWrite(errno: errno) }
    guard unsafe rename(newPath, path) == 0 else { throw .cannotWrite(errno: errno) }
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(TLSMaterialError) {
    var written = 0
    while written < bytes.count {
      let rest = bytes[written...]
      // `unsafe`: the system reads `rest.count` bytes of the slice's storage, which is held during the call.
      let count = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .cannotWrite(errno: errno)
      }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw .cannotWrite(errno: errno) }
  }
}

/// The system's `write`, under a name that the member above does not hide.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
