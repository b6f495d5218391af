#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reading and writing of open files: all that was asked for, however the system cuts it, and however often it is interrupted.
public enum DescriptorIO {
  private static let chunkByteCount = 64 << 10

  /// Reads at a place, wherever the file stands.
  ///
  /// - Returns: fewer bytes than asked for only at the end of the file.
  public static func read(_ descriptor: Int32, at offset: UInt64, count: Int) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      // `unsafe`: the system writes at most the rest of the array's storage, which is held during the call.
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(descriptor, buffer.baseAddress?.advanced(by: done), count - done, off_t(clamping: offset) + off_t(done))
      }
      if read < 0 {
        let failure = SystemFailure.last()
        if failure.errno == EINTR { continue }
        throw failure
      }
      if read == 0 { return Array(bytes.prefix(done)) }
      done += read
    }
    return bytes
  }

  /// Writes at a place, wherever the file stands.
  ///
  /// - Throws: with a beginning of the bytes written, or none.
  public static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: UInt64) throws(SystemFailure) {
    var done = 0
    while done < bytes.count {
      // `unsafe`: the system reads at most the rest of the array's storage, which is held during the call.
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe pwrite(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(clamping: offset) + off_t(done))
      }
      try count(written, &done)
    }
  }

  /// Reads on from where the file stands, at most `limit` bytes.
  ///
  /// - Returns: fewer only at the end of the file.
  public static func readOn(_ descriptor: Int32, limit: Int) throws(SystemFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(limit, chunkByteCount))
    while bytes.count < limit {
      let wanted = min(chunk.count, limit - bytes.count)
      // `unsafe`: the system writes at most `wanted` bytes of the array's storage, which is held during the call.
      let read = unsafe chunk.withUnsafeMutableBytes { unsafe systemRead(descriptor, $0.baseAddress, wanted) }
      if read < 0 {
        let failure = SystemFailure.last()
        if failure.errno == EINTR { continue }
        throw failure
      }
      if read == 0 { break }
      bytes += chunk.prefix(read)
    }
    return bytes
  }

  /// Writes on from where the file stands.
  ///
  /// - Throws: with a beginning of the bytes written, or none.
  public static func writeOn(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) throws(SystemFailure) {
    var done = 0
    while done < bytes.count {
      let rest = bytes.dropFirst(done)
      // `unsafe`: the system reads `$0.count` bytes of the slice's storage, which is held during the call.
      let written = unsafe rest.withUnsafeBytes { unsafe systemWrite(descriptor, $0.baseAddress, $0.count) }
      try count(written, &done)
    }
  }

  /// Returns when what was written is on disk.
  ///
  /// - Throws: then nobody knows what of it is, and a second call that succeeds says nothing about it.
  public static func flush(_ descriptor: Int32) throws(SystemFailure) {
    guard fsync(descriptor) == 0 else { throw .last() }
  }

  private static func count(_ written: Int, _ done: inout Int) throws(SystemFailure) {
    guard written < 0 else { return done += written }
    let failure = SystemFailure.last()
    if failure.errno != EINTR { throw failure }
  }
}

/// The system's calls, under names that the members above do not hide; passed on as they come.
private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  unsafe read(descriptor, bytes, count)
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
