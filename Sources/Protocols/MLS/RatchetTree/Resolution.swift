/// One node of a filtered direct path (RFC 9420 §4.1.2).
struct PathStep: Sendable, Equatable {
  /// The node itself.
  let node: NodeIndex
  /// Its child that is not on the way to the leaf.
  let copath: NodeIndex
}

extension RatchetTree {
  /// The nodes above a leaf whose other child has members below, lowest first (RFC 9420 §4.1.2).
  func filteredDirectPath(of leaf: LeafIndex) -> [PathStep] {
    guard depth > 0 else { return [] }
    return (1...depth).compactMap { level in
      let beside = LeafIndex(leaf.rawValue ^ (1 << UInt32(level - 1)))
      let copath = NodeIndex(above: beside, level: level - 1)
      guard let subtree = subtree(at: copath), subtree.memberCount > 0 else { return nil }
      return PathStep(node: NodeIndex(above: leaf, level: level), copath: copath)
    }
  }

  /// The fewest nodes that together hold keys for all members below a node (RFC 9420 §4.1.1), from left to right.
  func resolution(of node: NodeIndex) -> [NodeIndex] {
    guard let subtree = subtree(at: node) else { return [] }
    var nodes: [NodeIndex] = []
    Self.resolve(subtree, node, into: &nodes)
    return nodes
  }

  static func resolve(_ subtree: Subtree, _ node: NodeIndex, into nodes: inout [NodeIndex]) {
    switch subtree.content {
    case .leaf: nodes.append(node)
    case .parent(let parent):
      nodes.append(node)
      nodes += parent.unmergedLeaves.map { NodeIndex($0) }
    case .blank:
      guard let left = subtree.left, let right = subtree.right, let leftNode = node.left, let rightNode = node.right
      else { return }
      resolve(left, leftNode, into: &nodes)
      resolve(right, rightNode, into: &nodes)
    }
  }

  /// The receivers of a path secret: the resolution of the copath without the members whom this very commit adds
  /// (RFC 9420 §7.5).
  func recipients(of step: PathStep, excluding newLeaves: Set<LeafIndex>) -> [NodeIndex] {
    let resolution = resolution(of: step.copath)
    guard !newLeaves.isEmpty else { return resolution }
    return resolution.filter { node in node.leaf.map { !newLeaves.contains($0) } ?? true }
  }
}
