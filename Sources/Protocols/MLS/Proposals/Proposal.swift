public import WireFormat

/// The kind of a proposal (RFC 9420 §17.4).
public struct ProposalType: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The type with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Somebody is to be added (RFC 9420 §12.1.1).
  public static let add = ProposalType(rawValue: 1)
  /// The sender's leaf is to be replaced (§12.1.2).
  public static let update = ProposalType(rawValue: 2)
  /// A member is to be removed (§12.1.3).
  public static let remove = ProposalType(rawValue: 3)
  /// A key is to be mixed in (§12.1.4).
  public static let preSharedKey = ProposalType(rawValue: 4)
  /// The group is to be replaced by another (§12.1.5).
  public static let reInit = ProposalType(rawValue: 5)
  /// Carries an external joiner's init secret (§12.1.6).
  public static let externalInit = ProposalType(rawValue: 6)
  /// The group context's extensions are to be replaced (§12.1.7).
  public static let groupContextExtensions = ProposalType(rawValue: 7)
  /// draft-ietf-mls-extensions, "SelfRemove Proposal"; listed in the capabilities of whoever supports it.
  public static let selfRemove = ProposalType(rawValue: 0x000A)

  /// Defined by RFC 9420 itself, so supported by everybody and never listed in capabilities (§7.2).
  public var isDefault: Bool { (1...7).contains(rawValue) }

  /// The registry's range for private use; only here is the syntax of an unknown proposal known (one opaque vector).
  public var isPrivateUse: Bool { rawValue >= 0xF000 }

  /// Whether a commit that covers such a proposal must carry a path (RFC 9420 §12.4). A type for private use has no entry
  /// in the registry that says so; its application can make all its commits with one, and judge those of others.
  var requiresPath: Bool {
    switch self {
    case .add, .preSharedKey, .reInit: false
    default: !isPrivateUse
    }
  }

  /// Whether somebody outside the group may send such a proposal (RFC 9420 §12.1.8.1). Of a type for private use the
  /// registry does not say; its application decides, as with all its proposals.
  var isForExternalSenders: Bool {
    [.add, .remove, .preSharedKey, .reInit, .groupContextExtensions].contains(self) || isPrivateUse
  }
}

/// A change that somebody asks the group to make (RFC 9420 §12.1).
public enum Proposal: Sendable, Hashable {
  case add(KeyPackage)
  case update(LeafNode)
  case remove(LeafIndex)
  case preSharedKey(PreSharedKeyID)
  case reInit(ReInit)
  case externalInit(kemOutput: [UInt8])
  case groupContextExtensions([Extension])
  /// The wish of its sender to be removed by the next commit, even by one that comes from outside
  /// (draft-ietf-mls-extensions). Sent as a PublicMessage, and committed by reference only.
  case selfRemove
  /// A proposal of the private-use range, whose content is one opaque vector. The syntax of other unknown types
  /// cannot be known, so they are refused when decoded, as are the GREASE values, which RFC 9420 §13.5 forbids here.
  case custom(type: ProposalType, content: [UInt8])

  /// The type, as it stands before the content on the wire.
  public var type: ProposalType {
    switch self {
    case .add: .add
    case .update: .update
    case .remove: .remove
    case .preSharedKey: .preSharedKey
    case .reInit: .reInit
    case .externalInit: .externalInit
    case .groupContextExtensions: .groupContextExtensions
    case .selfRemove: .selfRemove
    case .custom(let type, _): type
    }
  }
}

extension Proposal: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    type.encode(into: &writer)
    switch self {
    case .add(let keyPackage): keyPackage.encode(into: &writer)
    case .update(let leafNode): leafNode.encode(into: &writer)
    case .remove(let leaf): leaf.encode(into: &writer)
    case .preSharedKey(let id): id.encode(into: &writer)
    case .reInit(let reInit): reInit.encode(into: &writer)
    case .externalInit(let kemOutput): writer.writeVector(kemOutput)
    case .groupContextExtensions(let extensions): writer.writeList(extensions)
    case .selfRemove: break
    case .custom(_, let content): writer.writeVector(content)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try ProposalType(from: &reader)
    switch type {
    case .add: self = .add(try KeyPackage(from: &reader))
    case .update: self = .update(try LeafNode(from: &reader))
    case .remove: self = .remove(try LeafIndex(from: &reader))
    case .preSharedKey: self = .preSharedKey(try PreSharedKeyID(from: &reader))
    case .reInit: self = .reInit(try ReInit(from: &reader))
    case .externalInit: self = .externalInit(kemOutput: try reader.readVector())
    case .groupContextExtensions:
      self = .groupContextExtensions(try reader.readList(maxCount: Limits.maxExtensions))
    case .selfRemove: self = .selfRemove
    default:
      guard type.isPrivateUse else { throw .invalidValue(UInt64(type.rawValue)) }
      self = .custom(type: type, content: try reader.readVector())
    }
  }
}

/// The parameters of the group that is to replace this one (RFC 9420 §12.1.5).
public struct ReInit: Sendable, Hashable {
  /// The new group's name.
  public var groupID: [UInt8]
  /// Its protocol version, not older than this one's.
  public var version: ProtocolVersion
  /// The number of its suite.
  public var cipherSuite: UInt16
  /// Of its group context.
  public var extensions: [Extension]

  /// The parameters of a new group.
  public init(groupID: [UInt8], version: ProtocolVersion, cipherSuite: UInt16, extensions: [Extension]) {
    self.groupID = groupID
    self.version = version
    self.cipherSuite = cipherSuite
    self.extensions = extensions
  }
}

extension ReInit: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(groupID)
    version.encode(into: &writer)
    writer.write(cipherSuite)
    writer.writeList(extensions)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    groupID = try reader.readVector()
    version = try ProtocolVersion(from: &reader)
    cipherSuite = try reader.readUInt16()
    extensions = try reader.readList(maxCount: Limits.maxExtensions)
  }
}
