public import CryptoSuite
import WireFormat

/// A server's signed word on which TLS keys and which issuer keys are its own today (docs/protocol.md §3).
///
/// Received bytes become a value only through `init(verifying:…)`, so a statement that exists was checked or was made here.
public struct IdentityStatement: Hashable, Sendable {
  private static let version: UInt8 = 3
  static let context = Array("sotto server identity 3".utf8)

  public let serverKey: PublicKey32
  public let sequence: UInt64
  /// Seconds since 1970.
  public let notAfter: UInt64
  /// SHA-256 of the SubjectPublicKeyInfo of each current TLS key.
  public let keyHashes: [KeyHash]
  /// Whose signatures make tokens: of 1 or 2 quarters, the newest first. The newest are those to have tokens signed with.
  public let issuerKeys: [IssuerKeys]
  private let signature: Signature64

  /// Makes and signs a statement.
  public init(signer: SigningKey, sequence: UInt64, notAfter: UInt64, keyHashes: [KeyHash], issuerKeys: [IssuerKeys]) throws(CryptoError) {
    guard let key = PublicKey32(signer.publicKey) else { throw .invalidKey }
    guard (1...Limits.statementKeyCount).contains(keyHashes.count) else { throw .invalidLength(expected: 1, actual: keyHashes.count) }
    guard (1...Limits.statementQuarterCount).contains(issuerKeys.count) else {
      throw .invalidLength(expected: 1, actual: issuerKeys.count)
    }
    serverKey = key
    self.sequence = sequence
    self.notAfter = notAfter
    self.keyHashes = keyHashes
    self.issuerKeys = issuerKeys
    let content = IdentityStatement.signedContent(
      serverKey: key, sequence: sequence, notAfter: notAfter, keyHashes: keyHashes, issuerKeys: issuerKeys)
    guard let signature = Signature64(try signer.sign(IdentityStatement.context + content)) else { throw .invalidSignature }
    self.signature = signature
  }

  /// Reads a statement and checks it.
  ///
  /// - Parameters:
  ///   - serverKey: the key from the link.
  ///   - now: seconds since 1970.
  ///   - lastSequence: the highest sequence seen from this server.
  public init(verifying bytes: [UInt8], serverKey expected: PublicKey32, now: UInt64, lastSequence: UInt64) throws(IdentityStatementError) {
    if let version = bytes.first, version != IdentityStatement.version { throw .otherVersion }
    do {
      var reader = ByteReader(bytes.span)
      _ = try reader.readUInt8()
      serverKey = try reader.read()
      sequence = try reader.readUInt64()
      notAfter = try reader.readUInt64()
      keyHashes = try reader.readList(maxCount: Limits.statementKeyCount)
      issuerKeys = try reader.readList(maxCount: Limits.statementQuarterCount)
      signature = try reader.read()
      try reader.finish()
    } catch { throw .malformed }
    guard serverKey == expected else { throw .otherServer }
    let content = IdentityStatement.signedContent(
      serverKey: serverKey, sequence: sequence, notAfter: notAfter, keyHashes: keyHashes, issuerKeys: issuerKeys)
    guard SignatureAlgorithm.ed25519.verify(signature.bytes, of: IdentityStatement.context + content, publicKey: expected.bytes) else {
      throw .badSignature
    }
    guard now <= notAfter else { throw .expired }
    guard sequence >= lastSequence else { throw .rolledBack }
    guard !keyHashes.isEmpty, !issuerKeys.isEmpty else { throw .malformed }
  }

  /// The statement as `GET /v1/identity` gives it.
  public var encoded: [UInt8] {
    IdentityStatement.signedContent(
      serverKey: serverKey, sequence: sequence, notAfter: notAfter, keyHashes: keyHashes, issuerKeys: issuerKeys) + signature.bytes
  }

  private static func signedContent(
    serverKey: PublicKey32, sequence: UInt64, notAfter: UInt64, keyHashes: [KeyHash], issuerKeys: [IssuerKeys]
  )
    -> [UInt8]
  {
    var writer = ByteWriter()
    writer.write(version)
    writer.write(serverKey)
    writer.write(sequence)
    writer.write(notAfter)
    writer.writeList(keyHashes)
    writer.writeList(issuerKeys)
    return writer.bytes
  }
}

/// Why a server's statement is not believed.
public enum IdentityStatementError: Error, Equatable, Sendable {
  case malformed
  /// It says to be of a version that this program does not read; nothing of it was checked.
  case otherVersion
  /// Another server answers at this address.
  case otherServer
  case badSignature
  case expired
  /// Older than one seen before.
  case rolledBack
}
