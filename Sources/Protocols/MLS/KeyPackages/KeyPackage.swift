public import WireFormat

/// What somebody publishes so that others can add them to a group (RFC 9420 §10). As decoded, unverified.
public struct KeyPackage: Sendable, Hashable {
  /// MLS 1.0.
  public var version: ProtocolVersion
  /// The number of a cipher suite, known here or not.
  public var cipherSuite: UInt16
  /// The key that a Welcome is encrypted to.
  public var initKey: [UInt8]
  /// The leaf that its owner will have in the group.
  public var leafNode: LeafNode
  /// Of the package; unknown ones are ignored.
  public var extensions: [Extension]
  /// By the leaf's key, over all of the above.
  public var signature: [UInt8]

  init(
    version: ProtocolVersion = .mls10, cipherSuite: UInt16, initKey: [UInt8], leafNode: LeafNode,
    extensions: [Extension], signature: [UInt8]
  ) {
    self.version = version
    self.cipherSuite = cipherSuite
    self.initKey = initKey
    self.leafNode = leafNode
    self.extensions = extensions
    self.signature = signature
  }

  /// Reads a key package as it is published, in an ``MLSMessage``. It is not verified; see
  /// ``validate(cipherSuite:now:validator:)``.
  ///
  /// - Throws: `.malformed`, and `.unexpectedMessage` for a message of another kind.
  public init(message: [UInt8]) throws(MLSError) {
    guard case .keyPackage(let keyPackage) = try MLSMessage.decode(message) else { throw .unexpectedMessage }
    self = keyPackage
  }

  /// Whether its owner may use it again after a Welcome (draft-ietf-mls-extensions, "Last-Resort KeyPackages"). The mark
  /// has no data; what has some is another thing, and unknown.
  public var isLastResort: Bool {
    let mark = (try? extensions.appData())?.entries[.lastResortKeyPackage]
    let formerMark = extensions.data(of: .lastResort)
    return mark == [] || formerMark == []
  }

  /// `KeyPackageTBS`: every field above the signature.
  var toBeSigned: [UInt8] {
    var writer = ByteWriter()
    encodeUnsigned(into: &writer)
    return writer.bytes
  }

  private func encodeUnsigned(into writer: inout ByteWriter) {
    version.encode(into: &writer)
    writer.write(cipherSuite)
    writer.writeVector(initKey)
    leafNode.encode(into: &writer)
    writer.writeList(extensions)
  }
}

extension KeyPackage: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    encodeUnsigned(into: &writer)
    writer.writeVector(signature)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    version = try ProtocolVersion(from: &reader)
    cipherSuite = try reader.readUInt16()
    initKey = try reader.readVector()
    leafNode = try LeafNode(from: &reader)
    extensions = try reader.readList(maxCount: Limits.maxExtensions)
    signature = try reader.readVector()
  }
}
