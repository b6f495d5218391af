public import WireFormat

/// The kind of an extension (RFC 9420 §17.3).
public struct ExtensionType: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The type with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// A name of the application's for a leaf (RFC 9420 §5.3.3).
  public static let applicationID = ExtensionType(rawValue: 1)
  /// The tree, in a group info (RFC 9420 §12.4.3.3).
  public static let ratchetTree = ExtensionType(rawValue: 2)
  /// ``RequiredCapabilities``, in a group context.
  public static let requiredCapabilities = ExtensionType(rawValue: 3)
  /// The key that an external joiner encrypts to, in a group info (RFC 9420 §12.4.3.2).
  public static let externalPub = ExtensionType(rawValue: 4)
  /// ``ExternalSenders``, in a group context.
  public static let externalSenders = ExtensionType(rawValue: 5)
  /// What components of the application attach (draft-ietf-mls-extensions); its content is an ``AppDataDictionary``.
  public static let appDataDictionary = ExtensionType(rawValue: 6)
  /// The mark of a last resort key package in earlier drafts of mls-extensions: still read, not written.
  public static let lastResort = ExtensionType(rawValue: 0x000A)

  /// Defined by RFC 9420 itself, so supported by everybody and never listed in capabilities (§7.2).
  public var isDefault: Bool { (1...5).contains(rawValue) }
}

/// One extension of a key package, leaf, group info or group context (RFC 9420 §13.4).
public struct Extension: Sendable, Hashable {
  /// What kind it is.
  public var type: ExtensionType
  /// Its content, in the encoding of its kind.
  public var data: [UInt8]

  /// An extension with this content.
  public init(type: ExtensionType, data: [UInt8]) {
    self.type = type
    self.data = data
  }
}

extension Extension: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    type.encode(into: &writer)
    writer.writeVector(data)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    type = try ExtensionType(from: &reader)
    data = try reader.readVector()
  }
}

extension [Extension] {
  /// The data of the first extension of this type.
  public func data(of type: ExtensionType) -> [UInt8]? { first { $0.type == type }?.data }

  /// Whether each type occurs at most once (RFC 9420 §13.4).
  var hasDistinctTypes: Bool { Set(map(\.type)).count == count }
}

/// What every member of the group must support (RFC 9420 §11.1).
public struct RequiredCapabilities: Sendable, Hashable {
  /// Extension types beyond the defaults.
  public var extensionTypes: [ExtensionType]
  /// Proposal types beyond the defaults.
  public var proposalTypes: [ProposalType]
  /// Credential types.
  public var credentialTypes: [CredentialType]

  /// Requirements for a group.
  public init(extensionTypes: [ExtensionType] = [], proposalTypes: [ProposalType] = [], credentialTypes: [CredentialType] = []) {
    self.extensionTypes = extensionTypes
    self.proposalTypes = proposalTypes
    self.credentialTypes = credentialTypes
  }

  /// Whether it names a reserved value, which nobody supports (RFC 9420 §13.5).
  var hasReserved: Bool {
    extensionTypes.contains(where: \.isReserved) || proposalTypes.contains(where: \.isReserved)
      || credentialTypes.contains(where: \.isReserved)
  }

  /// The `required_capabilities` extension with this content.
  public var asExtension: Extension { Extension(type: .requiredCapabilities, data: encoded) }
}

extension RequiredCapabilities: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeList(extensionTypes)
    writer.writeList(proposalTypes)
    writer.writeList(credentialTypes)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    extensionTypes = try reader.readList(maxCount: Limits.maxCapabilities)
    proposalTypes = try reader.readList(maxCount: Limits.maxCapabilities)
    credentialTypes = try reader.readList(maxCount: Limits.maxCapabilities)
  }
}

/// Somebody outside the group who may send proposals to it (RFC 9420 §12.1.8.1).
public struct ExternalSender: Sendable, Hashable {
  /// The key that its proposals are signed with.
  public var signatureKey: [UInt8]
  /// Who it says it is; the creator of the list answers for it.
  public var credential: Credential

  /// A sender with this key.
  public init(signatureKey: [UInt8], credential: Credential) {
    self.signatureKey = signatureKey
    self.credential = credential
  }
}

extension ExternalSender: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(signatureKey)
    credential.encode(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    signatureKey = try reader.readVector()
    credential = try Credential(from: &reader)
  }
}

/// The content of the `external_senders` extension (RFC 9420 §12.1.8.1).
public struct ExternalSenders: Sendable, Hashable {
  /// In the order by which proposals refer to them, from 0.
  public var senders: [ExternalSender]

  /// A list of these senders.
  public init(_ senders: [ExternalSender]) { self.senders = senders }

  /// The `external_senders` extension with this content.
  public var asExtension: Extension { Extension(type: .externalSenders, data: encoded) }
}

extension ExternalSenders: WireCodable {
  public func encode(into writer: inout ByteWriter) { writer.writeList(senders) }

  public init(from reader: inout ByteReader) throws(WireError) {
    senders = try reader.readList(maxCount: Limits.maxExternalSenders)
  }
}

/// The content of the `external_pub` extension: the key that an external joiner encrypts to (RFC 9420 §12.4.3.2).
struct ExternalPub: Sendable, Hashable {
  var publicKey: [UInt8]

  init(_ publicKey: [UInt8]) { self.publicKey = publicKey }
}

extension ExternalPub: WireCodable {
  func encode(into writer: inout ByteWriter) { writer.writeVector(publicKey) }
  init(from reader: inout ByteReader) throws(WireError) { publicKey = try reader.readVector() }
}
