/// Where each public key of a tree stands, so that a key is looked up without visiting all nodes.
///
/// Holds the last eight bytes of each key only; a hit is compared in full with the node it names. When two keys share
/// those bytes, which happens by malice only, the index says so and the tree is searched instead.
struct KeyIndex: Sendable {
  private var encryption: [UInt64: NodeIndex] = [:]
  private var signature: [UInt64: LeafIndex] = [:]
  /// Whether no two keys looked alike.
  private(set) var isExact = true

  mutating func insert(encryptionKey: [UInt8], at node: NodeIndex) {
    if encryption.updateValue(node, forKey: Self.print(of: encryptionKey)) != nil { isExact = false }
  }

  mutating func remove(encryptionKey: [UInt8]) { encryption[Self.print(of: encryptionKey)] = nil }

  mutating func insert(_ leaf: StoredLeaf, at index: LeafIndex) {
    let keys = leaf.keys
    insert(encryptionKey: keys.encryption, at: NodeIndex(index))
    if signature.updateValue(index, forKey: Self.print(of: keys.signature)) != nil { isExact = false }
  }

  mutating func remove(_ leaf: StoredLeaf) {
    let keys = leaf.keys
    remove(encryptionKey: keys.encryption)
    signature[Self.print(of: keys.signature)] = nil
  }

  /// The only node that can hold this encryption key.
  func candidate(forEncryptionKey key: [UInt8]) -> NodeIndex? { encryption[Self.print(of: key)] }

  /// The only leaf that can hold this signature key.
  func candidate(forSignatureKey key: [UInt8]) -> LeafIndex? { signature[Self.print(of: key)] }

  private static func print(of key: [UInt8]) -> UInt64 {
    key.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}
