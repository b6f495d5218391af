public import WireFormat

/// What a mailbox's owner says on its stream (docs/protocol.md §7).
public enum OwnerMessage: Hashable, Sendable, WireCodable {
  case attach(mailbox: MailboxID, signature: Signature64)
  /// Everything up to this cursor is safe at the device.
  case acknowledge(cursor: [UInt8])
  /// Replaces the mailbox's whole set of delivery-key hashes.
  case delivery(id: UInt32, keyHashes: [KeyHash])
  /// Lays out key-package blobs, each of which can be claimed once with the capability.
  case publish(id: UInt32, capabilityHash: KeyHash, days: UInt32, blobs: [[UInt8]])
  case withdraw(id: UInt32, capabilityHash: KeyHash)
  /// Asks for vouchers to hand to others.
  case vouchers(id: UInt32, count: UInt8)
  /// Has blinded common tokens signed, against the mailbox's quota.
  case issue(id: UInt32, issuerKey: KeyHash, blinded: [BlindNumber])

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .attach(mailbox: try reader.read(), signature: try reader.read())
    case 2: self = .acknowledge(cursor: try reader.readVector(limit: Limits.cursorByteCount))
    case 3: self = .delivery(id: try reader.readUInt32(), keyHashes: try reader.readList(maxCount: Limits.deliveryKeyCount))
    case 4:
      let id = try reader.readUInt32()
      let hash = try reader.read(KeyHash.self)
      let days = try reader.readUInt32()
      let blobs = try reader.readList(of: Blob.self, maxCount: Limits.publishedBlobCount)
      self = .publish(id: id, capabilityHash: hash, days: days, blobs: blobs.map(\.bytes))
    case 5: self = .withdraw(id: try reader.readUInt32(), capabilityHash: try reader.read())
    case 6: self = .vouchers(id: try reader.readUInt32(), count: try reader.readUInt8())
    case 7:
      let id = try reader.readUInt32()
      let issuerKey = try reader.read(KeyHash.self)
      self = .issue(id: id, issuerKey: issuerKey, blinded: try reader.readBlindNumbers(maxCount: Limits.issueCount))
    default: throw .invalidValue(UInt64(type))
    }
  }

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .attach(let mailbox, let signature):
      writer.write(UInt8(1))
      writer.write(mailbox)
      writer.write(signature)
    case .acknowledge(let cursor):
      writer.write(UInt8(2))
      writer.writeVector(cursor)
    case .delivery(let id, let keyHashes):
      writer.write(UInt8(3))
      writer.write(id)
      writer.writeList(keyHashes)
    case .publish(let id, let capabilityHash, let days, let blobs):
      writer.write(UInt8(4))
      writer.write(id)
      writer.write(capabilityHash)
      writer.write(days)
      writer.writeList(blobs.map(Blob.init))
    case .withdraw(let id, let capabilityHash):
      writer.write(UInt8(5))
      writer.write(id)
      writer.write(capabilityHash)
    case .vouchers(let id, let count):
      writer.write(UInt8(6))
      writer.write(id)
      writer.write(count)
    case .issue(let id, let issuerKey, let blinded):
      writer.write(UInt8(7))
      writer.write(id)
      writer.write(issuerKey)
      writer.writeList(blinded)
    }
  }

  /// The bytes that `attach` signs with the mailbox's owner key.
  public static func attachContent(serverKey: PublicKey32, nonce: [UInt8], mailbox: MailboxID) -> [UInt8] {
    Array("sotto attach 1".utf8) + serverKey.bytes + nonce + mailbox.bytes
  }
}

/// How an owner's command ended.
public enum OwnerOutcome: UInt8, Sendable, Hashable, WireCodable {
  case done = 1
  case refused = 2
  case overQuota = 3
  /// The server has no such issuer key, or has it no more: its statement names those of the present.
  case issuerUnknown = 4

  public init(from reader: inout ByteReader) throws(WireError) {
    let value = try reader.readUInt8()
    guard let outcome = OwnerOutcome(rawValue: value) else { throw .invalidValue(UInt64(value)) }
    self = outcome
  }

  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
}

/// What a server says on a mailbox's stream (docs/protocol.md §7).
public enum ServerMessage: Hashable, Sendable, WireCodable {
  case hello(serverKey: PublicKey32, nonce: [UInt8])
  case attached
  case refused
  case envelope(cursor: [UInt8], sealed: [UInt8])
  /// Nothing waits at this moment.
  case drained
  case done(id: UInt32, outcome: OwnerOutcome)
  case vouchers(id: UInt32, [Permission])
  /// One blind signature for each blinded token, in their order.
  case issued(id: UInt32, [BlindNumber])

  /// Bytes of the nonce in `hello`.
  public static let nonceByteCount = 32

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .hello(serverKey: try reader.read(), nonce: try reader.readBytes(Self.nonceByteCount))
    case 2: self = .attached
    case 3: self = .refused
    case 4:
      self = .envelope(
        cursor: try reader.readVector(limit: Limits.cursorByteCount), sealed: try reader.readVector(limit: Limits.streamMessageByteCount))
    case 5: self = .drained
    case 6: self = .done(id: try reader.readUInt32(), outcome: try reader.read())
    case 7: self = .vouchers(id: try reader.readUInt32(), try reader.readList(maxCount: Limits.voucherCount))
    case 8: self = .issued(id: try reader.readUInt32(), try reader.readBlindNumbers(maxCount: Limits.issueCount))
    default: throw .invalidValue(UInt64(type))
    }
  }

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .hello(let serverKey, let nonce):
      writer.write(UInt8(1))
      writer.write(serverKey)
      writer.writeBytes(nonce)
    case .attached: writer.write(UInt8(2))
    case .refused: writer.write(UInt8(3))
    case .envelope(let cursor, let sealed):
      writer.write(UInt8(4))
      writer.writeVector(cursor)
      writer.writeVector(sealed)
    case .drained: writer.write(UInt8(5))
    case .done(let id, let outcome):
      writer.write(UInt8(6))
      writer.write(id)
      writer.write(outcome)
    case .vouchers(let id, let vouchers):
      writer.write(UInt8(7))
      writer.write(id)
      writer.writeList(vouchers)
    case .issued(let id, let signatures):
      writer.write(UInt8(8))
      writer.write(id)
      writer.writeList(signatures)
    }
  }
}

/// One published blob in its own vector.
private struct Blob: WireCodable {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector(limit: Limits.blobByteCount) }
  func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}
