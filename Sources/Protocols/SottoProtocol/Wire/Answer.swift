public import WireFormat

/// What became of one recipient of a send or append (docs/protocol.md §7).
public enum RecipientAnswer: UInt8, Sendable, Hashable, WireCodable {
  /// The copy is on the server's disk.
  case accepted = 1
  /// No such mailbox, or no such delivery key: one answer for both.
  case refused = 2
  /// The mailbox is full.
  case full = 3

  public init(from reader: inout ByteReader) throws(WireError) {
    let value = try reader.readUInt8()
    guard let answer = RecipientAnswer(rawValue: value) else { throw .invalidValue(UInt64(value)) }
    self = answer
  }

  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
}

/// An entry of a handle log with its place.
public struct LogEntry: Hashable, Sendable, WireCodable {
  public var slot: UInt64
  public var frame: [UInt8]

  public init(slot: UInt64, frame: [UInt8]) {
    self.slot = slot
    self.frame = frame
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    slot = try reader.readCounter()
    frame = try FrameBytes.read(from: &reader)
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(slot)
    writer.writeVector(frame)
  }
}

/// A server's answer to a `Request` (docs/protocol.md §7).
public enum Answer: Hashable, Sendable, WireCodable {
  case registered
  /// A voucher, key, mailbox, capability or log that the server does not know: one answer for all.
  case refused
  case sent([RecipientAnswer])
  case created
  case appended([RecipientAnswer])
  /// This very entry already stands in this slot.
  case duplicate
  /// Another entry stands there; `nextSlot` is free.
  case conflict(nextSlot: UInt64)
  /// Entries in slot order, as many as fit; `firstSlot` is the oldest that the server still has.
  case entries(firstSlot: UInt64, nextSlot: UInt64, [LogEntry])
  case groupInfo([UInt8])
  case claimed([UInt8])
  case rotated
  /// Not applied; try again later.
  case busy
  /// One blind signature for each blinded token, in their order.
  case redeemed([BlindNumber])
  /// The token is spent, or no issuer key of the present, for this kind of token, has signed it; another one may do.
  case tokenRefused
  /// The server has no such issuer key, or has it no more: its statement names those of the present.
  case issuerUnknown
  /// The log holds as much as a log may; there is room again when entries expire.
  case logFull
  /// Not applied: the server takes nothing at present that needs room. To be asked again after so many seconds.
  case noRoom(retrySeconds: UInt32)
  case object(ObjectState)
  case objectBytes([UInt8])
  case objectDeleted
  /// The server has no room for it.
  case overQuota

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .registered
    case 2: self = .refused
    case 3: self = .sent(try reader.readList(maxCount: Limits.recipientCount))
    case 4: self = .created
    case 5: self = .appended(try reader.readList(maxCount: Limits.recipientCount))
    case 6: self = .duplicate
    case 7: self = .conflict(nextSlot: try reader.readCounter())
    case 8:
      self = .entries(
        firstSlot: try reader.readCounter(), nextSlot: try reader.readCounter(), try reader.readList(limit: Limits.callByteCount))
    case 9: self = .groupInfo(try FrameBytes.read(from: &reader))
    case 10: self = .claimed(try reader.readVector(limit: Limits.blobByteCount))
    case 11: self = .rotated
    case 12: self = .busy
    case 13: self = .redeemed(try reader.readBlindNumbers(maxCount: Limits.tokensPerVoucher))
    case 14: self = .tokenRefused
    case 15: self = .issuerUnknown
    case 16: self = .logFull
    case 17: self = .noRoom(retrySeconds: try reader.readUInt32())
    case 32: self = .object(try reader.read())
    case 33: self = .objectBytes(try reader.readVector(limit: Limits.objectPieceByteCount))
    case 34: self = .objectDeleted
    case 35: self = .overQuota
    default: throw .invalidValue(UInt64(type))
    }
  }

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .registered: writer.write(UInt8(1))
    case .refused: writer.write(UInt8(2))
    case .sent(let answers):
      writer.write(UInt8(3))
      writer.writeList(answers)
    case .created: writer.write(UInt8(4))
    case .appended(let answers):
      writer.write(UInt8(5))
      writer.writeList(answers)
    case .duplicate: writer.write(UInt8(6))
    case .conflict(let nextSlot):
      writer.write(UInt8(7))
      writer.write(nextSlot)
    case .entries(let firstSlot, let nextSlot, let entries):
      writer.write(UInt8(8))
      writer.write(firstSlot)
      writer.write(nextSlot)
      writer.writeList(entries)
    case .groupInfo(let frame):
      writer.write(UInt8(9))
      writer.writeVector(frame)
    case .claimed(let blob):
      writer.write(UInt8(10))
      writer.writeVector(blob)
    case .rotated: writer.write(UInt8(11))
    case .busy: writer.write(UInt8(12))
    case .redeemed(let signatures):
      writer.write(UInt8(13))
      writer.writeList(signatures)
    case .tokenRefused: writer.write(UInt8(14))
    case .issuerUnknown: writer.write(UInt8(15))
    case .logFull: writer.write(UInt8(16))
    case .noRoom(let retrySeconds):
      writer.write(UInt8(17))
      writer.write(retrySeconds)
    case .object(let state):
      writer.write(UInt8(32))
      writer.write(state)
    case .objectBytes(let bytes):
      writer.write(UInt8(33))
      writer.writeVector(bytes)
    case .objectDeleted: writer.write(UInt8(34))
    case .overQuota: writer.write(UInt8(35))
    }
  }
}
