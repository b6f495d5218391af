import Crypto
import FoundationEssentials

/// An authenticated cipher with a 12-byte nonce and a 16-byte tag (RFC 5116, RFC 8439).
public enum AEADAlgorithm: Sendable, Hashable {
  case aes128GCM, aes256GCM, chaCha20Poly1305

  /// The key length, in bytes.
  public var keyByteCount: Int {
    switch self {
    case .aes128GCM: 16
    case .aes256GCM, .chaCha20Poly1305: 32
    }
  }

  /// The nonce length, in bytes.
  public var nonceByteCount: Int { 12 }

  /// How much longer a ciphertext is than its plaintext, in bytes.
  public var tagByteCount: Int { 16 }

  /// Encrypts and authenticates.
  ///
  /// - Returns: the ciphertext with the tag behind it.
  /// - Throws: `.invalidLength` for a key or nonce of a wrong length.
  public func seal(_ plaintext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    try check(key: key, nonce: nonce)
    do {
      switch self {
      case .aes128GCM, .aes256GCM:
        let box = try AES.GCM.seal(
          plaintext, using: key.key, nonce: AES.GCM.Nonce(data: nonce), authenticating: aad)
        return joined(box.ciphertext, box.tag)
      case .chaCha20Poly1305:
        let box = try ChaChaPoly.seal(
          plaintext, using: key.key, nonce: ChaChaPoly.Nonce(data: nonce), authenticating: aad)
        return joined(box.ciphertext, box.tag)
      }
    } catch {
      throw .underlying
    }
  }

  /// Checks and decrypts what ``seal(_:key:nonce:aad:)`` made.
  ///
  /// - Throws: `.notAuthentic` when the tag does not match or is not all there.
  public func open(_ ciphertext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    try check(key: key, nonce: nonce)
    guard ciphertext.count >= tagByteCount else { throw .notAuthentic }
    var combined: [UInt8] = []
    combined.reserveCapacity(nonce.count + ciphertext.count)
    combined += nonce
    combined += ciphertext
    do {
      switch self {
      case .aes128GCM, .aes256GCM:
        let box = try AES.GCM.SealedBox(combined: combined)
        return [UInt8](try AES.GCM.open(box, using: key.key, authenticating: aad))
      case .chaCha20Poly1305:
        let box = try ChaChaPoly.SealedBox(combined: combined)
        return [UInt8](try ChaChaPoly.open(box, using: key.key, authenticating: aad))
      }
    } catch {
      throw .notAuthentic
    }
  }

  private func check(key: Secret, nonce: [UInt8]) throws(CryptoError) {
    guard key.byteCount == keyByteCount else {
      throw .invalidLength(expected: keyByteCount, actual: key.byteCount)
    }
    guard nonce.count == nonceByteCount else {
      throw .invalidLength(expected: nonceByteCount, actual: nonce.count)
    }
  }

  private func joined(_ ciphertext: Data, _ tag: Data) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(ciphertext.count + tag.count)
    output.append(contentsOf: ciphertext)
    output.append(contentsOf: tag)
    return output
  }
}
