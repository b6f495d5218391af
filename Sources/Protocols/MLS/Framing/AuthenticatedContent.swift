public import WireFormat

/// Signature and, for a commit, confirmation tag of a framed content (RFC 9420 §6.1).
public struct FramedContentAuthData: Sendable, Hashable {
  /// By the sender, over `FramedContentTBS`.
  public var signature: [UInt8]
  /// Present exactly when the content is a commit.
  public var confirmationTag: [UInt8]?

  init(signature: [UInt8], confirmationTag: [UInt8]?) {
    self.signature = signature
    self.confirmationTag = confirmationTag
  }

  init(for type: ContentType, from reader: inout ByteReader) throws(WireError) {
    signature = try reader.readVector()
    confirmationTag = type == .commit ? try reader.readVector() : nil
  }
}

extension FramedContentAuthData: WireEncodable {
  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(signature)
    if let confirmationTag { writer.writeVector(confirmationTag) }
  }
}

/// Content with its authentication, and the message form that both are bound to (RFC 9420 §6). As decoded, unverified.
struct AuthenticatedContent: Sendable, Hashable {
  var format: MessageFormat
  var content: FramedContent
  var auth: FramedContentAuthData

  init(format: MessageFormat, content: FramedContent, auth: FramedContentAuthData) {
    self.format = format
    self.content = content
    self.auth = auth
  }
}

extension AuthenticatedContent: WireCodable {
  func encode(into writer: inout ByteWriter) {
    format.encode(into: &writer)
    content.encode(into: &writer)
    auth.encode(into: &writer)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    format = try MessageFormat(from: &reader)
    content = try FramedContent(from: &reader)
    auth = try FramedContentAuthData(for: content.contentType, from: &reader)
  }
}
