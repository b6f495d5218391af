import CryptoSuite
import WireFormat

/// The running hashes over all commits of a group (RFC 9420 §8.2).
enum TranscriptHash {
  /// Up to and including the signature of this commit.
  static func confirmed(interimBefore: [UInt8], commit: AuthenticatedContent, suite: CipherSuite) -> [UInt8] {
    var input = ByteWriter()
    input.writeBytes(interimBefore)
    commit.format.encode(into: &input)
    commit.content.encode(into: &input)
    input.writeVector(commit.auth.signature)
    return suite.hash.hash(input.bytes)
  }

  /// Also over the commit's confirmation tag.
  static func interim(confirmed: [UInt8], confirmationTag: [UInt8], suite: CipherSuite) -> [UInt8] {
    var input = ByteWriter()
    input.writeBytes(confirmed)
    input.writeVector(confirmationTag)
    return suite.hash.hash(input.bytes)
  }
}
