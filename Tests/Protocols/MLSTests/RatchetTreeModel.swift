import CryptoSuite
import TestSupport
import WireFormat

@testable import MLS

/// The ratchet tree as the RFC's appendix C writes it, an array of nodes without any cache: slow and obvious, to compare
/// the real one with.
struct RatchetTreeModel {
  let suite: CipherSuite
  var nodes: [Node?]

  private var depth: Int { (nodes.count + 1).trailingZeroBitCount - 1 }

  init(suite: CipherSuite, firstLeaf: LeafNode) {
    self.suite = suite
    nodes = [.leaf(firstLeaf)]
  }

  func leaf(_ index: Int) -> LeafNode? {
    if case .leaf(let leaf) = nodes[2 * index] { leaf } else { nil }
  }

  private func directPath(_ leaf: Int) -> [Int] {
    var path: [Int] = []
    var node = NodeIndex(rawValue: UInt32(2 * leaf))
    while let parent = node.parent(depth: depth) {
      path.append(Int(parent.rawValue))
      node = parent
    }
    return path
  }

  mutating func add(_ leafNode: LeafNode) -> Int {
    let free = stride(from: 0, to: nodes.count, by: 2).first { nodes[$0] == nil }
    if free == nil { nodes += [Node?](repeating: nil, count: nodes.count + 1) }
    let index = (free ?? (nodes.count + 1) / 2) / 2
    nodes[2 * index] = .leaf(leafNode)
    for node in directPath(index) {
      guard case .parent(var parent) = nodes[node] else { continue }
      parent.unmergedLeaves = (parent.unmergedLeaves + [LeafIndex(UInt32(index))]).sorted()
      nodes[node] = .parent(parent)
    }
    return index
  }

  mutating func update(_ leafNode: LeafNode, at index: Int) {
    nodes[2 * index] = .leaf(leafNode)
    for node in directPath(index) { nodes[node] = nil }
  }

  mutating func remove(_ index: Int) {
    nodes[2 * index] = nil
    for node in directPath(index) { nodes[node] = nil }
    while nodes.count > 1, nodes[(nodes.count / 2)...].allSatisfy({ $0 == nil }) {
      nodes = Array(nodes.prefix(nodes.count / 2))
    }
  }

  mutating func setPath(of index: Int, leafNode: LeafNode, parents: [(node: Int, parent: ParentNode)]) {
    update(leafNode, at: index)
    for (node, parent) in parents { nodes[node] = .parent(parent) }
  }

  func treeHash() -> [UInt8] { hash(.root(depth: depth)) }

  private func hash(_ node: NodeIndex) -> [UInt8] {
    var input = ByteWriter()
    if let left = node.left, let right = node.right {
      var parent: ParentNode?
      if case .parent(let value) = nodes[Int(node.rawValue)] { parent = value }
      input.write(UInt8(2))
      input.writeOptional(parent)
      input.writeVector(hash(left))
      input.writeVector(hash(right))
    } else {
      input.write(UInt8(1))
      input.write(node.rawValue / 2)
      input.writeOptional(leaf(Int(node.rawValue / 2)))
    }
    return suite.hash.hash(input.bytes)
  }

  func resolution(_ node: NodeIndex) -> [NodeIndex] {
    switch nodes[Int(node.rawValue)] {
    case .leaf: return [node]
    case .parent(let parent): return [node] + parent.unmergedLeaves.map { NodeIndex($0) }
    case nil:
      guard let left = node.left, let right = node.right else { return [] }
      return resolution(left) + resolution(right)
    }
  }

  var encoded: [UInt8] {
    let count = (nodes.lastIndex { $0 != nil } ?? -1) + 1
    var writer = ByteWriter()
    writer.writeVector { (writer: inout ByteWriter) in
      for node in nodes.prefix(count) { writer.writeOptional(node) }
    }
    return writer.bytes
  }
}
