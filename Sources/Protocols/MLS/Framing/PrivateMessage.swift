public import WireFormat

/// A signed and encrypted message (RFC 9420 §6.3).
public struct PrivateMessage: Sendable, Hashable {
  /// The group that the message is for.
  public var groupID: [UInt8]
  /// The epoch whose keys open it.
  public var epoch: UInt64
  /// What it holds; readable to whoever carries it.
  public var contentType: ContentType
  /// The application's own: authenticated, not encrypted.
  public var authenticatedData: [UInt8]
  /// Which key of which sender opens the content.
  public var encryptedSenderData: [UInt8]
  /// The content, its signature and padding, encrypted.
  public var ciphertext: [UInt8]

  init(
    groupID: [UInt8], epoch: UInt64, contentType: ContentType, authenticatedData: [UInt8],
    encryptedSenderData: [UInt8], ciphertext: [UInt8]
  ) {
    self.groupID = groupID
    self.epoch = epoch
    self.contentType = contentType
    self.authenticatedData = authenticatedData
    self.encryptedSenderData = encryptedSenderData
    self.ciphertext = ciphertext
  }
}

extension PrivateMessage: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(groupID)
    writer.write(epoch)
    contentType.encode(into: &writer)
    writer.writeVector(authenticatedData)
    writer.writeVector(encryptedSenderData)
    writer.writeVector(ciphertext)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    groupID = try reader.readVector()
    epoch = try reader.readUInt64()
    contentType = try ContentType(from: &reader)
    authenticatedData = try reader.readVector()
    encryptedSenderData = try reader.readVector()
    ciphertext = try reader.readVector()
  }
}

/// Which key of which sender opens a private message (RFC 9420 §6.3.2).
struct SenderData: Hashable {
  var leafIndex: LeafIndex
  var generation: UInt32
  /// Four bytes.
  var reuseGuard: [UInt8]
}

extension SenderData: WireCodable {
  func encode(into writer: inout ByteWriter) {
    leafIndex.encode(into: &writer)
    writer.write(generation)
    writer.writeBytes(reuseGuard)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    leafIndex = try LeafIndex(from: &reader)
    generation = try reader.readUInt32()
    reuseGuard = try reader.readBytes(4)
  }
}
