#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Asks how much of a disk is free. Tests put a number of their own in its place.
struct DiskSpace: Sendable {
  /// Bytes that this user may still write; nil where the system does not say.
  let freeByteCount: @Sendable () -> Int?

  init(freeByteCount: @escaping @Sendable () -> Int?) { self.freeByteCount = freeByteCount }

  /// The disk on which a directory lies.
  init(of path: String) {
    freeByteCount = {
      var status = statvfs()
      // `unsafe`: the string is lent to the system, which writes the value during the call.
      guard unsafe statvfs(path, &status) == 0 else { return nil }
      let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
      return overflow ? .max : Int(clamping: bytes)
    }
  }
}
