public import WireFormat

/// What a person may do in a conversation (docs/protocol.md §9); a higher one may all that a lower one may.
public enum Role: UInt8, Sendable, Hashable, Comparable, WireCodable {
  case member = 1
  case administrator = 2
  case owner = 3

  public static func < (left: Role, right: Role) -> Bool { left.rawValue < right.rawValue }

  public init(from reader: inout ByteReader) throws(WireError) {
    let value = try reader.readUInt8()
    guard let role = Role(rawValue: value) else { throw .invalidValue(UInt64(value)) }
    self = role
  }

  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
}

/// The group context extension `sotto_conversation`, 0xF0A4 (docs/protocol.md §9): agreed by every member.
public struct ConversationContext: Hashable, Sendable, WireCodable {
  public static let extensionType: UInt16 = 0xF0A4
  private static let version: UInt8 = 1

  public enum Kind: UInt8, Sendable, Hashable {
    case direct = 1
    case group = 2
  }

  /// Somebody's role.
  public struct Assignment: Hashable, Sendable, WireCodable {
    public var identity: IdentityID
    public var role: Role

    public init(identity: IdentityID, role: Role) {
      self.identity = identity
      self.role = role
    }

    public init(from reader: inout ByteReader) throws(WireError) {
      identity = try reader.read()
      role = try reader.read()
    }

    public func encode(into writer: inout ByteWriter) {
      writer.write(identity)
      writer.write(role)
    }
  }

  /// The least role that may commit a kind of proposal.
  public struct Rule: Hashable, Sendable, WireCodable {
    public var proposal: UInt16
    public var role: Role

    public init(proposal: UInt16, role: Role) {
      self.proposal = proposal
      self.role = role
    }

    public init(from reader: inout ByteReader) throws(WireError) {
      proposal = try reader.readUInt16()
      role = try reader.read()
    }

    public func encode(into writer: inout ByteWriter) {
      writer.write(proposal)
      writer.write(role)
    }
  }

  public var kind: Kind
  public var server: ServerAddress
  public var handle: HandleID
  public var title: String
  public var roles: [Assignment]
  public var rules: [Rule]

  /// Add and remove for administrators, context for owners, update for all (proposal numbers of RFC 9420 §17.4).
  public static let defaultRules = [
    Rule(proposal: 1, role: .administrator), Rule(proposal: 2, role: .member), Rule(proposal: 3, role: .administrator),
    Rule(proposal: 7, role: .owner),
  ]

  public init(kind: Kind, server: ServerAddress, handle: HandleID, title: String, roles: [Assignment], rules: [Rule] = defaultRules) {
    self.kind = kind
    self.server = server
    self.handle = handle
    self.title = title
    self.roles = roles
    self.rules = rules
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == ConversationContext.version else { throw .invalidValue(UInt64(version)) }
    let kind = try reader.readUInt8()
    guard let known = Kind(rawValue: kind) else { throw .invalidValue(UInt64(kind)) }
    self.kind = known
    server = try reader.read()
    handle = try reader.read()
    title = try reader.readText(limit: Limits.nameByteCount)
    roles = try reader.readList(maxCount: Limits.conversationDeviceCount)
    rules = try reader.readList(maxCount: 64)
    guard Set(roles.map(\.identity)).count == roles.count, Set(rules.map(\.proposal)).count == rules.count else { throw .invalidValue(0) }
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(ConversationContext.version)
    writer.write(kind.rawValue)
    writer.write(server)
    writer.write(handle)
    writer.writeVector(Array(title.utf8))
    writer.writeList(roles)
    writer.writeList(rules)
  }

  /// Who is not listed is a member.
  public func role(of identity: IdentityID) -> Role {
    roles.first { $0.identity == identity }?.role ?? .member
  }

  /// The least role that may commit this proposal; nil when nobody may.
  public func leastRole(forProposal type: UInt16) -> Role? {
    rules.first { $0.proposal == type }?.role
  }
}
