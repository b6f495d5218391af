public import WireFormat

/// A member's place in the tree: its keys, credential and capabilities, signed by itself (RFC 9420 §7.2).
public struct LeafNode: Sendable, Hashable {
  /// How the leaf came into the tree (RFC 9420 §7.2).
  public enum Source: Sendable, Hashable {
    case keyPackage(Lifetime)
    case update
    case commit(parentHash: [UInt8])
  }

  /// The key that path secrets are encrypted to.
  public var encryptionKey: [UInt8]
  /// The key that the member signs with.
  public var signatureKey: [UInt8]
  /// Who the member says it is.
  public var credential: Credential
  /// What it supports beyond the defaults.
  public var capabilities: Capabilities
  /// How the leaf came into the tree.
  public var source: Source
  /// Of this member alone.
  public var extensions: [Extension]
  /// By the member itself, over all of the above and, but for a key package's leaf, its place.
  public var signature: [UInt8]

  init(
    encryptionKey: [UInt8], signatureKey: [UInt8], credential: Credential, capabilities: Capabilities,
    source: Source, extensions: [Extension], signature: [UInt8]
  ) {
    self.encryptionKey = encryptionKey
    self.signatureKey = signatureKey
    self.credential = credential
    self.capabilities = capabilities
    self.source = source
    self.extensions = extensions
    self.signature = signature
  }

  /// The parent hash of a leaf that came by a commit.
  public var parentHash: [UInt8]? {
    if case .commit(let parentHash) = source { parentHash } else { nil }
  }

  /// `LeafNodeTBS` (RFC 9420 §7.2): every field above the signature, and the leaf's place in its group unless the leaf
  /// is a key package's.
  func toBeSigned(groupID: [UInt8], leafIndex: LeafIndex) -> [UInt8] {
    var writer = ByteWriter()
    encodeUnsigned(into: &writer)
    switch source {
    case .keyPackage: break
    case .update, .commit:
      writer.writeVector(groupID)
      leafIndex.encode(into: &writer)
    }
    return writer.bytes
  }

  private func encodeUnsigned(into writer: inout ByteWriter) {
    writer.writeVector(encryptionKey)
    writer.writeVector(signatureKey)
    credential.encode(into: &writer)
    capabilities.encode(into: &writer)
    source.encode(into: &writer)
    writer.writeList(extensions)
  }
}

extension LeafNode: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    encodeUnsigned(into: &writer)
    writer.writeVector(signature)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let start = reader.position
    encryptionKey = try reader.readVector()
    signatureKey = try reader.readVector()
    credential = try Credential(from: &reader)
    capabilities = try Capabilities(from: &reader)
    source = try Source(from: &reader)
    extensions = try reader.readList(maxCount: Limits.maxExtensions)
    signature = try reader.readVector()
    let byteCount = reader.position - start
    guard byteCount <= Limits.maxLeafByteCount else {
      throw .lengthOverLimit(length: byteCount, limit: Limits.maxLeafByteCount)
    }
  }
}

extension LeafNode.Source: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .keyPackage(let lifetime):
      writer.write(UInt8(1))
      lifetime.encode(into: &writer)
    case .update: writer.write(UInt8(2))
    case .commit(let parentHash):
      writer.write(UInt8(3))
      writer.writeVector(parentHash)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .keyPackage(try Lifetime(from: &reader))
    case 2: self = .update
    case 3: self = .commit(parentHash: try reader.readVector())
    default: throw .invalidValue(UInt64(type))
    }
  }
}
