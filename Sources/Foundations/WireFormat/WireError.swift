/// Why bytes were refused by a ``ByteReader``; always the sender's fault, and never carrying the bytes themselves.
public enum WireError: Error, Equatable, Sendable {
  /// The input ends before the value does; both counts are in bytes.
  case truncated(needed: Int, available: Int)
  /// Bytes are left over after a complete value.
  case trailingBytes(count: Int)
  /// A vector length written in more bytes than it needs, or with the reserved prefix `11` (RFC 9420 §2.1.2).
  case nonMinimalLength
  /// A vector or list longer than the caller allows.
  case lengthOverLimit(length: Int, limit: Int)
  /// A field holds a number that its type does not define.
  case invalidValue(UInt64)
  /// A list's byte length does not fall on the border of an element.
  case misaligned
}
