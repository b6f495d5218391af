public import WireFormat

/// A two-byte value of one of the registries of RFC 9420 §17. Unknown values (GREASE among them) are kept, not refused.
public protocol CodePoint: RawRepresentable, WireCodable, Hashable, Sendable, Comparable where RawValue == UInt16 {
  /// The value with this number, known or not.
  init(rawValue: UInt16)
}

extension CodePoint {
  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
  public init(from reader: inout ByteReader) throws(WireError) { self.init(rawValue: try reader.readUInt16()) }
  /// Whether the value means nothing to anybody, and only shows whether unknown ones are passed over (GREASE, RFC 9420
  /// §13.5): 0x0A0A, 0x1A1A ... 0xEAEA. 0xFAFA is for private use.
  var isReserved: Bool { rawValue & 0x0F0F == 0x0A0A && rawValue >> 8 == rawValue & 0xFF && rawValue != 0xFAFA }
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The protocol version (RFC 9420 §6); this library speaks only ``mls10``.
public struct ProtocolVersion: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The version with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// MLS 1.0, RFC 9420.
  public static let mls10 = ProtocolVersion(rawValue: 1)
}

/// A byte string as an element of a list.
struct OpaqueVector: WireCodable {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector() }
  func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}

extension ByteReader {
  /// Reads a field that has one legal value.
  @_lifetime(self: copy self)
  mutating func expectVersion() throws(WireError) {
    let version = try readUInt16()
    guard version == ProtocolVersion.mls10.rawValue else { throw .invalidValue(UInt64(version)) }
  }
}
