import CryptoSuite
import WireFormat

/// A leaf as it is stored: by its encoding, which the tree hash and the `ratchet_tree` extension contain verbatim. That
/// takes a third of the memory of the decoded fields and saves encoding it for each hash.
struct StoredLeaf: Sendable {
  let bytes: [UInt8]

  /// - Parameter bytes: the encoding of a leaf node, known to decode.
  init(decodable bytes: [UInt8]) { self.bytes = bytes }

  /// - Throws: `.invalidPlan` for a leaf that breaks the bounds of its own encoding, which only a caller can make.
  init(_ node: LeafNode) throws(MLSError) {
    bytes = node.encoded
    guard (try? LeafNode(decoding: bytes)) != nil else { throw .invalidPlan }
  }

  var node: LeafNode {
    guard let node = try? LeafNode(decoding: bytes) else { preconditionFailure("a stored leaf has been decoded before") }
    return node
  }

  var encryptionKey: [UInt8] { keys.encryption }
  var signatureKey: [UInt8] { keys.signature }

  /// The first two fields, without decoding the others.
  var keys: (encryption: [UInt8], signature: [UInt8]) {
    var reader = ByteReader(bytes.span)
    guard let encryption = try? reader.readVector(), let signature = try? reader.readVector() else {
      preconditionFailure("a stored leaf has been decoded before")
    }
    return (encryption, signature)
  }
}

/// An immutable node with everything below it, and its tree hash once computed.
///
/// A change makes new nodes along one path and shares the rest with the tree before it. A subtree without any members is
/// one node without children, whatever its height.
final class Subtree: Sendable {
  enum Content: Sendable {
    case blank
    case leaf(StoredLeaf)
    case parent(ParentNode)

    var byteCount: Int {
      switch self {
      case .blank: 0
      case .leaf(let leaf): leaf.bytes.count
      case .parent(let parent):
        parent.encryptionKey.count + parent.parentHash.count + 4 * parent.unmergedLeaves.count
      }
    }
  }

  let content: Content
  /// Both are there above the leaves unless the subtree has no members.
  let left: Subtree?
  let right: Subtree?
  /// Leaves that are not blank.
  let memberCount: UInt32
  /// Bytes of all leaves and parents here, without the few that frame them.
  let byteCount: Int
  /// The tree hash (RFC 9420 §7.8), absent after a change.
  let hash: [UInt8]?

  static let blank = Subtree(content: .blank, left: nil, right: nil, memberCount: 0, hash: nil)

  private init(content: Content, left: Subtree?, right: Subtree?, memberCount: UInt32, hash: [UInt8]?) {
    self.content = content
    self.left = left
    self.right = right
    self.memberCount = memberCount
    self.hash = hash
    byteCount = content.byteCount + (left?.byteCount ?? 0) + (right?.byteCount ?? 0)
  }

  static func leaf(_ leaf: StoredLeaf) -> Subtree {
    Subtree(content: .leaf(leaf), left: nil, right: nil, memberCount: 1, hash: nil)
  }

  /// A subtree of two halves; a parent above no members is dropped.
  static func joining(_ left: Subtree, _ right: Subtree, under parent: ParentNode?) -> Subtree {
    let memberCount = left.memberCount + right.memberCount
    guard memberCount > 0 else { return .blank }
    let content = parent.map(Content.parent) ?? .blank
    return Subtree(content: content, left: left, right: right, memberCount: memberCount, hash: nil)
  }

  var leftOrBlank: Subtree { left ?? .blank }
  var rightOrBlank: Subtree { right ?? .blank }

  var parentNode: ParentNode? { if case .parent(let parent) = content { parent } else { nil } }
  var storedLeaf: StoredLeaf? { if case .leaf(let leaf) = content { leaf } else { nil } }

  var encryptionKey: [UInt8]? {
    switch content {
    case .blank: nil
    case .leaf(let leaf): leaf.encryptionKey
    case .parent(let parent): parent.encryptionKey
    }
  }

  /// The subtree at `level` on the way to a leaf; this node has the height `height`.
  func descendant(towards leaf: LeafIndex, height: Int, level: Int) -> Subtree {
    var node = self
    for step in stride(from: height, to: level, by: -1) {
      node = leaf.rawValue >> UInt32(step - 1) & 1 == 1 ? node.rightOrBlank : node.leftOrBlank
    }
    return node
  }

  /// This subtree with another leaf and other parents on the way to it.
  ///
  /// - Parameter parents: what the nodes at the levels 1...height become, lowest first.
  func replacing(_ leaf: LeafIndex, with stored: StoredLeaf?, parents: ArraySlice<ParentNode?>) -> Subtree {
    guard let parent = parents.last else { return stored.map(Subtree.leaf) ?? .blank }
    let below = parents.dropLast()
    if leaf.rawValue >> UInt32(below.count) & 1 == 1 {
      return .joining(leftOrBlank, rightOrBlank.replacing(leaf, with: stored, parents: below), under: parent)
    }
    return .joining(leftOrBlank.replacing(leaf, with: stored, parents: below), rightOrBlank, under: parent)
  }
}

// MARK: - Tree hashes

extension Subtree {
  /// This subtree with all hashes computed; unchanged parts are shared.
  func hashed(height: Int, firstLeaf: UInt32, suite: CipherSuite) -> Subtree {
    guard hash == nil else { return self }
    guard let left, let right else {
      return Subtree(
        content: content, left: nil, right: nil, memberCount: memberCount,
        hash: treeHash(height: height, firstLeaf: firstLeaf, suite: suite))
    }
    let rightLeaf = firstLeaf | 1 << UInt32(height - 1)
    let newLeft = left.hashed(height: height - 1, firstLeaf: firstLeaf, suite: suite)
    let newRight = right.hashed(height: height - 1, firstLeaf: rightLeaf, suite: suite)
    let newHash = Self.parentNodeHash(
      parentNode, left: newLeft.treeHash(height: height - 1, firstLeaf: firstLeaf, suite: suite),
      right: newRight.treeHash(height: height - 1, firstLeaf: rightLeaf, suite: suite), suite: suite)
    return Subtree(content: content, left: newLeft, right: newRight, memberCount: memberCount, hash: newHash)
  }

  /// The tree hash, from the caches where they are filled.
  func treeHash(height: Int, firstLeaf: UInt32, suite: CipherSuite) -> [UInt8] {
    if let hash { return hash }
    guard height > 0 else { return Self.leafHash(storedLeaf, index: firstLeaf, suite: suite) }
    return Self.parentNodeHash(
      parentNode,
      left: leftOrBlank.treeHash(height: height - 1, firstLeaf: firstLeaf, suite: suite),
      right: rightOrBlank.treeHash(height: height - 1, firstLeaf: firstLeaf | 1 << UInt32(height - 1), suite: suite),
      suite: suite)
  }

  /// The tree hash as it would be without these leaves: blank, and nobody's unmerged leaf (RFC 9420 §7.9).
  ///
  /// - Parameter leaves: in rising order; may reach beyond this subtree.
  func treeHash(
    excluding leaves: ArraySlice<LeafIndex>, height: Int, firstLeaf: UInt32, suite: CipherSuite
  ) -> [UInt8] {
    let start = leaves.firstPosition(notBefore: firstLeaf)
    let inside = leaves[start..<leaves.firstPosition(notBefore: firstLeaf + 1 << UInt32(height))]
    guard !inside.isEmpty else { return treeHash(height: height, firstLeaf: firstLeaf, suite: suite) }
    guard height > 0 else { return Self.leafHash(nil, index: firstLeaf, suite: suite) }
    var parent = parentNode
    parent?.unmergedLeaves.removeAll { inside.containsSorted($0) }
    return Self.parentNodeHash(
      parent,
      left: leftOrBlank.treeHash(excluding: inside, height: height - 1, firstLeaf: firstLeaf, suite: suite),
      right: rightOrBlank.treeHash(
        excluding: inside, height: height - 1, firstLeaf: firstLeaf | 1 << UInt32(height - 1), suite: suite),
      suite: suite)
  }

  /// `TreeHashInput` of a leaf.
  static func leafHash(_ leaf: StoredLeaf?, index: UInt32, suite: CipherSuite) -> [UInt8] {
    var input = ByteWriter(capacity: 8 + (leaf?.bytes.count ?? 0))
    input.write(UInt8(1))
    input.write(index)
    if let leaf {
      input.write(UInt8(1))
      input.writeBytes(leaf.bytes)
    } else {
      input.write(UInt8(0))
    }
    return suite.hash.hash(input.bytes)
  }

  /// `TreeHashInput` of a parent.
  static func parentNodeHash(
    _ parent: ParentNode?, left: [UInt8], right: [UInt8], suite: CipherSuite
  ) -> [UInt8] {
    var input = ByteWriter(capacity: 256)
    input.write(UInt8(2))
    input.writeOptional(parent)
    input.writeVector(left)
    input.writeVector(right)
    return suite.hash.hash(input.bytes)
  }
}

// MARK: - Lists of unmerged leaves

/// Searches in lists in rising order, which grow with the group: looking at each entry for each entry would be quadratic.
extension RandomAccessCollection where Element == LeafIndex, Index == Int {
  /// Where the first entry at or behind a leaf stands, or the end.
  func firstPosition(notBefore leaf: UInt32) -> Int {
    var low = startIndex
    var high = endIndex
    while low < high {
      let middle = low + (high - low) / 2
      if self[middle].rawValue < leaf { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func containsSorted(_ leaf: LeafIndex) -> Bool {
    let position = firstPosition(notBefore: leaf.rawValue)
    return position < endIndex && self[position] == leaf
  }
}
