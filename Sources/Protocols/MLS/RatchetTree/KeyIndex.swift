/// Where each public key of a tree stands, so that a key is looked up without visiting all nodes.
///
/// Holds a hash of each key only; a hit is compared in full with the node it names. Should two keys have the same hash,
/// or one key stand at two nodes, the index says so and the tree is searched instead.
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
  /// Chosen by the last bits of a key's print. Empty until the first key comes, for a small group needs few of them.
  private var parts: [[UInt64: Place]] = []
  private static var partCount: Int { 256 }

  subscript(key: [UInt8]) -> Place? {
    let print = Self.print(of: key)
    return parts.isEmpty ? nil : parts[Self.part(of: print)][print]
  }

  /// - Returns: where a key that looks the same has stood.
  mutating func insert(_ place: Place, for key: [UInt8]) -> Place? {
    if parts.isEmpty { parts = [[UInt64: Place]](repeating: [:], count: Self.partCount) }
    let print = Self.print(of: key)
    return parts[Self.part(of: print)].updateValue(place, forKey: print)
  }

  mutating func remove(_ key: [UInt8]) {
    guard !parts.isEmpty else { return }
    let print = Self.print(of: key)
    parts[Self.part(of: print)][print] = nil
  }

  private static func part(of print: UInt64) -> Int { Int(truncatingIfNeeded: print) & (partCount - 1) }

  /// Of the whole key and under a seed of this process, so that nobody can make two keys look alike.
  private static func print(of key: [UInt8]) -> UInt64 {
    var hasher = Hasher()
    // The pointer is valid in the closure and only read from.
    unsafe key.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    return UInt64(truncatingIfNeeded: hasher.finalize())
  }
}
