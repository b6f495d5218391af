import WireFormat

/// A node's place in the array form of the tree: leaves at even, parents at odd positions (RFC 9420 appendix C).
struct NodeIndex: RawRepresentable, Hashable, Comparable, Sendable, WireCodable {
  let rawValue: UInt32

  init(rawValue: UInt32) { self.rawValue = rawValue }
  init(_ leaf: LeafIndex) { rawValue = leaf.rawValue << 1 }

  init(from reader: inout ByteReader) throws(WireError) { rawValue = try reader.readUInt32() }
  func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
  static func < (left: NodeIndex, right: NodeIndex) -> Bool { left.rawValue < right.rawValue }
}

extension NodeIndex {
  /// Levels above the leaves; 0 for a leaf.
  var level: Int { (~rawValue).trailingZeroBitCount }

  var isLeaf: Bool { rawValue & 1 == 0 }

  /// The leaf at this place, if it is one.
  var leaf: LeafIndex? { isLeaf ? LeafIndex(rawValue >> 1) : nil }

  /// The first leaf below this node, or the leaf itself.
  var firstLeaf: LeafIndex { LeafIndex((rawValue >> UInt32(level + 1)) << UInt32(level)) }

  /// The node at `level` that is, or is above, a leaf.
  init(above leaf: LeafIndex, level: Int) {
    self.init(rawValue: (leaf.rawValue >> UInt32(level)) << UInt32(level + 1) | ((1 << UInt32(level)) - 1))
  }

  /// The root of a tree with 2^depth leaves.
  static func root(depth: Int) -> NodeIndex { NodeIndex(rawValue: (1 << UInt32(depth)) - 1) }

  var left: NodeIndex? {
    level == 0 ? nil : NodeIndex(rawValue: rawValue ^ (1 << UInt32(level - 1)))
  }

  var right: NodeIndex? {
    level == 0 ? nil : NodeIndex(rawValue: rawValue ^ (3 << UInt32(level - 1)))
  }

  /// The parent in a tree of this depth; nil for the root.
  func parent(depth: Int) -> NodeIndex? {
    level >= depth ? nil : NodeIndex(above: firstLeaf, level: level + 1)
  }

  /// The other child of the parent; nil for the root.
  func sibling(depth: Int) -> NodeIndex? {
    level >= depth ? nil : NodeIndex(rawValue: rawValue ^ (2 << UInt32(level)))
  }

  /// Whether this node is the leaf's own or lies above it.
  func covers(_ leaf: LeafIndex) -> Bool { NodeIndex(above: leaf, level: level) == self }

  /// The lowest node above both of two different leaves.
  static func commonAncestor(_ first: LeafIndex, _ second: LeafIndex) -> NodeIndex {
    let level = UInt32.bitWidth - (first.rawValue ^ second.rawValue).leadingZeroBitCount
    return NodeIndex(above: first, level: level)
  }
}
