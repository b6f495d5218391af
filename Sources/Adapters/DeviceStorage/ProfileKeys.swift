import CryptoSuite
import WireFormat

/// How the keys of a profile are wrapped; in the clear, and authenticated with them.
enum KeyHeader: Equatable, Sendable, WireCodable {
  case passphrase(cost: PassphraseCost, salt: [UInt8])
  case keyFile(salt: [UInt8], path: [UInt8])

  init(from reader: inout ByteReader) throws(WireError) {
    switch try reader.readUInt8() {
    case 1:
      let cost = PassphraseCost(
        logN: try reader.readUInt8(), blockSize: try reader.readUInt8(), parallelism: try reader.readUInt8())
      self = .passphrase(cost: cost, salt: try reader.readBytes(DeviceKey.saltByteCount))
    case 2:
      let salt = try reader.readBytes(DeviceKey.saltByteCount)
      self = .keyFile(salt: salt, path: try reader.readVector(limit: DeviceKey.pathByteLimit))
    case let other: throw .invalidValue(UInt64(other))
    }
  }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .passphrase(let cost, let salt):
      writer.write(1 as UInt8)
      writer.write(cost.logN)
      writer.write(cost.blockSize)
      writer.write(cost.parallelism)
      writer.writeBytes(salt)
    case .keyFile(let salt, let path):
      writer.write(2 as UInt8)
      writer.writeBytes(salt)
      writer.writeVector(path)
    }
  }
}

/// The keys of a profile's rows. While the erasure key is being replaced there are two of them, the newer one last.
struct ProfileKeys: Sendable {
  struct ErasureKey: Sendable {
    /// Which rows it is the key of; from 1.
    var generation: UInt64
    var key: Secret
  }

  /// Names of rows are HMACs under it.
  var names: Secret
  /// Seals what may be kept.
  var lasting: Secret
  /// Seal what must be erased; never empty.
  var erasure: [ErasureKey]

  static func generate(random: any RandomSource) -> ProfileKeys {
    ProfileKeys(
      names: Secret(randomByteCount: 32, using: random), lasting: Secret(randomByteCount: 32, using: random),
      erasure: [ErasureKey(generation: 1, key: Secret(randomByteCount: 32, using: random))])
  }

  /// The erasure key that new values are sealed under.
  var current: ErasureKey? { erasure.last }

  /// The key of rows of this generation; 0 is the lasting one.
  func key(ofGeneration generation: UInt64) -> Secret? {
    generation == 0 ? lasting : erasure.first { $0.generation == generation }?.key
  }
}

extension ProfileKeys: WireCodable {
  init(from reader: inout ByteReader) throws(WireError) {
    names = Secret(try reader.readBytes(32))
    lasting = Secret(try reader.readBytes(32))
    erasure = try reader.readList(maxCount: 2)
    guard !erasure.isEmpty, erasure.allSatisfy({ $0.generation > 0 }) else { throw .invalidValue(0) }
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeBytes(names.exposedBytes)
    writer.writeBytes(lasting.exposedBytes)
    writer.writeList(erasure)
  }
}

extension ProfileKeys.ErasureKey: WireCodable {
  init(from reader: inout ByteReader) throws(WireError) {
    generation = try reader.readUInt64()
    key = Secret(try reader.readBytes(32))
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(generation)
    writer.writeBytes(key.exposedBytes)
  }
}

/// The content of `profile.keys`: `magic | header | nonce | sealed keys<V> | SHA-256 of all before`.
///
/// The digest keeps no secret; it tells a damaged file from a wrong key.
struct KeyFileContent: Sendable {
  /// More than any such file has, bytes.
  static let byteLimit = 16_384
  private static let magic = Array("sotto profile 1\n".utf8)
  private static let digestByteCount = 32

  var header: KeyHeader
  private var nonce: [UInt8]
  private var sealed: [UInt8]

  init(_ keys: ProfileKeys, header: KeyHeader, wrappingKey: Secret, random: any RandomSource) throws(ProfileError) {
    self.header = header
    nonce = random.bytes(12)
    do {
      sealed = try AEADAlgorithm.aes256GCM.seal(
        keys.encoded, key: wrappingKey, nonce: nonce, aad: KeyFileContent.magic + header.encoded)
    } catch { throw .unsupported }
  }

  init(decoding bytes: [UInt8]) throws(ProfileError) {
    guard bytes.count > KeyFileContent.digestByteCount else { throw .damaged }
    let body = Array(bytes.dropLast(KeyFileContent.digestByteCount))
    guard HashAlgorithm.sha256.hash(body) == Array(bytes.suffix(KeyFileContent.digestByteCount)) else {
      throw .damaged
    }
    guard body.starts(with: KeyFileContent.magic) else { throw .unsupported }
    do {
      var reader = ByteReader(body.span)
      _ = try reader.readBytes(KeyFileContent.magic.count)
      header = try reader.read()
      nonce = try reader.readBytes(12)
      sealed = try reader.readVector(limit: KeyFileContent.byteLimit)
      try reader.finish()
    } catch { throw .damaged }
  }

  var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes(KeyFileContent.magic)
    writer.write(header)
    writer.writeBytes(nonce)
    writer.writeVector(sealed)
    return writer.bytes + HashAlgorithm.sha256.hash(writer.bytes)
  }

  func open(wrappingKey: Secret) throws(ProfileError) -> ProfileKeys {
    let opened: [UInt8]
    do {
      opened = try AEADAlgorithm.aes256GCM.open(
        sealed, key: wrappingKey, nonce: nonce, aad: KeyFileContent.magic + header.encoded)
    } catch { throw .wrongKey }
    do { return try ProfileKeys(decoding: opened) } catch { throw .damaged }
  }
}
