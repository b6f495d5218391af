public import CryptoSuite
import WireFormat

/// A server's proof to one client that it is who the link names, where a proxy has the TLS certificate
/// (docs/protocol.md §3): its statement, and a signature over the client's nonce.
public struct IdentityProof: Hashable, Sendable {
  private static let context = Array("sotto server nonce 1".utf8)
  private static let nonceByteCount = 32
  /// Bytes of the statement within a proof.
  private static let statementByteCount = 65_536

  /// What a client asks with.
  public struct Nonce: Hashable, Sendable {
    fileprivate let bytes: [UInt8]

    public static func random(using random: any RandomSource) -> Nonce { Nonce(bytes: random.bytes(nonceByteCount)) }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Reads it as it stands in the request; nil for anything that `text` would not have made.
    public init?(_ text: String) {
      guard text.utf8.count <= 64, let bytes = Base64URL.decode(text), bytes.count == nonceByteCount else { return nil }
      self.bytes = bytes
    }

    /// Unpadded base64url.
    public var text: String { Base64URL.encode(bytes) }
  }

  /// The statement, not verified.
  public let statement: [UInt8]
  private let signature: Signature64

  /// Makes and signs a proof for a client that reached the server under a host and port.
  public init(signer: SigningKey, statement: [UInt8], nonce: Nonce, host: String, port: UInt16) throws(CryptoError) {
    let content = IdentityProof.signedContent(statement, nonce, host: host, port: port)
    guard let signature = Signature64(try signer.sign(content)) else { throw .invalidSignature }
    self.statement = statement
    self.signature = signature
  }

  /// Reads a proof and checks its signature; the statement in it is to be verified next.
  public init(verifying bytes: [UInt8], nonce: Nonce, server: ServerAddress) throws(IdentityStatementError) {
    do {
      var reader = ByteReader(bytes.span)
      statement = try reader.readVector(limit: IdentityProof.statementByteCount)
      signature = try reader.read()
      try reader.finish()
    } catch { throw .malformed }
    let content = IdentityProof.signedContent(statement, nonce, host: server.host, port: server.port)
    guard SignatureAlgorithm.ed25519.verify(signature.bytes, of: content, publicKey: server.serverKey.bytes) else {
      throw .badSignature
    }
  }

  /// The proof as `GET /v1/identity?nonce=…` gives it.
  public var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.writeVector(statement)
    writer.write(signature)
    return writer.bytes
  }

  private static func signedContent(_ statement: [UInt8], _ nonce: Nonce, host: String, port: UInt16) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes(context)
    writer.writeBytes(nonce.bytes)
    writer.writeVector(Array(host.utf8))
    writer.write(port)
    writer.writeVector(statement)
    return writer.bytes
  }
}
