public import WireFormat

/// One recipient of a frame: a mailbox, and the permission to write into it (docs/protocol.md §7).
public struct Recipient: Hashable, Sendable, WireCodable {
  public var mailbox: MailboxID
  public var deliveryKey: Permission

  public init(mailbox: MailboxID, deliveryKey: Permission) {
    self.mailbox = mailbox
    self.deliveryKey = deliveryKey
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    mailbox = try reader.read()
    deliveryKey = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(mailbox)
    writer.write(deliveryKey)
  }
}

/// A change of a handle log's keys, signed by one of its administrators (docs/protocol.md §8).
public struct Rotation: Hashable, Sendable, WireCodable {
  public var writeKeyHash: KeyHash
  public var administratorKeys: [PublicKey32]
  public var signer: PublicKey32
  public var signature: Signature64

  public init(writeKeyHash: KeyHash, administratorKeys: [PublicKey32], signer: PublicKey32, signature: Signature64) {
    self.writeKeyHash = writeKeyHash
    self.administratorKeys = administratorKeys
    self.signer = signer
    self.signature = signature
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    writeKeyHash = try reader.read()
    administratorKeys = try reader.readList(maxCount: Limits.administratorKeyCount)
    guard !administratorKeys.isEmpty else { throw .invalidValue(0) }
    signer = try reader.read()
    signature = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(writeKeyHash)
    writer.writeList(administratorKeys)
    writer.write(signer)
    writer.write(signature)
  }
}

/// What a client asks of a server on `POST /v1/call` (docs/protocol.md §7). Every request may be repeated.
public enum Request: Hashable, Sendable, WireCodable {
  case register(token: Token, mailbox: MailboxID, ownerKey: PublicKey32, sealKey: PublicKey32)
  case send(id: SendID, frame: [UInt8], recipients: [Recipient])
  case createLog(token: Token, handle: HandleID, writeKeyHash: KeyHash, administratorKeys: [PublicKey32])
  case append(LogAppend)
  case readLog(handle: HandleID, from: UInt64)
  case groupInfo(handle: HandleID)
  case claim(capability: Permission, id: ClaimID)
  case rotate(handle: HandleID, slot: UInt64, rotation: Rotation)
  /// Has blinded tokens signed for a voucher, which then is used up: first an entry token, then common ones.
  case redeem(voucher: Permission, issuerKey: KeyHash, blinded: [BlindNumber])
  case object(ObjectRequest)

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1:
      self = .register(token: try reader.read(), mailbox: try reader.read(), ownerKey: try reader.read(), sealKey: try reader.read())
    case 2:
      let id = try reader.read(SendID.self)
      let frame = try FrameBytes.read(from: &reader)
      self = .send(id: id, frame: frame, recipients: try reader.readList(maxCount: Limits.recipientCount))
    case 3:
      let token = try reader.read(Token.self)
      let handle = try reader.read(HandleID.self)
      let hash = try reader.read(KeyHash.self)
      let keys = try reader.readList(of: PublicKey32.self, maxCount: Limits.administratorKeyCount)
      guard !keys.isEmpty else { throw .invalidValue(0) }
      self = .createLog(token: token, handle: handle, writeKeyHash: hash, administratorKeys: keys)
    case 4: self = .append(try reader.read())
    case 5: self = .readLog(handle: try reader.read(), from: try reader.readCounter())
    case 6: self = .groupInfo(handle: try reader.read())
    case 7: self = .claim(capability: try reader.read(), id: try reader.read())
    case 8: self = .rotate(handle: try reader.read(), slot: try reader.readCounter(), rotation: try reader.read())
    case 9:
      let voucher = try reader.read(Permission.self)
      let issuerKey = try reader.read(KeyHash.self)
      self = .redeem(
        voucher: voucher, issuerKey: issuerKey, blinded: try reader.readBlindNumbers(maxCount: Limits.tokensPerVoucher))
    case ObjectRequest.types: self = .object(try ObjectRequest(type: type, from: &reader))
    default: throw .invalidValue(UInt64(type))
    }
  }

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .object(let request): request.encode(into: &writer)
    case .register(let token, let mailbox, let ownerKey, let sealKey):
      writer.write(UInt8(1))
      writer.write(token)
      writer.write(mailbox)
      writer.write(ownerKey)
      writer.write(sealKey)
    case .send(let id, let frame, let recipients):
      writer.write(UInt8(2))
      writer.write(id)
      writer.writeVector(frame)
      writer.writeList(recipients)
    case .createLog(let token, let handle, let writeKeyHash, let administratorKeys):
      writer.write(UInt8(3))
      writer.write(token)
      writer.write(handle)
      writer.write(writeKeyHash)
      writer.writeList(administratorKeys)
    case .append(let append):
      writer.write(UInt8(4))
      writer.write(append)
    case .readLog(let handle, let from):
      writer.write(UInt8(5))
      writer.write(handle)
      writer.write(from)
    case .groupInfo(let handle):
      writer.write(UInt8(6))
      writer.write(handle)
    case .claim(let capability, let id):
      writer.write(UInt8(7))
      writer.write(capability)
      writer.write(id)
    case .rotate(let handle, let slot, let rotation):
      writer.write(UInt8(8))
      writer.write(handle)
      writer.write(slot)
      writer.write(rotation)
    case .redeem(let voucher, let issuerKey, let blinded):
      writer.write(UInt8(9))
      writer.write(voucher)
      writer.write(issuerKey)
      writer.writeList(blinded)
    }
  }
}

/// A compare-and-append to a handle log with its fan-out (docs/protocol.md §8).
public struct LogAppend: Hashable, Sendable, WireCodable {
  public var handle: HandleID
  /// The slot that the entry is to take: the log's next one, or the append is a conflict.
  public var slot: UInt64
  public var writeKey: Permission
  /// The frame that becomes the entry.
  public var entry: [UInt8]
  public var rotation: Rotation?
  /// The frame that becomes the log's GroupInfo; empty leaves the one that is there.
  public var groupInfo: [UInt8]
  public var recipients: [Recipient]

  public init(
    handle: HandleID, slot: UInt64, writeKey: Permission, entry: [UInt8], rotation: Rotation?, groupInfo: [UInt8],
    recipients: [Recipient]
  ) {
    self.handle = handle
    self.slot = slot
    self.writeKey = writeKey
    self.entry = entry
    self.rotation = rotation
    self.groupInfo = groupInfo
    self.recipients = recipients
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    handle = try reader.read()
    slot = try reader.readCounter()
    writeKey = try reader.read()
    entry = try FrameBytes.read(from: &reader)
    rotation = try reader.readOptional()
    groupInfo = try FrameBytes.read(from: &reader, allowEmpty: true)
    recipients = try reader.readList(maxCount: Limits.recipientCount)
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(handle)
    writer.write(slot)
    writer.write(writeKey)
    writer.writeVector(entry)
    writer.writeOptional(rotation)
    writer.writeVector(groupInfo)
    writer.writeList(recipients)
  }
}

/// Reads a frame as opaque bytes, holding it to the permitted sizes.
enum FrameBytes {
  static func read(from reader: inout ByteReader, allowEmpty: Bool = false) throws(WireError) -> [UInt8] {
    let bytes = try reader.readVector(limit: Limits.frameByteCount)
    guard Frame.isPermittedByteCount(bytes.count) || (allowEmpty && bytes.isEmpty) else { throw .invalidValue(UInt64(bytes.count)) }
    return bytes
  }
}
