public import WireFormat

/// What an application message holds (docs/protocol.md §9).
public struct Content: Hashable, Sendable, WireCodable {
  private static let version: UInt8 = 1

  /// The author's name for the message; with the author it says which message is meant.
  public var id: MessageID
  /// Counts the author device's messages in this conversation from 1, across epochs; 0 in those that are for one device only.
  public var sequence: UInt64
  /// Milliseconds since 1970 by the author's clock; for display only.
  public var sentAt: UInt64
  /// What the author had seen of the others.
  public var heads: [Head]
  public var epochAuthenticator: [UInt8]
  public var body: ContentBody

  public init(id: MessageID, sequence: UInt64, sentAt: UInt64, heads: [Head], epochAuthenticator: [UInt8], body: ContentBody) {
    self.id = id
    self.sequence = sequence
    self.sentAt = sentAt
    self.heads = heads
    self.epochAuthenticator = epochAuthenticator
    self.body = body
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == Content.version else { throw .invalidValue(UInt64(version)) }
    id = try reader.read()
    sequence = try reader.readCounter()
    sentAt = try reader.readUInt64()
    heads = try reader.readList(maxCount: Limits.headCount)
    epochAuthenticator = try reader.readVector(limit: 64)
    let type = try reader.readUInt16()
    let critical = try reader.readUInt8()
    guard critical <= 1 else { throw .invalidValue(UInt64(critical)) }
    let fallback = try reader.readVector(limit: Limits.textByteCount)
    let payload = try reader.readVector(limit: Limits.frameByteCount)
    body = try ContentBody(type: type, critical: critical == 1, fallback: fallback, payload: payload)
    guard (sequence > 0) == body.isCounted else { throw .invalidValue(sequence) }
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(Content.version)
    writer.write(id)
    writer.write(sequence)
    writer.write(sentAt)
    writer.writeList(heads)
    writer.writeVector(epochAuthenticator)
    writer.write(body.type)
    writer.write(UInt8(body.isCritical ? 1 : 0))
    writer.writeVector(body.fallback)
    writer.writeVector(body.payload)
  }
}

/// The highest sequence of a device that was seen without a gap.
public struct Head: Hashable, Sendable, WireCodable {
  /// The device's signature key.
  public var device: PublicKey32
  public var sequence: UInt64

  public init(device: PublicKey32, sequence: UInt64) {
    self.device = device
    self.sequence = sequence
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    device = try reader.read()
    sequence = try reader.readCounter()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(device)
    writer.write(sequence)
  }
}
