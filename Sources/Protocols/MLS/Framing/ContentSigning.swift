import CryptoSuite
import WireFormat

/// Content whose signature has been checked. Only ``AuthenticatedContent/verified(publicKey:groupContext:suite:)``, and
/// the act of signing, make one.
struct VerifiedContent: Sendable {
  let authenticated: AuthenticatedContent

  fileprivate init(_ authenticated: AuthenticatedContent) { self.authenticated = authenticated }

  var content: FramedContent { authenticated.content }
}

extension FramedContent {
  /// `FramedContentTBS` (RFC 9420 §6.1).
  ///
  /// - Parameter groupContext: the encoding of the epoch's context; used where the sender's kind asks for it.
  func toBeSigned(format: MessageFormat, groupContext: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    ProtocolVersion.mls10.encode(into: &writer)
    format.encode(into: &writer)
    encode(into: &writer)
    if sender.signsGroupContext { writer.writeBytes(groupContext) }
    return writer.bytes
  }

  /// Signs the content. A commit's confirmation tag is added afterwards, for it depends on the signature.
  func sign(
    format: MessageFormat, groupContext: [UInt8], signer: SigningKey, suite: CipherSuite
  ) throws(MLSError) -> AuthenticatedContent {
    let toBeSigned = toBeSigned(format: format, groupContext: groupContext)
    do {
      let signature = try suite.signWithLabel(signer, label: "FramedContentTBS", content: toBeSigned)
      return AuthenticatedContent(
        format: format, content: self, auth: FramedContentAuthData(signature: signature, confirmationTag: nil))
    } catch {
      throw .crypto(error)
    }
  }
}

extension AuthenticatedContent {
  /// Checks the signature (RFC 9420 §6.1).
  func verified(publicKey: [UInt8], groupContext: [UInt8], suite: CipherSuite) throws(MLSError) -> VerifiedContent {
    let toBeSigned = content.toBeSigned(format: format, groupContext: groupContext)
    let isValid = suite.verifyWithLabel(
      publicKey: publicKey, label: "FramedContentTBS", content: toBeSigned, signature: auth.signature)
    guard isValid else { throw .invalidSignature(.content) }
    return VerifiedContent(self)
  }

  /// The hash by which a commit refers to this proposal (RFC 9420 §5.2).
  func proposalRef(_ suite: CipherSuite) -> ProposalRef {
    ProposalRef(suite.refHash(label: "MLS 1.0 Proposal Reference", encoded))
  }
}
