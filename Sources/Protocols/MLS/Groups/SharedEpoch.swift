package import CryptoSuite

/// One epoch seen by several of its members. They share all of it but their private keys of the tree, so whoever has all
/// of those, as a simulation does, needs no state for each member.
extension Group {
  /// This member's private keys of the tree, by the node's place in the array form of the tree (RFC 9420 appendix C).
  package var nodeKeys: [UInt32: HPKEKeyPair] {
    Dictionary(uniqueKeysWithValues: privateKeys.pairs.map { ($0.key.rawValue, $0.value) })
  }

  /// This epoch as another member holds it. Which messages have been read is taken over with the rest.
  ///
  /// - Parameter nodeKeys: private keys of the tree; those that the member cannot know are left out.
  /// - Returns: nil when there is no member at the leaf, or its leaf's key is not among the keys.
  package func held(by leaf: LeafIndex, nodeKeys: [UInt32: HPKEKeyPair]) -> Group? {
    let ownNode = NodeIndex(leaf)
    guard let leafKey = nodeKeys[ownNode.rawValue], leafKey.publicKey == state.tree.storedLeaf(at: leaf)?.encryptionKey
    else { return nil }
    var keys = TreePrivateKeys(leaf: leaf, leafKey: leafKey)
    for (height, parent) in state.tree.parents(above: leaf).enumerated() {
      let node = NodeIndex(above: leaf, level: height + 1)
      guard let parent, !parent.unmergedLeaves.containsSorted(leaf), let pair = nodeKeys[node.rawValue],
        pair.publicKey == parent.encryptionKey
      else { continue }
      keys.set(pair, at: node)
    }
    return Group(
      restoring: state, ownLeafIndex: leaf, privateKeys: keys, secrets: secrets, secretTree: secretTree,
      exporterTree: exporterTree, pending: pending, pastEpochs: pastEpochs, resumptionSecrets: resumptionSecrets, reInit: reInit)
  }
}
