public import WireFormat

/// The hash by which a commit names a proposal that was sent before (RFC 9420 §5.2).
public struct ProposalRef: Sendable, Hashable, WireCodable {
  /// The hash.
  public var bytes: [UInt8]

  /// A reference with this hash.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
  public init(from reader: inout ByteReader) throws(WireError) { bytes = try reader.readVector() }
  public func encode(into writer: inout ByteWriter) { writer.writeVector(bytes) }
}

/// A proposal in a commit: itself, or the hash of the message that carried it (RFC 9420 §12.4).
public enum ProposalOrRef: Sendable, Hashable {
  case proposal(Proposal)
  case reference(ProposalRef)
}

extension ProposalOrRef: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .proposal(let proposal):
      writer.write(UInt8(1))
      proposal.encode(into: &writer)
    case .reference(let reference):
      writer.write(UInt8(2))
      reference.encode(into: &writer)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try reader.readUInt8()
    switch type {
    case 1: self = .proposal(try Proposal(from: &reader))
    case 2: self = .reference(try ProposalRef(from: &reader))
    default: throw .invalidValue(UInt64(type))
    }
  }
}

/// The step from one epoch to the next (RFC 9420 §12.4).
public struct Commit: Sendable, Hashable {
  /// What the commit covers, in this order.
  public var proposals: [ProposalOrRef]
  /// New keys for the committer and the nodes above it, where there are any.
  public var path: UpdatePath?

  init(proposals: [ProposalOrRef], path: UpdatePath?) {
    self.proposals = proposals
    self.path = path
  }
}

extension Commit: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeList(proposals)
    writer.writeOptional(path)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    proposals = try reader.readList(maxCount: Limits.maxProposalsPerCommit)
    path = try reader.readOptional()
  }
}
