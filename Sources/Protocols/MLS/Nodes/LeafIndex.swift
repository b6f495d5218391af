public import WireFormat

/// The position of a member among the leaves of the ratchet tree, counted from the left (RFC 9420 §4.1).
public struct LeafIndex: RawRepresentable, Sendable, Hashable, Comparable, WireCodable {
  /// From 0.
  public let rawValue: UInt32

  /// The leaf at this place.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// The leaf at this place.
  public init(_ value: UInt32) { rawValue = value }

  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
  public init(from reader: inout ByteReader) throws(WireError) { rawValue = try reader.readUInt32() }
  public static func < (left: LeafIndex, right: LeafIndex) -> Bool { left.rawValue < right.rawValue }
}
