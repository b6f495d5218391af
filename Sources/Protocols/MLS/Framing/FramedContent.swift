public import WireFormat

/// What a framed message holds (RFC 9420 §6).
public enum ContentType: UInt8, Sendable, Hashable, WireCodable {
  case application = 1
  case proposal = 2
  case commit = 3

  public func encode(into writer: inout ByteWriter) { writer.write(rawValue) }

  public init(from reader: inout ByteReader) throws(WireError) {
    let value = try reader.readUInt8()
    guard let type = ContentType(rawValue: value) else { throw .invalidValue(UInt64(value)) }
    self = type
  }
}

/// Who signed a framed message (RFC 9420 §6).
public enum Sender: Sendable, Hashable, WireCodable {
  /// The member at this leaf.
  case member(LeafIndex)
  /// The entry with this index in the `external_senders` extension.
  case external(UInt32)
  /// Somebody who asks to be added.
  case newMemberProposal
  /// Somebody who joins by an external commit.
  case newMemberCommit

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .member(let leaf):
      writer.write(UInt8(1))
      leaf.encode(into: &writer)
    case .external(let index):
      writer.write(UInt8(2))
      writer.write(index)
    case .newMemberProposal: writer.write(UInt8(3))
    case .newMemberCommit: writer.write(UInt8(4))
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .member(try LeafIndex(from: &reader))
    case 2: self = .external(try reader.readUInt32())
    case 3: self = .newMemberProposal
    case 4: self = .newMemberCommit
    default: throw .invalidValue(UInt64(type))
    }
  }

  var isMember: Bool { if case .member = self { true } else { false } }

  /// Whether the group context is part of what this sender signs (RFC 9420 §6.1).
  var signsGroupContext: Bool {
    switch self {
    case .member, .newMemberCommit: true
    case .external, .newMemberProposal: false
    }
  }
}

/// The content of a framed message before its authentication (RFC 9420 §6).
public struct FramedContent: Sendable, Hashable {
  /// What is said: application data, a proposal or a commit (RFC 9420 §6).
  public enum Body: Sendable, Hashable {
    case application([UInt8])
    case proposal(Proposal)
    case commit(Commit)
  }

  /// The group that the content is for.
  public var groupID: [UInt8]
  /// The epoch that it was sent in.
  public var epoch: UInt64
  /// Who says to have signed it.
  public var sender: Sender
  /// The application's own, sent beside the content: authenticated, never encrypted.
  public var authenticatedData: [UInt8]
  /// What is said.
  public var body: Body

  init(groupID: [UInt8], epoch: UInt64, sender: Sender, authenticatedData: [UInt8], body: Body) {
    self.groupID = groupID
    self.epoch = epoch
    self.sender = sender
    self.authenticatedData = authenticatedData
    self.body = body
  }

  /// The kind of the body.
  public var contentType: ContentType { body.contentType }
}

extension FramedContent.Body {
  /// The kind, as it stands before the body on the wire.
  public var contentType: ContentType {
    switch self {
    case .application: .application
    case .proposal: .proposal
    case .commit: .commit
    }
  }

  /// The body without its type, as both message forms carry it.
  func encodeUntyped(into writer: inout ByteWriter) {
    switch self {
    case .application(let data): writer.writeVector(data)
    case .proposal(let proposal): proposal.encode(into: &writer)
    case .commit(let commit): commit.encode(into: &writer)
    }
  }

  init(_ type: ContentType, from reader: inout ByteReader) throws(WireError) {
    switch type {
    case .application: self = .application(try reader.readVector())
    case .proposal: self = .proposal(try Proposal(from: &reader))
    case .commit: self = .commit(try Commit(from: &reader))
    }
  }
}

extension FramedContent: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(groupID)
    writer.write(epoch)
    sender.encode(into: &writer)
    writer.writeVector(authenticatedData)
    contentType.encode(into: &writer)
    body.encodeUntyped(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    groupID = try reader.readVector()
    epoch = try reader.readUInt64()
    sender = try Sender(from: &reader)
    authenticatedData = try reader.readVector()
    let type = try ContentType(from: &reader)
    body = try Body(type, from: &reader)
  }
}
