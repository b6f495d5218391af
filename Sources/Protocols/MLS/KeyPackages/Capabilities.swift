public import CryptoSuite
public import WireFormat

/// What a member supports beyond the defaults of RFC 9420 (§7.2). Unknown values are kept and ignored.
public struct Capabilities: Sendable, Hashable {
  /// Protocol versions.
  public var versions: [ProtocolVersion]
  /// Numbers of cipher suites, known here or not.
  public var cipherSuites: [UInt16]
  /// Extension types beyond those of RFC 9420.
  public var extensions: [ExtensionType]
  /// Proposal types beyond those of RFC 9420.
  public var proposals: [ProposalType]
  /// Credential types; all of them, for none is a default.
  public var credentials: [CredentialType]

  /// Capabilities beyond the defaults.
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

  /// Whether the type is a default of RFC 9420 or listed.
  public func supports(_ type: ExtensionType) -> Bool { type.isDefault || extensions.contains(type) }
  /// Whether the type is a default of RFC 9420 or listed.
  public func supports(_ type: ProposalType) -> Bool { type.isDefault || proposals.contains(type) }
  /// Whether the type is listed.
  public func supports(_ type: CredentialType) -> Bool { credentials.contains(type) }

  /// Whether everything that a group requires is supported (RFC 9420 §11.1).
  public func supports(_ required: RequiredCapabilities) -> Bool {
    supports(allOf: required.extensionTypes)
      && proposals.contains(allOf: required.proposalTypes.lazy.filter { !$0.isDefault })
      && credentials.contains(allOf: required.credentialTypes)
  }

  /// Whether each type is a default of RFC 9420 or listed.
  func supports(allOf types: some Collection<ExtensionType>) -> Bool {
    extensions.contains(allOf: types.lazy.filter { !$0.isDefault })
  }
}

extension Capabilities {
  /// With one random reserved value in each list but that of versions, so that peers who fail on values they do not know
  /// are noticed early (GREASE, RFC 9420 §7.2 and §13.5). See ``LeafParameters/withGREASE(using:)`` for a whole leaf.
  public func withGREASE(using random: any RandomSource = SystemRandom()) -> Capabilities {
    var greased = self
    greased.cipherSuites.append(random.reservedValue())
    greased.extensions.append(ExtensionType(rawValue: random.reservedValue()))
    greased.proposals.append(ProposalType(rawValue: random.reservedValue()))
    greased.credentials.append(CredentialType(rawValue: random.reservedValue()))
    return greased
  }
}

extension LeafParameters {
  /// With reserved values in the capabilities, and an extension of a reserved type that they list (RFC 9420 §13.5).
  public func withGREASE(using random: any RandomSource = SystemRandom()) -> LeafParameters {
    var greased = self
    greased.capabilities = capabilities.withGREASE(using: random)
    greased.extensions = extensions.withGREASE(using: random)
    let types = greased.extensions.map(\.type).filter { $0.isReserved && !greased.capabilities.extensions.contains($0) }
    greased.capabilities.extensions += types
    return greased
  }
}

extension [Extension] {
  /// With one more, of a reserved type that is not there yet and up to 15 random bytes: for the extensions of a key package
  /// or group info (RFC 9420 §13.5). Those of a group context never have one, nor the capabilities that it requires.
  public func withGREASE(using random: any RandomSource = SystemRandom()) -> [Extension] {
    let free = reservedValues.map { ExtensionType(rawValue: $0) }.filter { data(of: $0) == nil }
    let choice = random.bytes(2)
    guard !free.isEmpty else { return self }
    return self + [Extension(type: free[Int(choice[0]) % free.count], data: random.bytes(Int(choice[1] % 16)))]
  }
}

/// 0x0A0A, 0x1A1A ... 0xEAEA.
private let reservedValues = (0..<15).map { UInt16($0) * 0x1010 + 0x0A0A }

extension RandomSource {
  fileprivate func reservedValue() -> UInt16 { reservedValues[Int(bytes(1)[0] % 15)] }
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
  /// The first second.
  public var notBefore: UInt64
  /// The last second.
  public var notAfter: UInt64

  /// A time from one second to another.
  public init(notBefore: UInt64, notAfter: UInt64) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  /// Whether this moment is in it.
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
