public import CryptoSuite

/// What opens a profile.
public enum DeviceKey: Sendable {
  /// What a person remembers. It is stretched with scrypt, which makes guessing expensive.
  case passphrase(Secret)
  /// Random bytes in a file; `byteCount` of them. `path` is where the file lies, and is kept with the profile so that nobody
  /// has to name it again.
  case keyFile(Secret, path: String)

  /// Bytes of a key file.
  public static let byteCount = 32
}

/// With what kind of key a profile was made; anyone who can read its directory can tell.
public enum ProfileProtection: Equatable, Sendable {
  case passphrase
  case keyFile(path: String)
}

/// What a guess of a passphrase costs (RFC 7914): memory is 128 · 2^logN · blockSize bytes.
public struct PassphraseCost: Equatable, Sendable {
  public var logN: UInt8
  public var blockSize: UInt8
  public var parallelism: UInt8

  /// 128 MiB, and about half a second.
  public static let standard = PassphraseCost(logN: 17, blockSize: 8, parallelism: 1)

  public init(logN: UInt8, blockSize: UInt8, parallelism: UInt8) {
    self.logN = logN
    self.blockSize = blockSize
    self.parallelism = parallelism
  }

  /// Whether a header may ask for this much: at most 512 MiB and four passes, so that a file from elsewhere cannot take
  /// the machine's memory or an hour.
  var isBearable: Bool {
    (1...19).contains(logN) && (1...8).contains(blockSize) && (1...4).contains(parallelism)
  }
}

extension DeviceKey {
  static let saltByteCount = 16
  /// Bytes of a path that is kept with a profile.
  static let pathByteLimit = 4096

  /// The key that the profile's own keys are wrapped under.
  func wrappingKey(for header: KeyHeader) throws(ProfileError) -> Secret {
    switch (self, header) {
    case (.passphrase(let passphrase), .passphrase(let cost, let salt)):
      guard cost.isBearable else { throw .unsupported }
      let stretched = passphrase.withBytes { bytes in
        try? PasswordHash.scrypt(
          password: bytes, salt: salt, logN: Int(cost.logN), r: Int(cost.blockSize), p: Int(cost.parallelism), count: 32)
      }
      guard let stretched else { throw .unsupported }
      return stretched
    case (.keyFile(let key, _), .keyFile(let salt, _)):
      guard key.byteCount == DeviceKey.byteCount else { throw .wrongKey }
      let kdf = KDF(.sha256)
      return kdf.expand(
        kdf.extract(salt: Secret(salt), ikm: key), info: Array("sotto profile 1".utf8), count: 32)
    case (.passphrase, .keyFile), (.keyFile, .passphrase):
      throw .wrongKindOfKey
    }
  }
}
