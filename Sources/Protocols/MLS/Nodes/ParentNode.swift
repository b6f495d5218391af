public import WireFormat

/// An inner node of the tree, whose private key every member below it holds except the unmerged (RFC 9420 §7.1).
public struct ParentNode: Sendable, Hashable {
  /// The key of all members below, but the unmerged.
  public var encryptionKey: [UInt8]
  /// Ties the node to the one above it (RFC 9420 §7.9).
  public var parentHash: [UInt8]
  /// In rising order; a validator of the tree checks that, decoding does not.
  public var unmergedLeaves: [LeafIndex]

  init(encryptionKey: [UInt8], parentHash: [UInt8], unmergedLeaves: [LeafIndex]) {
    self.encryptionKey = encryptionKey
    self.parentHash = parentHash
    self.unmergedLeaves = unmergedLeaves
  }
}

extension ParentNode: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(encryptionKey)
    writer.writeVector(parentHash)
    writer.writeList(unmergedLeaves)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    encryptionKey = try reader.readVector()
    parentHash = try reader.readVector()
    unmergedLeaves = try reader.readList(maxCount: Limits.maxLeafCount)
  }
}

/// A node of an encoded ratchet tree (RFC 9420 §12.4.3.3).
public enum Node: Sendable, Hashable {
  case leaf(LeafNode)
  case parent(ParentNode)
}

extension Node: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .leaf(let leaf):
      writer.write(UInt8(1))
      leaf.encode(into: &writer)
    case .parent(let parent):
      writer.write(UInt8(2))
      parent.encode(into: &writer)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .leaf(try LeafNode(from: &reader))
    case 2: self = .parent(try ParentNode(from: &reader))
    default: throw .invalidValue(UInt64(type))
    }
  }
}
