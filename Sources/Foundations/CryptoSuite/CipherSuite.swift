/// An MLS cipher suite (RFC 9420 §17.1).
///
/// Suites 4 and 6 need X448, which is not available: they are unknown here. X-Wing has no number of its own yet, so a
/// suite of it exists under whatever number an application chooses.
public struct CipherSuite: Sendable, Hashable {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The hash for trees, transcripts and references.
  public let hash: HashAlgorithm
  /// The cipher for messages.
  public let aead: AEADAlgorithm
  /// The public key encryption.
  public let hpke: HPKESuite
  /// The signature scheme.
  public let signature: SignatureAlgorithm

  /// HKDF over ``hash``.
  public var kdf: KDF { KDF(hash) }

  private init(_ rawValue: UInt16, _ hpke: HPKESuite, _ signature: SignatureAlgorithm) {
    self.rawValue = rawValue
    self.hash = hpke.hash
    self.aead = hpke.aead
    self.hpke = hpke
    self.signature = signature
  }

  /// MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, number 1.
  public static let mls128X25519AES128SHA256Ed25519 = CipherSuite(1, .x25519_sha256_aes128gcm, .ed25519)
  /// MLS_128_DHKEMP256_AES128GCM_SHA256_P256, number 2.
  public static let mls128P256AES128SHA256P256 = CipherSuite(2, .p256_sha256_aes128gcm, .p256)
  /// MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519, number 3.
  public static let mls128X25519ChaCha20SHA256Ed25519 = CipherSuite(3, .x25519_sha256_chaCha20Poly1305, .ed25519)
  /// MLS_256_DHKEMP521_AES256GCM_SHA512_P521, number 5.
  public static let mls256P521AES256SHA512P521 = CipherSuite(5, .p521_sha512_aes256gcm, .p521)
  /// MLS_256_DHKEMP384_AES256GCM_SHA384_P384, number 7.
  public static let mls256P384AES256SHA384P384 = CipherSuite(7, .p384_sha384_aes256gcm, .p384)

  /// X-Wing, AES-256-GCM, SHA-384, Ed25519 under a number of the caller's choice.
  public static func xWing(number: UInt16) -> CipherSuite { CipherSuite(number, .xWing_sha384_aes256gcm, .ed25519) }

  /// The suite of Sotto, X-Wing under a number from the private range.
  public static let sottoXWing = xWing(number: 0xF0A1)

  /// Every suite that has a fixed number here.
  public static let known: [CipherSuite] = [
    mls128X25519AES128SHA256Ed25519, mls128P256AES128SHA256P256, mls128X25519ChaCha20SHA256Ed25519,
    mls256P521AES256SHA512P521, mls256P384AES256SHA384P384, sottoXWing,
  ]

  /// The suite with a fixed number; nil for every other number, 4 and 6 among them.
  public init?(rawValue: UInt16) {
    guard let suite = Self.known.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = suite
  }
}

extension CipherSuite: CustomStringConvertible {
  public var description: String { "CipherSuite(\(rawValue))" }
}
