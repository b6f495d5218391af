public import CryptoSuite
public import WireFormat

/// Everything that follows from the seed of an invitation or a consent (docs/protocol.md §2).
public struct InvitationSecrets: Sendable {
  /// 32 random bytes; the only secret in the link.
  public let seed: Secret
  /// What claims the bundle; the server knows its hash.
  public let capability: Permission
  /// Never reaches a server, like those below: the key of the uploaded bundle.
  public let bundleKey: Secret
  public let locatorKey: Secret
  public let psk: Secret
  /// 16 bytes.
  public let pskID: [UInt8]

  public init(seed: Secret) {
    self.seed = seed
    let kdf = KDF(.sha256)
    let root = kdf.extract(salt: Secret(Array("sotto invitation 1".utf8)), ikm: seed)
    capability = Permission(trusted: kdf.expand(root, info: Array("capability".utf8), count: 32).exposedBytes)
    bundleKey = kdf.expand(root, info: Array("bundle".utf8), count: 32)
    locatorKey = kdf.expand(root, info: Array("locator".utf8), count: 32)
    psk = kdf.expand(root, info: Array("psk".utf8), count: 32)
    pskID = kdf.expand(root, info: Array("psk id".utf8), count: 16).exposedBytes
  }

  /// Under which hash the server keeps the bundle.
  public var capabilityHash: KeyHash { capability.hash }

  /// Seals a bundle for upload: `nonce | ciphertext` (docs/protocol.md §6).
  public func seal(_ bundle: ContactBundle, random: any RandomSource) throws(FrameError) -> [UInt8] {
    let nonce = random.bytes(12)
    do {
      return nonce + (try AEADAlgorithm.aes256GCM.seal(bundle.encoded, key: bundleKey, nonce: nonce, aad: Self.bundleData))
    } catch { throw .invalidKey }
  }

  /// Opens a claimed blob.
  ///
  /// - Throws: `.notAuthentic` when it was not sealed under this seed, or is no bundle.
  public func openBundle(_ blob: [UInt8]) throws(FrameError) -> ContactBundle {
    guard blob.count > 12 else { throw .notAuthentic }
    do {
      let plaintext = try AEADAlgorithm.aes256GCM.open(
        Array(blob.dropFirst(12)), key: bundleKey, nonce: Array(blob.prefix(12)), aad: Self.bundleData)
      return try ContactBundle(decoding: plaintext)
    } catch { throw .notAuthentic }
  }

  private static let bundleData = Array("sotto bundle 1".utf8)
}

/// What somebody needs to add a device to a conversation (docs/protocol.md §6).
public struct ContactBundle: Hashable, Sendable, WireCodable {
  /// An MLSMessage holding a KeyPackage, for one use.
  public var keyPackage: [UInt8]
  /// X25519, for the first-contact frame.
  public var contactKey: PublicKey32

  public init(keyPackage: [UInt8], contactKey: PublicKey32) {
    self.keyPackage = keyPackage
    self.contactKey = contactKey
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    keyPackage = try reader.readVector(limit: Limits.blobByteCount)
    contactKey = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(keyPackage)
    writer.write(contactKey)
  }
}

extension Permission {
  /// SHA-256, which a server keeps in place of the permission.
  public var hash: KeyHash { KeyHash(trusted: HashAlgorithm.sha256.hash(bytes)) }
}

extension FixedBytes {
  /// A new random value.
  public static func random(using random: any RandomSource) -> Self { Self(trusted: random.bytes(byteCount)) }
}
