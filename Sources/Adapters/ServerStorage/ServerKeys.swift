import CryptoSuite
public import MailboxEngine
import WireFormat

/// The server's long-lived secrets: the key of its identity, and the root of the names in its database.
public struct ServerKeys: Sendable {
  private static let version: UInt8 = 1
  private static let seedByteCount = 32
  private static let checkByteCount = 4
  private static let fileByteCount = 1 + seedByteCount + ServerSecrets.rootByteCount + checkByteCount

  private let identitySeed: Secret
  private let root: Secret

  static func make(using random: any RandomSource = SystemRandom()) -> ServerKeys {
    ServerKeys(
      identitySeed: Secret(randomByteCount: seedByteCount, using: random),
      root: Secret(randomByteCount: ServerSecrets.rootByteCount, using: random))
  }

  private init(identitySeed: Secret, root: Secret) {
    self.identitySeed = identitySeed
    self.root = root
  }

  /// - Throws: `.keysDamaged` when the checksum or the size is wrong, `.keysExposed` when others may read the file.
  init(readingFrom path: String) throws(ServerStorageError) {
    let bytes = try PrivateFiles.readPrivate(path, limit: Self.fileByteCount + 1)
    let body = Array(bytes.dropLast(Self.checkByteCount))
    guard bytes.count == Self.fileByteCount,
      Array(bytes.suffix(Self.checkByteCount)) == Array(HashAlgorithm.sha256.hash(body).prefix(Self.checkByteCount))
    else { throw .keysDamaged }
    do {
      var reader = ByteReader(body.span)
      guard try reader.readUInt8() == Self.version else { throw ServerStorageError.keysDamaged }
      identitySeed = Secret(try reader.readBytes(Self.seedByteCount))
      root = Secret(try reader.readBytes(ServerSecrets.rootByteCount))
      try reader.finish()
    } catch { throw .keysDamaged }
  }

  func write(to path: String) throws(ServerStorageError) {
    let body = [Self.version] + identitySeed.exposedBytes + root.exposedBytes
    try PrivateFiles.replace(path, with: body + HashAlgorithm.sha256.hash(body).prefix(Self.checkByteCount))
  }

  /// Seals records once more, so that they can be given fresh bytes without the keys of their places.
  var veil: Secret {
    let kdf = KDF(.sha256)
    return kdf.expand(kdf.extract(salt: Secret(Array("sotto server 1".utf8)), ikm: root), info: Array("veil".utf8), count: 32)
  }

  /// What the engine works with.
  public func secrets() throws(ServerStorageError) -> ServerSecrets {
    do {
      return try ServerSecrets(identityKey: SigningKey(.ed25519, privateKey: identitySeed), root: root)
    } catch { throw .keysDamaged }
  }
}
