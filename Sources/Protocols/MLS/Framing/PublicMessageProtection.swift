import CryptoSuite
import WireFormat

extension PublicMessage {
  /// Adds the membership tag, if the sender is a member (RFC 9420 §6.2).
  init(protecting authenticated: AuthenticatedContent, membershipKey: Secret, groupContext: [UInt8], suite: CipherSuite) {
    self.init(content: authenticated.content, auth: authenticated.auth, membershipTag: nil)
    if case .member = content.sender {
      membershipTag = suite.hash.hmac(key: membershipKey, toBeMACed(groupContext: groupContext))
    }
  }

  /// Checks the membership tag, if the sender is a member. The signature is still to be checked.
  ///
  /// - Throws: `.invalidFraming` for application data, which is never sent unencrypted.
  func unprotected(
    membershipKey: Secret, groupContext: [UInt8], suite: CipherSuite
  ) throws(MLSError) -> AuthenticatedContent {
    if case .application = content.body { throw .invalidFraming }
    if case .member = content.sender {
      let expected = toBeMACed(groupContext: groupContext)
      guard let membershipTag, suite.hash.isValidHMAC(membershipTag, key: membershipKey, expected) else {
        throw .mismatch(.membershipTag)
      }
    }
    return AuthenticatedContent(format: .publicMessage, content: content, auth: auth)
  }

  /// `AuthenticatedContentTBM` (RFC 9420 §6.2).
  private func toBeMACed(groupContext: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes(content.toBeSigned(format: .publicMessage, groupContext: groupContext))
    auth.encode(into: &writer)
    return writer.bytes
  }
}
