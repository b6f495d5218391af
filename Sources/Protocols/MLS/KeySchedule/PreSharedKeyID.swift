public import WireFormat

/// What a resumption key is used for (RFC 9420 §8.4).
public enum ResumptionPSKUsage: UInt8, Sendable, Hashable {
  case application = 1
  case reinit = 2
  case branch = 3
}

/// Names a pre-shared key that a commit mixes into the group's secrets (RFC 9420 §8.4).
public struct PreSharedKeyID: Sendable, Hashable {
  /// Which key it is (RFC 9420 §8.4).
  public enum Key: Sendable, Hashable {
    /// A key that the application distributes under this name.
    case external(id: [UInt8])
    /// The resumption secret of an earlier epoch, of this group or another.
    case resumption(usage: ResumptionPSKUsage, groupID: [UInt8], epoch: UInt64)
    /// A key that a component of the application distributes under this name (draft-ietf-mls-extensions, "Pre-Shared
    /// Keys"). All members must understand it; no capability says so.
    case application(component: ComponentID, id: [UInt8])
  }

  /// Which key it is.
  public var key: Key
  /// Fresh random bytes for each use, as many as the suite's hash.
  public var nonce: [UInt8]

  /// A key for one use. ``external(id:cipherSuite:random:)`` and its like draw the nonce.
  public init(key: Key, nonce: [UInt8]) {
    self.key = key
    self.nonce = nonce
  }
}

extension PreSharedKeyID: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    switch key {
    case .external(let id):
      writer.write(UInt8(1))
      writer.writeVector(id)
    case .resumption(let usage, let groupID, let epoch):
      writer.write(UInt8(2))
      writer.write(usage.rawValue)
      writer.writeVector(groupID)
      writer.write(epoch)
    case .application(let component, let id):
      writer.write(UInt8(3))
      component.encode(into: &writer)
      writer.writeVector(id)
    }
    writer.writeVector(nonce)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: key = .external(id: try reader.readVector())
    case 2:
      let value = try reader.readUInt8()
      guard let usage = ResumptionPSKUsage(rawValue: value) else { throw .invalidValue(UInt64(value)) }
      let groupID = try reader.readVector()
      key = .resumption(usage: usage, groupID: groupID, epoch: try reader.readUInt64())
    case 3:
      let component = try ComponentID(from: &reader)
      key = .application(component: component, id: try reader.readVector())
    default: throw .invalidValue(UInt64(type))
    }
    nonce = try reader.readVector()
  }
}
