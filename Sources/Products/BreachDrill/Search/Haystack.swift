import Foundation

/// Reads files, and ranges of what can be read like a file, piece by piece, so that their size costs no memory.
package struct Haystack {
  private static let pieceByteCount = 4 << 20

  private let descriptor: Int32
  private let label: String

  /// - Returns: nil when it cannot be opened, or is no file.
  package static func open(_ path: String, label: String) -> Haystack? {
    // `unsafe`, here and below: the string is lent to the system, and the system writes the status, during the call.
    let descriptor = unsafe Foundation.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      _ = Foundation.close(descriptor)
      return nil
    }
    return Haystack(descriptor: descriptor, label: label)
  }

  package func close() { _ = Foundation.close(descriptor) }

  /// Searches everything up to the end, or a range of it; a part of the range that cannot be read ends it.
  package func search(_ search: CanarySearch, in range: Range<UInt64>? = nil, into findings: inout Findings) {
    var offset = range?.lowerBound ?? 0
    let end = range?.upperBound ?? UInt64(Int64.max)
    while offset < end {
      let wanted = min(UInt64(Self.pieceByteCount + search.overlap), end - offset)
      let bytes = Self.read(descriptor, at: offset, count: Int(wanted))
      guard !bytes.isEmpty else { return }
      let isLast = bytes.count <= Self.pieceByteCount
      let own = isLast ? bytes.count : Self.pieceByteCount
      if !Self.isZero(bytes) {
        search.search(bytes, beginningBefore: own, at: label, offset, into: &findings)
      } else {
        findings.byteCount += UInt64(own)
      }
      if isLast && UInt64(bytes.count) < wanted { return }
      offset += UInt64(own)
    }
  }

  /// The first bytes.
  func beginning(byteCount: Int) -> [UInt8] { Self.read(descriptor, at: 0, count: byteCount) }

  /// Never inlined: the array must be filled before anything can free it.
  @inline(never)
  private static func read(_ descriptor: Int32, at offset: UInt64, count: Int) -> [UInt8] {
    // `unsafe`: the system writes at most what is left of the `count` bytes that the array has room for.
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = 0
      while filled < count {
        let got = unsafe pread(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, off_t(offset) + off_t(filled))
        if got < 0 && errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
    }
  }

  /// Untouched memory is zeros for the most part.
  private static func isZero(_ bytes: [UInt8]) -> Bool {
    guard bytes.first == 0 else { return false }
    // `unsafe`: both ranges lie within the array's storage: all bytes equal the one before them.
    return unsafe bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return true }
      return unsafe memcmp(base, base + 1, bytes.count - 1) == 0
    }
  }
}
