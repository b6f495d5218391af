public import WireFormat

/// A value of a fixed number of bytes that travels as exactly those bytes, without a length.
///
/// Identifiers and key hashes conform. None of them describes its content, so that none reaches a log by accident.
public protocol FixedBytes: Hashable, Sendable, WireCodable, CustomStringConvertible, CustomReflectable {
  /// How many bytes a value has.
  static var byteCount: Int { get }
  /// The value's bytes, `byteCount` of them.
  var bytes: [UInt8] { get }
  /// Makes a value of bytes that are known to be `byteCount` long; others break an invariant.
  init(trusted bytes: [UInt8])
}

extension FixedBytes {
  /// A value of these bytes, or nil when their count is another than `byteCount`.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.init(trusted: bytes)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    self.init(trusted: try reader.readBytes(Self.byteCount))
  }

  public func encode(into writer: inout ByteWriter) { writer.writeBytes(bytes) }

  public var description: String { "\(Self.self)" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A person: SHA-256 of the genesis entry of the device log (docs/protocol.md §5).
public struct IdentityID: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// Where a device receives; random, and pointing at nobody (docs/protocol.md §7).
public struct MailboxID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// The random name under which a conversation's log stands at its server (docs/protocol.md §8).
public struct HandleID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// The author's name for one message, the same however often it is sent (docs/protocol.md §9).
public struct MessageID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// What makes a send known again when it is repeated (docs/protocol.md §7).
public struct SendID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// What makes a claim known again when it is repeated, by its claimer's choice (docs/protocol.md §7).
public struct ClaimID: FixedBytes {
  public static let byteCount = 16
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// SHA-256 of a key, voucher or capability: what a server keeps in place of the value itself.
public struct KeyHash: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// The name of an object on a server: SHA-256 of its write key. Knowing it is the permission to read (docs/protocol.md §13).
public struct ObjectID: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// A raw 32-byte public key: Ed25519 (RFC 8032) or X25519 (RFC 7748), as the field says.
public struct PublicKey32: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// An Ed25519 signature (RFC 8032).
public struct Signature64: FixedBytes {
  public static let byteCount = 64
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// A 32-byte value whose knowledge is a permission: a delivery key, write key, capability or voucher.
public struct Permission: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}
