public import CryptoSuite
public import SottoProtocol

/// A mailbox as its owner knows it.
public struct TestMailbox: Sendable {
  public let id: MailboxID
  public let ownerKey: SigningKey
  public let sealKey: HPKEKeyPair

  public init(random: any RandomSource) {
    id = .random(using: random)
    ownerKey = SignatureAlgorithm.ed25519.generateKey(using: random)
    sealKey = HPKESuite(kem: .x25519, hash: .sha256, aead: .aes256GCM).generateKeyPair(using: random)
  }

  public func registration(token: Token) -> Request {
    .register(
      token: token, mailbox: id, ownerKey: PublicKey32(trusted: ownerKey.publicKey),
      sealKey: PublicKey32(trusted: sealKey.publicKey))
  }

  public func recipient(_ deliveryKey: Permission) -> Recipient { Recipient(mailbox: id, deliveryKey: deliveryKey) }

  public func open(_ sealed: [UInt8]) throws(FrameError) -> Envelope {
    try Envelope(opening: sealed, with: sealKey, mailbox: id)
  }

  /// Hashes with random ones added, up to a multiple of 16.
  public static func padded(_ hashes: [KeyHash], random: any RandomSource) -> [KeyHash] {
    let padding = (Limits.deliveryKeyPadding - hashes.count % Limits.deliveryKeyPadding) % Limits.deliveryKeyPadding
    return hashes + (0..<padding).map { _ in KeyHash.random(using: random) }
  }
}
