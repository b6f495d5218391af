public import CryptoSuite

/// The key under which a conversation's frames travel, so that a server sees no MLS header (docs/protocol.md §4, kind 1).
public struct WrapKey: Sendable, Equatable {
  /// 32 bytes, from the exporter of the epoch that began this generation.
  public let secret: Secret
  private let aeadKey: Secret
  private let locatorKey: Secret

  public init(_ secret: Secret) {
    self.secret = secret
    let kdf = KDF(.sha256)
    let root = kdf.extract(salt: Secret(Array("sotto frame 1".utf8)), ikm: secret)
    aeadKey = kdf.expand(root, info: Array("aead".utf8), count: 32)
    locatorKey = kdf.expand(root, info: Array("locator".utf8), count: 32)
  }

  public static func == (left: WrapKey, right: WrapKey) -> Bool { left.secret == right.secret }

  /// Seals an MLSMessage into a frame of a permitted size.
  ///
  /// - Throws: `.tooLarge` when it does not fit the largest frame.
  public func seal(_ message: [UInt8], random: any RandomSource) throws(FrameError) -> Frame {
    let padded = try Frame.pad(message, overhead: Frame.headerByteCount + AEADAlgorithm.aes256GCM.tagByteCount)
    let nonce = random.bytes(12)
    let locator = self.locator(nonce: nonce)
    let header = WrapKey.header(kind: .conversation, locator: locator, nonce: nonce)
    do {
      let ciphertext = try AEADAlgorithm.aes256GCM.seal(padded, key: aeadKey, nonce: nonce, aad: header)
      return Frame(kind: .conversation, locator: locator, nonce: nonce, ciphertext: ciphertext)
    } catch { throw .invalidKey }
  }

  /// Whether the frame's locator names this key: one HMAC.
  public func locates(_ frame: Frame) -> Bool {
    frame.kind == .conversation && constantTimeEquals(locator(nonce: frame.nonce), frame.locator)
  }

  /// Opens a frame that this key locates.
  ///
  /// - Throws: `.notAuthentic` when it is another's or was changed.
  public func open(_ frame: Frame) throws(FrameError) -> [UInt8] {
    guard locates(frame) else { throw .notAuthentic }
    let header = WrapKey.header(kind: frame.kind, locator: frame.locator, nonce: frame.nonce)
    let padded: [UInt8]
    do {
      padded = try AEADAlgorithm.aes256GCM.open(frame.ciphertext, key: aeadKey, nonce: frame.nonce, aad: header)
    } catch { throw .notAuthentic }
    return try Frame.unpad(padded)
  }

  private func locator(nonce: [UInt8]) -> [UInt8] {
    Array(HashAlgorithm.sha256.hmac(key: locatorKey, nonce).prefix(16))
  }

  static func header(kind: Frame.Kind, locator: [UInt8], nonce: [UInt8]) -> [UInt8] {
    [Frame.version, kind.rawValue] + locator + nonce
  }
}
