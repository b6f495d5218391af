import Foundation

/// Reading and writing at places of an open file.
enum DescriptorIO {
  struct Failure: Error {
    var errno: Int32
  }

  /// - Returns: fewer bytes than asked for only at the end of the file.
  static func read(_ descriptor: Int32, at offset: UInt64, count: Int) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      // `unsafe`: the system writes at most the rest of the array's storage, which is held during the call.
      let read = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(descriptor, buffer.baseAddress?.advanced(by: done), count - done, off_t(offset) + off_t(done))
      }
      if read < 0 {
        if errno == EINTR { continue }
        throw Failure(errno: errno)
      }
      if read == 0 { return Array(bytes.prefix(done)) }
      done += read
    }
    return bytes
  }

  static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: UInt64) throws(Failure) {
    var done = 0
    while done < bytes.count {
      // `unsafe`: the system reads at most the rest of the array's storage, which is held during the call.
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe pwrite(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset) + off_t(done))
      }
      if written < 0 {
        if errno == EINTR { continue }
        throw Failure(errno: errno)
      }
      done += written
    }
  }
}
