/// How a file of some size lies in an object on a server (docs/protocol.md §13).
///
/// The content is filled with zeros up to a size class, cut into segments, and each segment is sealed by itself.
public struct AttachmentLayout: Hashable, Sendable {
  /// Bytes of the plaintext of a segment: small enough to be checked before a byte of it is used, large enough that 16 bytes of tag are nothing.
  public static let segmentByteCount = 65_536
  /// Bytes that sealing adds to a segment.
  public static let tagByteCount = 16
  /// Bytes of a sealed segment; the last one may be shorter.
  public static let sealedSegmentByteCount = segmentByteCount + tagByteCount

  /// Bytes of the file.
  public let contentByteCount: UInt64
  /// Bytes of the file with its padding.
  public let paddedByteCount: UInt64

  /// - Returns: nil for more than `Limits.attachmentByteCount`.
  public init?(contentByteCount: UInt64) {
    guard contentByteCount <= Limits.attachmentByteCount else { return nil }
    self.contentByteCount = contentByteCount
    paddedByteCount = max(UInt64(Self.segmentByteCount), Self.padded(contentByteCount))
  }

  /// The size class of a length: Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019).
  ///
  /// Of a number with E + 1 binary digits, only the first ⌊log₂ E⌋ + 1 after the leading one may be anything: at most 12 % more bytes,
  /// and of the size O(log log n) bits are seen.
  static func padded(_ count: UInt64) -> UInt64 {
    guard count >= 2 else { return count }
    let exponent = 63 - count.leadingZeroBitCount
    let kept = 64 - UInt64(exponent).leadingZeroBitCount
    guard exponent > kept else { return count }
    let mask = (UInt64(1) << UInt64(exponent - kept)) - 1
    return (count + mask) & ~mask
  }

  /// Segments; at least one.
  public var segmentCount: UInt64 { (paddedByteCount - 1) / UInt64(Self.segmentByteCount) + 1 }

  /// Bytes of the object, all that a server sees of the size.
  public var objectByteCount: UInt64 { paddedByteCount + segmentCount * UInt64(Self.tagByteCount) }

  /// Bytes of a segment's plaintext.
  ///
  /// - Parameter segment: below `segmentCount`.
  func plaintextByteCount(of segment: UInt64) -> Int {
    Int(min(UInt64(Self.segmentByteCount), paddedByteCount - segment * UInt64(Self.segmentByteCount)))
  }

  /// Bytes of the file in a segment; the rest of it is padding.
  ///
  /// - Parameter segment: below `segmentCount`.
  public func contentByteCount(of segment: UInt64) -> Int {
    let start = segment * UInt64(Self.segmentByteCount)
    return start >= contentByteCount ? 0 : Int(min(UInt64(Self.segmentByteCount), contentByteCount - start))
  }

  /// Bytes of a sealed segment.
  ///
  /// - Parameter segment: below `segmentCount`.
  public func sealedByteCount(of segment: UInt64) -> Int { plaintextByteCount(of: segment) + Self.tagByteCount }

  /// Where a segment begins in the object; for `segmentCount`, the object's end.
  public func objectOffset(of segment: UInt64) -> UInt64 {
    min(segment * UInt64(Self.sealedSegmentByteCount), objectByteCount)
  }

  /// Segments that are whole in the first bytes of the object.
  public func segmentCount(inObjectBytes count: UInt64) -> UInt64 {
    count >= objectByteCount ? segmentCount : count / UInt64(Self.sealedSegmentByteCount)
  }
}
