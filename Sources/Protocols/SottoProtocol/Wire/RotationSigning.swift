public import CryptoSuite
import WireFormat

extension Rotation {
  /// What an administrator signs (docs/protocol.md §8); `entry` is empty for a rotation without an append.
  static func signedContent(handle: HandleID, slot: UInt64, writeKeyHash: KeyHash, administratorKeys: [PublicKey32], entry: [UInt8])
    -> [UInt8]
  {
    var keys = ByteWriter()
    keys.writeList(administratorKeys)
    var writer = ByteWriter()
    writer.writeBytes(Array("sotto log rotation 1".utf8))
    writer.write(handle)
    writer.write(slot)
    writer.write(writeKeyHash)
    writer.writeBytes(HashAlgorithm.sha256.hash(keys.bytes))
    writer.writeBytes(HashAlgorithm.sha256.hash(entry))
    return writer.bytes
  }

  /// Signs a change of a log's keys.
  public init(
    handle: HandleID, slot: UInt64, writeKeyHash: KeyHash, administratorKeys: [PublicKey32], entry: [UInt8], signer: SigningKey
  ) throws(CryptoError) {
    let content = Rotation.signedContent(
      handle: handle, slot: slot, writeKeyHash: writeKeyHash, administratorKeys: administratorKeys, entry: entry)
    guard let signature = Signature64(try signer.sign(content)), let key = PublicKey32(signer.publicKey) else { throw .invalidKey }
    self.init(writeKeyHash: writeKeyHash, administratorKeys: administratorKeys, signer: key, signature: signature)
  }

  /// Whether the signature is right and the signer one of `administrators`.
  public func isAuthorised(by administrators: [PublicKey32], handle: HandleID, slot: UInt64, entry: [UInt8]) -> Bool {
    guard administrators.contains(signer) else { return false }
    let content = Rotation.signedContent(
      handle: handle, slot: slot, writeKeyHash: writeKeyHash, administratorKeys: administratorKeys, entry: entry)
    return SignatureAlgorithm.ed25519.verify(signature.bytes, of: content, publicKey: signer.bytes)
  }
}
