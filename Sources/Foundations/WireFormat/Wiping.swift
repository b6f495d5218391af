#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension UnsafeMutableRawBufferPointer {
  /// Overwrites the memory with zeros, through a function of the C library that an optimiser may not leave out even
  /// where nobody reads the memory again.
  public func wipe() {
    guard let start = baseAddress else { return }
    // The buffer is the caller's, and this writes no more than its length.
    #if canImport(Darwin)
      unsafe memset_s(start, count, 0, count)
    #else
      unsafe explicit_bzero(start, count)
    #endif
  }
}

extension [UInt8] {
  /// Overwrites the bytes with zeros. Only where nothing else holds this array: otherwise its storage stays with the
  /// other, and what is wiped is a copy.
  public mutating func wipe() {
    // The pointer is valid in the closure and only written to.
    unsafe withUnsafeMutableBytes { unsafe $0.wipe() }
  }
}
