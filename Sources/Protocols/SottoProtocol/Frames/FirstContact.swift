public import CryptoSuite

/// Frames that carry a Welcome to somebody who handed out a seed (docs/protocol.md §4, kind 2).
public enum FirstContact {
  /// DHKEM(X25519, HKDF-SHA-256), HKDF-SHA-256, AES-256-GCM (RFC 9180).
  public static let suite = HPKESuite(kem: .x25519, hash: .sha256, aead: .aes256GCM)

  private static let info = Array("sotto first contact 1".utf8)
  private static let encapsulatedByteCount = 32

  /// Seals a Welcome to the key of a contact bundle, under the seed that came with it.
  ///
  /// - Throws: `.tooLarge`, or `.invalidKey` when `contactKey` is no X25519 key.
  public static func seal(_ message: [UInt8], to contactKey: PublicKey32, secrets: InvitationSecrets, random: any RandomSource)
    throws(FrameError) -> Frame
  {
    let overhead = Frame.headerByteCount + encapsulatedByteCount + AEADAlgorithm.aes256GCM.tagByteCount
    let padded = try Frame.pad(message, overhead: overhead)
    let nonce = random.bytes(12)
    let locator = locator(nonce: nonce, key: secrets.locatorKey)
    let header = WrapKey.header(kind: .firstContact, locator: locator, nonce: nonce)
    do {
      let sealed = try suite.sealWithPSK(
        padded, to: contactKey.bytes, info: info, aad: header, psk: secrets.psk, pskID: secrets.pskID)
      return Frame(kind: .firstContact, locator: locator, nonce: nonce, ciphertext: sealed.kemOutput + sealed.ciphertext)
    } catch { throw .invalidKey }
  }

  /// Whether the frame was sealed under this seed.
  public static func locates(_ frame: Frame, secrets: InvitationSecrets) -> Bool {
    frame.kind == .firstContact && constantTimeEquals(locator(nonce: frame.nonce, key: secrets.locatorKey), frame.locator)
  }

  /// Opens a frame with the private half of the contact key.
  public static func open(_ frame: Frame, contactKey: HPKEKeyPair, secrets: InvitationSecrets) throws(FrameError) -> [UInt8] {
    guard locates(frame, secrets: secrets), frame.ciphertext.count > encapsulatedByteCount else { throw .notAuthentic }
    let header = WrapKey.header(kind: frame.kind, locator: frame.locator, nonce: frame.nonce)
    let sealed = HPKECiphertext(
      kemOutput: Array(frame.ciphertext.prefix(encapsulatedByteCount)), ciphertext: Array(frame.ciphertext.dropFirst(encapsulatedByteCount))
    )
    let padded: [UInt8]
    do {
      padded = try suite.openWithPSK(sealed, with: contactKey, info: info, aad: header, psk: secrets.psk, pskID: secrets.pskID)
    } catch { throw .notAuthentic }
    return try Frame.unpad(padded)
  }

  private static func locator(nonce: [UInt8], key: Secret) -> [UInt8] {
    Array(HashAlgorithm.sha256.hmac(key: key, nonce).prefix(16))
  }
}
