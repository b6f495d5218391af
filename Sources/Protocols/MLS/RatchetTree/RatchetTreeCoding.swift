import CryptoSuite
import WireFormat

/// The content of the `ratchet_tree` extension (RFC 9420 §12.4.3.3): all nodes from left to right, up to the last that is
/// not blank.
extension RatchetTree {
  var encodedNodes: [UInt8] {
    var writer = ByteWriter(capacity: memberCount * 400)
    writer.writeVector { (writer: inout ByteWriter) in
      var blanks = 0
      Self.encode(root, height: depth, blanks: &blanks, into: &writer)
    }
    return writer.bytes
  }

  /// Blank nodes are written only when another node follows.
  private static func encode(_ subtree: Subtree, height: Int, blanks: inout Int, into writer: inout ByteWriter) {
    if height > 0 {
      guard subtree.memberCount > 0 else {
        blanks += (2 << height) - 1
        return
      }
      encode(subtree.leftOrBlank, height: height - 1, blanks: &blanks, into: &writer)
    }
    switch subtree.content {
    case .blank: blanks += 1
    case .leaf, .parent:
      for _ in 0..<blanks { writer.write(UInt8(0)) }
      blanks = 0
      writer.write(UInt8(1))
      if case .leaf(let leaf) = subtree.content {
        writer.write(UInt8(1))
        writer.writeBytes(leaf.bytes)
      } else if case .parent(let parent) = subtree.content {
        writer.write(UInt8(2))
        parent.encode(into: &writer)
      }
    }
    if height > 0 { encode(subtree.rightOrBlank, height: height - 1, blanks: &blanks, into: &writer) }
  }

  /// Reads a tree. Only its form is checked; see ``validate(groupID:)``.
  ///
  /// - Throws: `.malformed` for bytes that are no list of nodes; `.invalidTree` for one that no group can have: empty,
  ///   too large, with a leaf where a parent belongs, with a blank last node, or with a parent above no members.
  init(decoding bytes: [UInt8], suite: CipherSuite) throws(MLSError) {
    self = try DecodedTree(bytes, suite: suite).tree
  }
}

/// A tree with its leaves as they were decoded on the way: whoever judges them all need not decode each of them again.
struct DecodedTree: Sendable {
  let tree: RatchetTree
  let leaves: [(index: LeafIndex, node: LeafNode)]

  /// As ``RatchetTree/init(decoding:suite:)``.
  init(_ bytes: [UInt8], suite: CipherSuite) throws(MLSError) {
    let (nodes, leaves) = try Self.readNodes(bytes)
    guard let last = nodes.last else { throw .invalidTree(.empty) }
    if case .blank = last { throw .invalidTree(.trailingBlank) }

    var depth = 0
    while (2 << depth) - 1 < nodes.count { depth += 1 }
    let root = try Self.build(nodes, height: depth, first: 0)
    // The tree would have been halved, or has a parent without members.
    if depth > 0, root.rightOrBlank.memberCount == 0 { throw .invalidTree(.trailingBlank) }

    var tree = RatchetTree(suite: suite, depth: depth, root: root, keys: KeyIndex())
    var keys = KeyIndex()
    tree.forEachNode { node, subtree in
      switch subtree.content {
      case .blank: break
      case .leaf(let leaf): keys.insert(leaf, at: node.firstLeaf)
      case .parent(let parent): keys.insert(encryptionKey: parent.encryptionKey, at: node)
      }
    }
    tree.keys = keys
    self.tree = tree
    self.leaves = leaves
  }

  private static func readNodes(
    _ bytes: [UInt8]
  ) throws(MLSError) -> (nodes: [Subtree.Content], leaves: [(index: LeafIndex, node: LeafNode)]) {
    do {
      var reader = ByteReader(bytes.span)
      var list = try reader.readNested()
      try reader.finish()
      var nodes: [Subtree.Content] = []
      var leaves: [(index: LeafIndex, node: LeafNode)] = []
      while !list.isAtEnd {
        guard nodes.count < Limits.maxNodeCount else { throw MLSError.invalidTree(.tooLarge) }
        switch try list.readUInt8() {
        case 0: nodes.append(.blank)
        case 1:
          let type = try list.readUInt8()
          switch (type, nodes.count.isMultiple(of: 2)) {
          case (1, true):
            let start = list.position
            leaves.append((LeafIndex(UInt32(clamping: nodes.count / 2)), try LeafNode(from: &list)))
            nodes.append(.leaf(StoredLeaf(decodable: list.bytesRead(since: start))))
          case (2, false): nodes.append(.parent(try ParentNode(from: &list)))
          case (1, false), (2, true): throw MLSError.invalidTree(.nodeKind)
          default: throw WireError.invalidValue(UInt64(type))
          }
        case let presence: throw WireError.invalidValue(UInt64(presence))
        }
      }
      return (nodes, leaves)
    } catch let error as WireError {
      throw .malformed(error)
    } catch let error as MLSError {
      throw error
    } catch {
      preconditionFailure("nothing else is thrown above")
    }
  }

  /// - Parameter first: the position of the leftmost node; everything behind the list is blank.
  private static func build(_ nodes: [Subtree.Content], height: Int, first: Int) throws(MLSError) -> Subtree {
    guard first < nodes.count else { return .blank }
    guard height > 0 else {
      if case .leaf(let leaf) = nodes[first] { return .leaf(leaf) }
      return .blank
    }
    let middle = first + (1 << height) - 1
    let left = try build(nodes, height: height - 1, first: first)
    let right = try build(nodes, height: height - 1, first: middle + 1)
    guard middle < nodes.count, case .parent(let parent) = nodes[middle] else { return .joining(left, right, under: nil) }
    guard left.memberCount + right.memberCount > 0 else { throw .invalidTree(.parentHash) }
    return .joining(left, right, under: parent)
  }
}
