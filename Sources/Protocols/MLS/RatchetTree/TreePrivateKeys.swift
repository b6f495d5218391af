import CryptoSuite
import WireFormat

/// The private keys that one member holds: of its leaf and of the nodes above it (RFC 9420 §4.2).
///
/// A value; the keys are wiped when the last copy that has them goes.
struct TreePrivateKeys: Sendable, Equatable {
  /// Whose keys these are.
  let leaf: LeafIndex
  private(set) var pairs: [NodeIndex: HPKEKeyPair]

  init(leaf: LeafIndex, leafKey: HPKEKeyPair) {
    self.leaf = leaf
    pairs = [NodeIndex(leaf): leafKey]
  }

  subscript(node: NodeIndex) -> HPKEKeyPair? { pairs[node] }

  mutating func set(_ pair: HPKEKeyPair, at node: NodeIndex) { pairs[node] = pair }

  /// Takes over the key of an own Update that was committed.
  mutating func replaceLeafKey(_ pair: HPKEKeyPair) { pairs[NodeIndex(leaf)] = pair }

  /// Without the keys of nodes that the tree has blanked, replaced or no longer has (RFC 9420 §7.5).
  func pruned(for tree: RatchetTree) -> TreePrivateKeys { pruned { tree.encryptionKey(at: $0) } }

  /// Without the keys of nodes that have other public keys now, or none.
  func pruned(_ publicKey: (NodeIndex) -> [UInt8]?) -> TreePrivateKeys {
    var kept = self
    for (node, pair) in pairs where publicKey(node) != pair.publicKey { kept.pairs[node] = nil }
    return kept
  }
}

extension TreePrivateKeys: WireCodable {
  func encode(into writer: inout ByteWriter) {
    leaf.encode(into: &writer)
    writer.writeVector { (writer: inout ByteWriter) in
      for (node, pair) in pairs.sorted(by: { $0.key < $1.key }) {
        node.encode(into: &writer)
        writer.writeVector(pair.privateKey)
        writer.writeVector(pair.publicKey)
      }
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    leaf = try LeafIndex(from: &reader)
    pairs = [:]
    var list = try reader.readNested()
    while !list.isAtEnd {
      let node = try NodeIndex(from: &list)
      let privateKey = try list.readSecret()
      pairs[node] = HPKEKeyPair(privateKey: privateKey, publicKey: try list.readVector())
    }
  }
}
