public import CryptoSuite
import WireFormat

/// A group's state for storage, in two parts that are written together but change at different times. It holds what a
/// member may keep, and nothing that RFC 9420 §9.2 says to delete.
///
/// The secret part holds keys: seal it, and overwrite the old one. Neither part is for anybody else.
public struct GroupArchive: Sendable, Equatable {
  /// Tree and context; changes only with a commit.
  public var publicPart: [UInt8]
  /// Keys and pending proposals; changes with each message. A cipher seals it as it is
  /// (``AEADAlgorithm/seal(_:key:nonce:aad:)-(Secret,_,_,_)``); another store borrows it by ``Secret/withSpan(_:)``.
  public var secretPart: Secret

  /// An archive of two parts that were stored.
  public init(publicPart: [UInt8], secretPart: Secret) {
    self.publicPart = publicPart
    self.secretPart = secretPart
  }

  /// The layout that this version writes. It reads 1 too, which had no exporter tree.
  static let version: UInt8 = 2
}

extension Group {
  /// The state for storage.
  public func archive() -> GroupArchive {
    GroupArchive(publicPart: publicArchive(), secretPart: secretArchive())
  }

  /// The part that changes only with a commit. Encodes the whole tree.
  public func publicArchive() -> [UInt8] {
    var publicPart = ByteWriter()
    publicPart.write(GroupArchive.version)
    suite.encode(into: &publicPart)
    state.context.encode(into: &publicPart)
    publicPart.writeVector(state.confirmationTag)
    ownLeafIndex.encode(into: &publicPart)
    publicPart.writeOptional(reInit)
    publicPart.write(UInt8(truncatingIfNeeded: pastEpochs.count))
    for past in pastEpochs { past.encodePublic(into: &publicPart) }
    publicPart.writeBytes(state.tree.encodedNodes)
    return publicPart.bytes
  }

  /// The part that changes with each message.
  public func secretArchive() -> Secret { memberSecrets() }
}

extension GroupMember {
  /// The secret part, whose layout full and partial members share.
  func memberSecrets() -> Secret {
    defer { eraseStack() }
    return Secret(capacity: 8192) { secretPart in
      secretPart.write(GroupArchive.version)
      // Ties this part to its public part: equal tags mean equal history.
      secretPart.writeVector(confirmationTag)
      secrets.encode(into: &secretPart)
      secretTree.encode(into: &secretPart)
      exporterTree.encode(into: &secretPart)
      privateKeys.encode(into: &secretPart)
      secretPart.writeList(pending)
      secretPart.writeList(resumptionSecrets)
      for past in pastEpochs { past.encodeSecret(into: &secretPart) }
    }
  }
}

extension Group {
  /// Restores a saved state.
  ///
  /// - Throws: `.invalidArchive` for another version, parts of different states, and any damage that shows.
  public init(restoring archive: GroupArchive) throws(MLSError) {
    defer { eraseStack() }
    do {
      var publicReader = ByteReader(archive.publicPart.span)
      let publicPart = try PublicPart(from: &publicReader)
      try publicReader.finish()
      let secretPart = try SecretPart(archive.secretPart, past: publicPart.past)
      guard publicPart.version <= secretPart.version, constantTimeEquals(publicPart.confirmationTag, secretPart.confirmationTag),
        secretPart.privateKeys.leaf == publicPart.ownLeafIndex
      else { throw MLSError.invalidArchive }
      self.init(
        restoring: try publicPart.state(), ownLeafIndex: publicPart.ownLeafIndex,
        privateKeys: secretPart.privateKeys, secrets: secretPart.secrets, secretTree: secretPart.secretTree,
        exporterTree: secretPart.exporterTree, pending: secretPart.pending, pastEpochs: secretPart.pastEpochs,
        resumptionSecrets: secretPart.resumptionSecrets, reInit: publicPart.reInit)
    } catch {
      throw .invalidArchive
    }
    guard state.tree.leaf(at: ownLeafIndex) != nil else { throw .invalidArchive }
  }
}

/// The public half of a ``PastEpoch``.
struct ArchivedPast {
  var epoch: UInt64
  var groupContext: [UInt8]
  var replacedLeaves: [ReplacedLeaf]

  static func readAll(from reader: inout ByteReader) throws(WireError) -> [ArchivedPast] {
    var past: [ArchivedPast] = []
    let count = try reader.readUInt8()
    guard count <= Limits.pastEpochs else { throw .invalidValue(UInt64(count)) }
    for _ in 0..<count {
      let epoch = try reader.readUInt64()
      let groupContext = try reader.readVector()
      let replacedLeaves = try reader.readList(of: ReplacedLeaf.self, maxCount: Limits.maxLeafCount)
      past.append(ArchivedPast(epoch: epoch, groupContext: groupContext, replacedLeaves: replacedLeaves))
    }
    return past
  }
}

private struct PublicPart: WireDecodable {
  var version: UInt8
  var suite: CipherSuite
  var context: GroupContext
  var confirmationTag: [UInt8]
  var ownLeafIndex: LeafIndex
  var reInit: ReInit?
  var past: [ArchivedPast]
  var tree: [UInt8]

  init(from reader: inout ByteReader) throws(WireError) {
    version = try reader.readArchiveVersion()
    suite = try CipherSuite(from: &reader)
    context = try GroupContext(from: &reader)
    confirmationTag = try reader.readVector()
    ownLeafIndex = try LeafIndex(from: &reader)
    reInit = try reader.readOptional()
    past = try ArchivedPast.readAll(from: &reader)
    tree = reader.readRemaining()
  }

  func state() throws(MLSError) -> PublicState {
    let decoded = try DecodedTree(tree, suite: suite)
    var tree = decoded.tree
    guard context.cipherSuite == suite.rawValue, tree.treeHash() == context.treeHash else { throw .invalidArchive }
    var tally = MemberTally()
    for leaf in decoded.leaves { tally.add(leaf.node) }
    return PublicState(suite: suite, context: context, tree: tree, tally: tally, confirmationTag: confirmationTag)
  }
}

struct SecretPart {
  var version: UInt8
  var confirmationTag: [UInt8]
  var secrets: EpochSecrets
  var secretTree: SecretTree
  var exporterTree: ExporterTree
  var privateKeys: TreePrivateKeys
  var pending: [PendingProposal]
  var resumptionSecrets: [ResumptionSecret]
  var pastEpochs: [PastEpoch]

  init(_ secret: Secret, past: [ArchivedPast]) throws(WireError) {
    self = try secret.withSpan { (bytes) throws(WireError) -> SecretPart in
      var reader = ByteReader(bytes)
      let part = try SecretPart(from: &reader, past: past)
      try reader.finish()
      return part
    }
  }

  private init(from reader: inout ByteReader, past: [ArchivedPast]) throws(WireError) {
    version = try reader.readArchiveVersion()
    confirmationTag = try reader.readVector()
    secrets = try EpochSecrets(from: &reader)
    secretTree = try SecretTree(from: &reader)
    exporterTree = version > 1 ? try ExporterTree(from: &reader) : .empty
    privateKeys = try TreePrivateKeys(from: &reader)
    pending = try reader.readList(maxCount: Limits.maxPendingProposals)
    resumptionSecrets = try reader.readList(maxCount: Limits.resumptionEpochs)
    pastEpochs = []
    for item in past {
      let senderDataSecret = try reader.readSecret()
      let secretTree = try SecretTree(from: &reader)
      let replaced = item.replacedLeaves.map { ($0.index, $0.leafNode) }
      pastEpochs.append(
        PastEpoch(
          epoch: item.epoch, groupContext: item.groupContext,
          replacedLeaves: Dictionary(replaced, uniquingKeysWith: { first, _ in first }),
          senderDataSecret: senderDataSecret, secretTree: secretTree))
    }
  }
}

extension EpochSecrets: WireCodable {
  func encode(into writer: inout ByteWriter) {
    for secret in [
      senderDataSecret, exporterSecret, externalSecret, confirmationKey, membershipKey, resumptionPSK,
      epochAuthenticator, initSecret,
    ] { writer.writeVector(secret) }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    senderDataSecret = try reader.readSecret()
    exporterSecret = try reader.readSecret()
    externalSecret = try reader.readSecret()
    confirmationKey = try reader.readSecret()
    membershipKey = try reader.readSecret()
    resumptionPSK = try reader.readSecret()
    epochAuthenticator = try reader.readSecret()
    initSecret = try reader.readSecret()
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  fileprivate mutating func readArchiveVersion() throws(WireError) -> UInt8 {
    let version = try readUInt8()
    guard (1...GroupArchive.version).contains(version) else { throw .invalidValue(UInt64(version)) }
    return version
  }
}
