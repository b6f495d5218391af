import SystemFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Copying of private files.
extension PrivateFiles {
  private static let chunkByteCount = 1 << 20

  /// Copies a file into a new one that only its owner may read, and returns when it is on disk.
  ///
  /// - Throws: `.missing` without the first, `.exists` with the second.
  static func copy(_ source: String, to destination: String) throws(ServerStorageError) {
    // `unsafe`, here and below: strings are lent to the system as C strings during the call.
    let input = unsafe open(source, O_RDONLY | O_CLOEXEC)
    guard input >= 0 else { throw errno == ENOENT ? .missing : ServerStorageError(.last()) }
    defer { _ = close(input) }
    let output = unsafe open(destination, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(0o600))
    guard output >= 0 else { throw errno == EEXIST ? .exists : ServerStorageError(.last()) }
    defer { _ = close(output) }
    try translated { () throws(SystemFailure) in
      try SystemFile.leaveToOwner(output, destination)
      while true {
        let chunk = try DescriptorIO.readOn(input, limit: chunkByteCount)
        if chunk.isEmpty { break }
        try DescriptorIO.writeOn(chunk[...], to: output)
      }
      try DescriptorIO.flush(output)
    }
  }
}
