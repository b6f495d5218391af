/// Where each public key of a tree stands, so that a key is looked up without visiting all nodes.
///
/// Holds the last eight bytes of each key only; a hit is compared in full with the node it names. When two keys share
/// those bytes, which happens by malice only, the index says so and the tree is searched instead.
struct KeyIndex: Sendable {
  private var encryption = Table<NodeIndex>()
  private var signature = Table<LeafIndex>()
  /// Whether no two keys looked alike.
  private(set) var isExact = true

  mutating func insert(encryptionKey: [UInt8], at node: NodeIndex) {
    if encryption.insert(node, for: encryptionKey) != nil { isExact = false }
  }

  mutating func remove(encryptionKey: [UInt8]) { encryption.remove(encryptionKey) }

  mutating func insert(_ leaf: StoredLeaf, at index: LeafIndex) {
    let keys = leaf.keys
    insert(encryptionKey: keys.encryption, at: NodeIndex(index))
    if signature.insert(index, for: keys.signature) != nil { isExact = false }
  }

  mutating func remove(_ leaf: StoredLeaf) {
    let keys = leaf.keys
    remove(encryptionKey: keys.encryption)
    signature.remove(keys.signature)
  }

  /// The only node that can hold this encryption key.
  func candidate(forEncryptionKey key: [UInt8]) -> NodeIndex? { encryption[key] }

  /// The only leaf that can hold this signature key.
  func candidate(forSignatureKey key: [UInt8]) -> LeafIndex? { signature[key] }
}

/// A table in many small parts: a change copies one part, where a single one would be copied whole for each commit.
private struct Table<Place: Sendable>: Sendable {
  /// Chosen by the key's last byte. Empty until the first key comes, for a small group needs few of them.
  private var parts: [[UInt64: Place]] = []
  private static var partCount: Int { 256 }

  subscript(key: [UInt8]) -> Place? { parts.isEmpty ? nil : parts[Self.part(of: key)][Self.print(of: key)] }

  /// - Returns: where a key that looks the same has stood.
  mutating func insert(_ place: Place, for key: [UInt8]) -> Place? {
    if parts.isEmpty { parts = [[UInt64: Place]](repeating: [:], count: Self.partCount) }
    return parts[Self.part(of: key)].updateValue(place, forKey: Self.print(of: key))
  }

  mutating func remove(_ key: [UInt8]) {
    guard !parts.isEmpty else { return }
    parts[Self.part(of: key)][Self.print(of: key)] = nil
  }

  private static func part(of key: [UInt8]) -> Int { Int(key.last ?? 0) }

  private static func print(of key: [UInt8]) -> UInt64 {
    key.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}
