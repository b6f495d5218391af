import Crypto
import CryptoExtras
import FoundationEssentials

/// AES-256-GCM-SIV (RFC 8452): an authenticated cipher that survives a repeated nonce.
///
/// Two plaintexts under one key and nonce show whether they are equal, and nothing more; GCM would give both away, and the
/// authentication key with them. It is for bulk content, so it wipes neither plaintext nor ciphertext.
public enum AES256GCMSIV {
  /// The key length, in bytes.
  public static let keyByteCount = 32
  /// The nonce length, in bytes.
  public static let nonceByteCount = 12
  /// How much longer a ciphertext is than its plaintext, in bytes.
  public static let tagByteCount = 16

  /// Encrypts and authenticates.
  ///
  /// - Returns: the ciphertext with the tag behind it.
  /// - Throws: `.invalidLength` for a key or nonce of a wrong length.
  public static func seal(
    _ plaintext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try check(key: key, nonce: nonce)
    do {
      let nonce = try AES.GCM._SIV.Nonce(data: nonce)
      let box = try AES.GCM._SIV.seal(plaintext, using: key.key, nonce: nonce, authenticating: aad)
      return bytes(of: box.combined.dropFirst(nonceByteCount))
    } catch {
      throw .underlying
    }
  }

  /// Checks and decrypts what ``seal(_:key:nonce:aad:)`` made.
  ///
  /// - Throws: `.notAuthentic` when the tag does not match or is not all there.
  public static func open(
    _ ciphertext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try check(key: key, nonce: nonce)
    guard ciphertext.count >= tagByteCount else { throw .notAuthentic }
    do {
      let box = try AES.GCM._SIV.SealedBox(combined: nonce + ciphertext)
      return bytes(of: try AES.GCM._SIV.open(box, using: key.key, authenticating: aad))
    } catch {
      throw .notAuthentic
    }
  }

  private static func check(key: Secret, nonce: [UInt8]) throws(CryptoError) {
    guard key.byteCount == keyByteCount else { throw .invalidLength(expected: keyByteCount, actual: key.byteCount) }
    guard nonce.count == nonceByteCount else { throw .invalidLength(expected: nonceByteCount, actual: nonce.count) }
  }

  @inline(never)
  private static func bytes(of data: Data) -> [UInt8] {
    // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
    unsafe data.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}
