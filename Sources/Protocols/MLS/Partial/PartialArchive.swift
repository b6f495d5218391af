public import CryptoSuite
import WireFormat

extension PartialGroup {
  /// The state for storage, in two parts as a full member's. The secret part has the same layout.
  public func archive() -> GroupArchive { GroupArchive(publicPart: publicArchive(), secretPart: secretArchive()) }

  /// The part that changes with a commit, and when a member is proven.
  public func publicArchive() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(PartialPublicPart.version)
    suite.encode(into: &writer)
    state.context.encode(into: &writer)
    writer.writeVector(state.confirmationTag)
    writer.write(UInt32(clamping: state.leafCount))
    ownLeafIndex.encode(into: &writer)
    state.ownLeaf.encode(into: &writer)
    writer.writeOptional(reInit)
    writer.write(UInt8(truncatingIfNeeded: pastEpochs.count))
    for past in pastEpochs { past.encodePublic(into: &writer) }
    writer.writeList(proven.sorted { $0.key < $1.key }.map { ReplacedLeaf(($0.key, $0.value)) })
    writer.writeOptional(upgradeLog)
    return writer.bytes
  }

  /// The part that changes with each message.
  public func secretArchive() -> Secret { memberSecrets() }

  /// Restores a saved state.
  ///
  /// - Throws: `.invalidArchive` for a full member's, another version, parts of different states, and any damage that
  ///   shows.
  public init(restoring archive: GroupArchive) throws(MLSError) {
    defer { eraseStack() }
    do {
      var publicReader = ByteReader(archive.publicPart.span)
      let publicPart = try PartialPublicPart(from: &publicReader)
      try publicReader.finish()
      let secretPart = try SecretPart(archive.secretPart, past: publicPart.past)
      guard secretPart.version == GroupArchive.version,
        constantTimeEquals(publicPart.confirmationTag, secretPart.confirmationTag),
        secretPart.privateKeys.leaf == publicPart.ownLeafIndex, publicPart.isConsistent
      else { throw MLSError.invalidArchive }
      self.init(
        state: PartialState(
          suite: publicPart.suite, context: publicPart.context, leafCount: Int(publicPart.leafCount),
          ownLeaf: publicPart.ownLeaf, confirmationTag: publicPart.confirmationTag),
        ownLeafIndex: publicPart.ownLeafIndex, privateKeys: secretPart.privateKeys, secrets: secretPart.secrets,
        secretTree: secretPart.secretTree, exporterTree: secretPart.exporterTree, pending: secretPart.pending,
        pastEpochs: secretPart.pastEpochs,
        resumptionSecrets: secretPart.resumptionSecrets, reInit: publicPart.reInit, proven: publicPart.proven,
        upgradeLog: publicPart.upgradeLog)
    } catch {
      throw .invalidArchive
    }
  }
}

private struct PartialPublicPart: WireDecodable {
  /// Unlike every version of a full member's.
  static let version: UInt8 = 0x81

  var suite: CipherSuite
  var context: GroupContext
  var confirmationTag: [UInt8]
  var leafCount: UInt32
  var ownLeafIndex: LeafIndex
  var ownLeaf: LeafNode
  var reInit: ReInit?
  var past: [ArchivedPast]
  var proven: [LeafIndex: LeafNode]
  var upgradeLog: UpgradeLog?

  init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == Self.version else { throw .invalidValue(UInt64(version)) }
    suite = try CipherSuite(from: &reader)
    context = try GroupContext(from: &reader)
    confirmationTag = try reader.readVector()
    leafCount = try reader.readUInt32()
    ownLeafIndex = try LeafIndex(from: &reader)
    ownLeaf = try LeafNode(from: &reader)
    reInit = try reader.readOptional()
    past = try ArchivedPast.readAll(from: &reader)
    proven = [:]
    for item in try reader.readList(of: ReplacedLeaf.self, maxCount: Limits.maxProvenMembers) {
      proven[item.index] = item.leafNode
    }
    upgradeLog = try reader.readOptional()
  }

  var isConsistent: Bool {
    context.cipherSuite == suite.rawValue && leafCount.nonzeroBitCount == 1
      && leafCount <= UInt32(clamping: Limits.maxLeafCount) && ownLeafIndex.rawValue < leafCount
  }
}
