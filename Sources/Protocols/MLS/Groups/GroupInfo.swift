public import WireFormat

/// A group's state as a newcomer needs it, signed by a member (RFC 9420 §12.4.3). As decoded, unverified.
public struct GroupInfo: Sendable, Hashable {
  /// The epoch that it describes.
  public var groupContext: GroupContext
  /// Beside those of the group context: the tree, the external key, whatever the application adds.
  public var extensions: [Extension]
  /// Of the commit that started the epoch.
  public var confirmationTag: [UInt8]
  /// The leaf of the member who signed.
  public var signer: LeafIndex
  /// Over all of the above.
  public var signature: [UInt8]

  init(
    groupContext: GroupContext, extensions: [Extension], confirmationTag: [UInt8], signer: LeafIndex, signature: [UInt8]
  ) {
    self.groupContext = groupContext
    self.extensions = extensions
    self.confirmationTag = confirmationTag
    self.signer = signer
    self.signature = signature
  }

  /// `GroupInfoTBS`: every field above the signature.
  var toBeSigned: [UInt8] {
    var writer = ByteWriter()
    encodeUnsigned(into: &writer)
    return writer.bytes
  }

  private func encodeUnsigned(into writer: inout ByteWriter) {
    groupContext.encode(into: &writer)
    writer.writeList(extensions)
    writer.writeVector(confirmationTag)
    signer.encode(into: &writer)
  }
}

extension GroupInfo: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    encodeUnsigned(into: &writer)
    writer.writeVector(signature)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    groupContext = try GroupContext(from: &reader)
    extensions = try reader.readList(maxCount: Limits.maxExtensions)
    confirmationTag = try reader.readVector()
    signer = try LeafIndex(from: &reader)
    signature = try reader.readVector()
  }
}
