public import WireFormat

/// What the members of a group agree on in an epoch (RFC 9420 §8.1).
public struct GroupContext: Sendable, Hashable {
  /// MLS 1.0.
  public var version: ProtocolVersion
  /// The number of the group's suite.
  public var cipherSuite: UInt16
  /// The group's name.
  public var groupID: [UInt8]
  /// The number of the epoch.
  public var epoch: UInt64
  /// The hash of the ratchet tree (RFC 9420 §7.8).
  public var treeHash: [UInt8]
  /// The hash of all commits so far (RFC 9420 §8.2).
  public var confirmedTranscriptHash: [UInt8]
  /// What all members agree to use.
  public var extensions: [Extension]

  init(
    version: ProtocolVersion = .mls10, cipherSuite: UInt16, groupID: [UInt8], epoch: UInt64, treeHash: [UInt8],
    confirmedTranscriptHash: [UInt8], extensions: [Extension]
  ) {
    self.version = version
    self.cipherSuite = cipherSuite
    self.groupID = groupID
    self.epoch = epoch
    self.treeHash = treeHash
    self.confirmedTranscriptHash = confirmedTranscriptHash
    self.extensions = extensions
  }
}

extension GroupContext {
  /// Checks the form of a message's authenticated data, which a group may prescribe (draft-ietf-mls-extensions, "Safe
  /// Additional Authenticated Data").
  ///
  /// - Throws: `.invalidFraming` for anything but a ``SafeAAD`` where the context's dictionary asks for it.
  func check(authenticatedData: [UInt8]) throws(MLSError) {
    guard try extensions.appData().entries[.safeAAD] != nil else { return }
    guard (try? SafeAAD(decoding: authenticatedData)) != nil else { throw .invalidFraming }
  }
}

extension GroupContext: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    version.encode(into: &writer)
    writer.write(cipherSuite)
    writer.writeVector(groupID)
    writer.write(epoch)
    writer.writeVector(treeHash)
    writer.writeVector(confirmedTranscriptHash)
    writer.writeList(extensions)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    version = try ProtocolVersion(from: &reader)
    cipherSuite = try reader.readUInt16()
    groupID = try reader.readVector()
    epoch = try reader.readUInt64()
    treeHash = try reader.readVector()
    confirmedTranscriptHash = try reader.readVector()
    extensions = try reader.readList(maxCount: Limits.maxExtensions)
  }
}
