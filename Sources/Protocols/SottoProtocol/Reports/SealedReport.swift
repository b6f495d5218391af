public import CryptoSuite
import WireFormat

/// A report to the operator as it lies at the server: only the operator's key, which is kept elsewhere, opens it
/// (docs/protocol.md §14).
public enum SealedReport {
  /// Bytes of a report.
  public static let byteCount = 64 << 10
  /// Sealed reports are padded to a multiple of this.
  private static let padding = 4_096
  private static let suite = HPKESuite.xWing_sha384_aes256gcm
  private static let info = Array("sotto report 1".utf8)

  /// The operator's key pair.
  ///
  /// - Parameter privateKey: 32 random bytes.
  public static func key(_ privateKey: Secret) throws(CryptoError) -> HPKEKeyPair {
    try suite.keyPair(privateKey: privateKey)
  }

  /// Seals a report to the operator's public key.
  ///
  /// - Throws: `.invalidLength` for a report that is empty or too long, `.invalidKey`.
  public static func seal(_ report: [UInt8], to publicKey: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard (1...byteCount).contains(report.count) else { throw .invalidLength(expected: byteCount, actual: report.count) }
    var writer = ByteWriter()
    writer.writeVector(report)
    let rest = (padding - writer.bytes.count % padding) % padding
    writer.writeBytes([UInt8](repeating: 0, count: rest))
    let sealed = try suite.seal(writer.bytes, to: publicKey, info: info, aad: [])
    return sealed.kemOutput + sealed.ciphertext
  }

  /// Opens what `seal` made.
  ///
  /// - Throws: `.notAuthentic` for anything else, and with another key.
  public static func open(_ sealed: [UInt8], with key: HPKEKeyPair) throws(CryptoError) -> [UInt8] {
    let split = suite.kem.kemOutputByteCount
    guard sealed.count > split else { throw .notAuthentic }
    let parts = HPKECiphertext(kemOutput: Array(sealed.prefix(split)), ciphertext: Array(sealed.dropFirst(split)))
    let plaintext = try suite.open(parts, with: key, info: info, aad: [])
    do {
      var reader = ByteReader(plaintext.span)
      return try reader.readVector(limit: byteCount)
    } catch { throw .notAuthentic }
  }
}

/// A server's signed word that it took a report on a day (docs/protocol.md §14).
public struct ReportReceipt: Hashable, Sendable {
  private static let version: UInt8 = 1
  private static let context = Array("sotto report receipt 1".utf8)

  public let serverKey: PublicKey32
  /// SHA-256 of the report.
  public let reportHash: KeyHash
  /// Days since 1970.
  public let day: UInt32
  private let signature: Signature64

  public init(signer: SigningKey, report: [UInt8], day: UInt32) throws(CryptoError) {
    guard let key = PublicKey32(signer.publicKey), let hash = KeyHash(HashAlgorithm.sha256.hash(report)) else { throw .invalidKey }
    let content = ReportReceipt.signedContent(key, hash, day)
    guard let signature = Signature64(try signer.sign(ReportReceipt.context + content)) else { throw .invalidSignature }
    (serverKey, reportHash, self.day, self.signature) = (key, hash, day, signature)
  }

  /// Reads a receipt and checks it against the report and the key from a link.
  public init(verifying bytes: [UInt8], report: [UInt8], serverKey expected: PublicKey32) throws(IdentityStatementError) {
    do {
      var reader = ByteReader(bytes.span)
      guard try reader.readUInt8() == ReportReceipt.version else { throw IdentityStatementError.malformed }
      serverKey = try reader.read()
      reportHash = try reader.read()
      day = try reader.readUInt32()
      signature = try reader.read()
      try reader.finish()
    } catch { throw .malformed }
    guard serverKey == expected else { throw .otherServer }
    guard reportHash.bytes == HashAlgorithm.sha256.hash(report) else { throw .malformed }
    let content = ReportReceipt.signedContent(serverKey, reportHash, day)
    guard SignatureAlgorithm.ed25519.verify(signature.bytes, of: ReportReceipt.context + content, publicKey: expected.bytes) else {
      throw .badSignature
    }
  }

  /// The receipt as `POST /v1/report` answers with it.
  public var encoded: [UInt8] { ReportReceipt.signedContent(serverKey, reportHash, day) + signature.bytes }

  private static func signedContent(_ key: PublicKey32, _ hash: KeyHash, _ day: UInt32) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(version)
    writer.write(key)
    writer.write(hash)
    writer.write(day)
    return writer.bytes
  }
}
