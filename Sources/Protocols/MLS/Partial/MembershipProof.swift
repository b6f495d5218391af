public import WireFormat

/// The tree hash of a node beside a direct path (draft-ietf-mls-partial, "Membership Proofs and Partial Trees").
public struct CopathHash: Sendable, Hashable, WireCodable {
  /// The hash of a subtree.
  public var bytes: [UInt8]

  /// A subtree with this hash.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  public init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector() }
  public func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}

/// A leaf with the nodes above it and the tree hashes beside them, from which the root's tree hash follows
/// (draft-ietf-mls-partial, "Membership Proofs and Partial Trees"). As decoded, it proves nothing.
public struct MembershipProof: Sendable, Hashable {
  /// Whose proof it is.
  public var leafIndex: LeafIndex
  /// `n_leaves`: leaves of the tree, blank ones included.
  public var leafCount: UInt32
  /// From the leaf to the root, both included; nil where blank.
  public var directPathNodes: [Node?]
  /// From the leaf's sibling to the root's child.
  public var copathHashes: [CopathHash]

  /// A proof of these nodes, unverified.
  public init(leafIndex: LeafIndex, leafCount: UInt32, directPathNodes: [Node?], copathHashes: [CopathHash]) {
    self.leafIndex = leafIndex
    self.leafCount = leafCount
    self.directPathNodes = directPathNodes
    self.copathHashes = copathHashes
  }
}

extension MembershipProof: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    leafIndex.encode(into: &writer)
    writer.write(leafCount)
    writer.writeList(directPathNodes.map(OptionalNode.init))
    writer.writeList(copathHashes)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    leafIndex = try LeafIndex(from: &reader)
    leafCount = try reader.readUInt32()
    let nodes = try reader.readList(of: OptionalNode.self, maxCount: Limits.maxPathLength + 1)
    directPathNodes = nodes.map(\.node)
    copathHashes = try reader.readList(maxCount: Limits.maxPathLength)
  }
}

/// `optional<Node>` as an element of a list.
private struct OptionalNode: WireCodable {
  var node: Node?

  init(_ node: Node?) { self.node = node }
  init(from reader: inout ByteReader) throws(WireError) { node = try reader.readOptional() }
  func encode(into writer: inout ByteWriter) { writer.writeOptional(node) }
}
