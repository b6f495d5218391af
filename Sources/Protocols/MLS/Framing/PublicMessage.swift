public import WireFormat

/// A signed message that is not encrypted (RFC 9420 §6.2). As decoded, unverified.
public struct PublicMessage: Sendable, Hashable {
  /// What is said, readable to whoever carries it.
  public var content: FramedContent
  /// The signature and, for a commit, the confirmation tag.
  public var auth: FramedContentAuthData
  /// Present exactly when the sender is a member.
  public var membershipTag: [UInt8]?

  init(content: FramedContent, auth: FramedContentAuthData, membershipTag: [UInt8]?) {
    self.content = content
    self.auth = auth
    self.membershipTag = membershipTag
  }
}

extension PublicMessage: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    content.encode(into: &writer)
    auth.encode(into: &writer)
    if let membershipTag { writer.writeVector(membershipTag) }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    content = try FramedContent(from: &reader)
    auth = try FramedContentAuthData(for: content.contentType, from: &reader)
    if case .member = content.sender {
      membershipTag = try reader.readVector()
    } else {
      membershipTag = nil
    }
  }
}
