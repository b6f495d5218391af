public import CryptoSuite
public import WireFormat

/// One node of an update path: its new public key, and its path secret for each node of the copath's resolution
/// (RFC 9420 §7.6).
public struct UpdatePathNode: Sendable, Hashable {
  /// The new key of the node.
  public var encryptionKey: [UInt8]
  /// The path secret, once for each node of the resolution of the other side.
  public var encryptedPathSecrets: [HPKECiphertext]

  init(encryptionKey: [UInt8], encryptedPathSecrets: [HPKECiphertext]) {
    self.encryptionKey = encryptionKey
    self.encryptedPathSecrets = encryptedPathSecrets
  }
}

extension UpdatePathNode: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(encryptionKey)
    writer.writeList(encryptedPathSecrets)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    encryptionKey = try reader.readVector()
    encryptedPathSecrets = try reader.readList(maxCount: Limits.maxLeafCount)
  }
}

/// The committer's new leaf and the new nodes of its filtered direct path (RFC 9420 §7.6).
public struct UpdatePath: Sendable, Hashable {
  /// The committer's new leaf.
  public var leafNode: LeafNode
  /// From the leaf's parent up, without those whose other side is empty.
  public var nodes: [UpdatePathNode]

  init(leafNode: LeafNode, nodes: [UpdatePathNode]) {
    self.leafNode = leafNode
    self.nodes = nodes
  }
}

extension UpdatePath: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    leafNode.encode(into: &writer)
    writer.writeList(nodes)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    leafNode = try LeafNode(from: &reader)
    nodes = try reader.readList(maxCount: Limits.maxPathLength)
  }
}

extension HPKECiphertext: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(kemOutput)
    writer.writeVector(ciphertext)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let kemOutput = try reader.readVector()
    self.init(kemOutput: kemOutput, ciphertext: try reader.readVector())
  }
}
