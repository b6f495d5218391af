public import WireFormat

/// A signed message with a proof of its sender's leaf (draft-ietf-mls-partial, "Sender-Authenticated Messages"). As
/// decoded, unverified.
///
/// The draft embeds the bare structure: a ``Welcome``, ``GroupInfo``, ``PublicMessage`` or ``PrivateMessage``. An
/// ``MLSMessage`` is taken as well, which says itself what it is; the published vectors send application data so.
public struct SenderAuthenticatedMessage<Message: WireCodable & Sendable & Hashable>: Sendable, Hashable {
  /// The message, signed by the proven member.
  public var message: Message
  /// Of the sender's leaf, in the tree of the message's epoch.
  public var senderMembershipProof: MembershipProof

  /// A message with a proof.
  public init(message: Message, senderMembershipProof: MembershipProof) {
    self.message = message
    self.senderMembershipProof = senderMembershipProof
  }
}

extension SenderAuthenticatedMessage: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    message.encode(into: &writer)
    senderMembershipProof.encode(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    message = try Message(from: &reader)
    senderMembershipProof = try MembershipProof(from: &reader)
  }
}

/// What lets a newcomer join without the ratchet tree (draft-ietf-mls-partial, "Joining via Annotated Welcome"). As
/// decoded, unverified.
public struct AnnotatedWelcome: Sendable, Hashable {
  /// With the proof of whoever signed the group info.
  public var welcome: SenderAuthenticatedMessage<Welcome>
  /// Of the newcomer's own leaf.
  public var joinerMembershipProof: MembershipProof

  /// A Welcome with its proofs.
  public init(welcome: SenderAuthenticatedMessage<Welcome>, joinerMembershipProof: MembershipProof) {
    self.welcome = welcome
    self.joinerMembershipProof = joinerMembershipProof
  }
}

extension AnnotatedWelcome: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    welcome.encode(into: &writer)
    joinerMembershipProof.encode(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    welcome = try SenderAuthenticatedMessage(from: &reader)
    joinerMembershipProof = try MembershipProof(from: &reader)
  }
}

/// A commit with what one partial member needs to follow it (draft-ietf-mls-partial, "Annotated Commit"). As decoded,
/// unverified.
public struct AnnotatedCommit: Sendable, Hashable {
  /// A public or private message with a commit.
  public var commit: MLSMessage
  /// Of the committer in the tree before the commit; absent for an external commit.
  public var senderMembershipProof: MembershipProof?
  /// Of the tree after the commit.
  public var treeHashAfter: [UInt8]
  /// Which ciphertext of the path's node is for the receiver; present exactly when the commit has a path.
  public var resolutionIndex: UInt32?
  /// Of the committer in the tree after the commit.
  public var senderMembershipProofAfter: MembershipProof
  /// Of the receiver in the tree after the commit. For a receiver whom the commit removes there is none; it is then
  /// given the committer's proof once more, and stops reading before it.
  public var receiverMembershipProofAfter: MembershipProof

  /// A commit with its annotations.
  public init(
    commit: MLSMessage, senderMembershipProof: MembershipProof?, treeHashAfter: [UInt8], resolutionIndex: UInt32?,
    senderMembershipProofAfter: MembershipProof, receiverMembershipProofAfter: MembershipProof
  ) {
    self.commit = commit
    self.senderMembershipProof = senderMembershipProof
    self.treeHashAfter = treeHashAfter
    self.resolutionIndex = resolutionIndex
    self.senderMembershipProofAfter = senderMembershipProofAfter
    self.receiverMembershipProofAfter = receiverMembershipProofAfter
  }
}

extension AnnotatedCommit: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    commit.encode(into: &writer)
    writer.writeOptional(senderMembershipProof)
    writer.writeVector(treeHashAfter)
    writer.writeOptional(resolutionIndex)
    senderMembershipProofAfter.encode(into: &writer)
    receiverMembershipProofAfter.encode(into: &writer)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    commit = try MLSMessage(from: &reader)
    senderMembershipProof = try reader.readOptional()
    treeHashAfter = try reader.readVector()
    resolutionIndex = try reader.readOptional()
    senderMembershipProofAfter = try MembershipProof(from: &reader)
    receiverMembershipProofAfter = try MembershipProof(from: &reader)
  }
}

extension WireDecodable {
  /// Reads one structure of this draft that fills `bytes` exactly.
  static func decodeBounded(_ bytes: [UInt8]) throws(MLSError) -> Self {
    guard bytes.count <= Limits.maxMessageByteCount else {
      throw .malformed(.lengthOverLimit(length: bytes.count, limit: Limits.maxMessageByteCount))
    }
    do { return try Self(decoding: bytes) } catch { throw .malformed(error) }
  }
}
