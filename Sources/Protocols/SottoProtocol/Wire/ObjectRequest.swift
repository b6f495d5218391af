import CryptoSuite
public import WireFormat

/// What a client asks about an object: a file as a server keeps it, sealed bytes under a name that only those know who were told
/// (docs/protocol.md §13).
public enum ObjectRequest: Hashable, Sendable {
  /// Makes an empty object that is to get so many bytes, and is kept for so many days once it has them.
  case create(writeKey: Permission, byteCount: UInt64, days: UInt8, tokens: [Token])
  /// How far an upload has come.
  case state(writeKey: Permission)
  /// Writes at or before the end of what is there.
  case write(writeKey: Permission, offset: UInt64, bytes: [UInt8])
  /// Everything is there: from now on it can be read, and not be changed.
  case finish(writeKey: Permission)
  case read(ObjectID, offset: UInt64, count: UInt32)
  case delete(writeKey: Permission)

  static let types: ClosedRange<UInt8> = 32...37

  /// - Parameter type: one of `types`.
  init(type: UInt8, from reader: inout ByteReader) throws(WireError) {
    switch type {
    case 32:
      self = .create(
        writeKey: try reader.read(), byteCount: try reader.readCounter(), days: try reader.readUInt8(),
        tokens: try reader.readList(maxCount: Limits.objectTokenCount))
    case 33: self = .state(writeKey: try reader.read())
    case 34:
      self = .write(
        writeKey: try reader.read(), offset: try reader.readCounter(), bytes: try reader.readVector(limit: Limits.objectPieceByteCount))
    case 35: self = .finish(writeKey: try reader.read())
    case 36: self = .read(try reader.read(), offset: try reader.readCounter(), count: try reader.readUInt32())
    case 37: self = .delete(writeKey: try reader.read())
    default: throw .invalidValue(UInt64(type))
    }
  }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .create(let writeKey, let byteCount, let days, let tokens):
      writer.write(UInt8(32))
      writer.write(writeKey)
      writer.write(byteCount)
      writer.write(days)
      writer.writeList(tokens)
    case .state(let writeKey):
      writer.write(UInt8(33))
      writer.write(writeKey)
    case .write(let writeKey, let offset, let bytes):
      writer.write(UInt8(34))
      writer.write(writeKey)
      writer.write(offset)
      writer.writeVector(bytes)
    case .finish(let writeKey):
      writer.write(UInt8(35))
      writer.write(writeKey)
    case .read(let object, let offset, let count):
      writer.write(UInt8(36))
      writer.write(object)
      writer.write(offset)
      writer.write(count)
    case .delete(let writeKey):
      writer.write(UInt8(37))
      writer.write(writeKey)
    }
  }
}

/// How far an object has come.
public struct ObjectState: Hashable, Sendable, WireCodable {
  /// Bytes that are on the server's disk.
  public var byteCount: UInt64
  /// It has all its bytes, and can be read.
  public var isFinished: Bool

  public init(byteCount: UInt64, isFinished: Bool) {
    self.byteCount = byteCount
    self.isFinished = isFinished
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    byteCount = try reader.readCounter()
    let value = try reader.readUInt8()
    guard value <= 1 else { throw .invalidValue(UInt64(value)) }
    isFinished = value == 1
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(byteCount)
    writer.write(UInt8(isFinished ? 1 : 0))
  }
}

extension ObjectRequest {
  /// Tokens that an object of so many bytes costs.
  public static func price(of byteCount: UInt64) -> Int {
    let full = byteCount / Limits.objectBytesPerToken
    return Int(clamping: byteCount.isMultiple(of: Limits.objectBytesPerToken) ? full : full + 1)
  }
}

extension Permission {
  /// The name of the object that this write key makes: readers get the name, which does not let them write.
  public var objectID: ObjectID { ObjectID(trusted: HashAlgorithm.sha256.hash(Array("sotto object 1".utf8) + bytes)) }
}
