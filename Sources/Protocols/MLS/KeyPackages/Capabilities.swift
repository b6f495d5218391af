public import WireFormat

/// What a member supports beyond the defaults of RFC 9420 (§7.2). Unknown values are kept and ignored.
public struct Capabilities: Sendable, Hashable {
  public var versions: [ProtocolVersion]
  /// Numbers of cipher suites, known here or not.
  public var cipherSuites: [UInt16]
  public var extensions: [ExtensionType]
  public var proposals: [ProposalType]
  public var credentials: [CredentialType]

  public init(
    versions: [ProtocolVersion] = [.mls10], cipherSuites: [UInt16], extensions: [ExtensionType] = [],
    proposals: [ProposalType] = [], credentials: [CredentialType]
  ) {
    self.versions = versions
    self.cipherSuites = cipherSuites
    self.extensions = extensions
    self.proposals = proposals
    self.credentials = credentials
  }

  public func supports(_ type: ExtensionType) -> Bool { type.isDefault || extensions.contains(type) }
  public func supports(_ type: ProposalType) -> Bool { type.isDefault || proposals.contains(type) }
  public func supports(_ type: CredentialType) -> Bool { credentials.contains(type) }

  public func supports(_ required: RequiredCapabilities) -> Bool {
    required.extensionTypes.allSatisfy { supports($0) }
      && required.proposalTypes.allSatisfy { supports($0) }
      && required.credentialTypes.allSatisfy { supports($0) }
  }
}

extension Capabilities: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeList(versions)
    writer.writeList(cipherSuites)
    writer.writeList(extensions)
    writer.writeList(proposals)
    writer.writeList(credentials)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    versions = try reader.readList(maxCount: Limits.maxCapabilities)
    cipherSuites = try reader.readList(maxCount: Limits.maxCapabilities)
    extensions = try reader.readList(maxCount: Limits.maxCapabilities)
    proposals = try reader.readList(maxCount: Limits.maxCapabilities)
    credentials = try reader.readList(maxCount: Limits.maxCapabilities)
  }
}

/// When a key package's leaf is valid, in seconds since 1970 UTC, both ends included (RFC 9420 §7.2).
public struct Lifetime: Sendable, Hashable {
  public var notBefore: UInt64
  public var notAfter: UInt64

  public init(notBefore: UInt64, notAfter: UInt64) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  public func contains(_ secondsSince1970: UInt64) -> Bool {
    notBefore <= secondsSince1970 && secondsSince1970 <= notAfter
  }
}

extension Lifetime: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.write(notBefore)
    writer.write(notAfter)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    notBefore = try reader.readUInt64()
    notAfter = try reader.readUInt64()
  }
}
