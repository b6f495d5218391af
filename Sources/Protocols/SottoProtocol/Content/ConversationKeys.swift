public import CryptoSuite
public import WireFormat

/// The GroupInfo extension `sotto_keys`, 0xF0A5: what a newcomer needs beside MLS (docs/protocol.md §8).
public struct ConversationKeys: Sendable, WireCodable {
  public static let extensionType: UInt16 = 0xF0A5
  private static let version: UInt8 = 1

  /// Counts the removals.
  public var generation: UInt64
  /// The slot after the commit that adds the reader.
  public var nextSlot: UInt64
  /// 32 bytes.
  public var wrapKey: Secret
  public var writeKey: Permission

  public init(generation: UInt64, nextSlot: UInt64, wrapKey: Secret, writeKey: Permission) {
    self.generation = generation
    self.nextSlot = nextSlot
    self.wrapKey = wrapKey
    self.writeKey = writeKey
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == ConversationKeys.version else { throw .invalidValue(UInt64(version)) }
    generation = try reader.readCounter()
    nextSlot = try reader.readCounter()
    wrapKey = Secret(try reader.readBytes(32))
    writeKey = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(ConversationKeys.version)
    writer.write(generation)
    writer.write(nextSlot)
    writer.writeBytes(wrapKey.exposedBytes)
    writer.write(writeKey)
  }
}

/// The leaf extension `sotto_delivery`, 0xF0A3: where a member's device receives (docs/protocol.md §6).
public struct DeliveryCapability: Hashable, Sendable, WireCodable {
  public static let extensionType: UInt16 = 0xF0A3

  public var recipient: Recipient
  /// Ed25519, for the handle log of this conversation.
  public var administratorKey: PublicKey32

  public init(recipient: Recipient, administratorKey: PublicKey32) {
    self.recipient = recipient
    self.administratorKey = administratorKey
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    recipient = try reader.read()
    administratorKey = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(recipient)
    writer.write(administratorKey)
  }
}

/// The leaf extension `sotto_name`, 0xF0A6: what a member calls itself, for members only (docs/protocol.md §6).
public struct MemberName: Hashable, Sendable, WireCodable {
  public static let extensionType: UInt16 = 0xF0A6

  public let text: String

  /// - Returns: nil for a name that is empty or over the limit.
  public init?(_ text: String) {
    guard !text.isEmpty, text.utf8.count <= Limits.nameByteCount else { return nil }
    self.text = text
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    guard let name = MemberName(try reader.readText(limit: Limits.nameByteCount)) else { throw .invalidValue(0) }
    self = name
  }

  public func encode(into writer: inout ByteWriter) { writer.writeVector(Array(text.utf8)) }
}
