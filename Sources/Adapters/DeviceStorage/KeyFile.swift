public import CryptoSuite

/// The file that opens a profile in place of a passphrase: 32 random bytes, readable by its owner only.
public enum KeyFile {
  /// Makes a key file. One that is there is never replaced: it may be the only key of another profile.
  ///
  /// - Throws: `.exists`, `.system`.
  public static func create(
    at path: String, random: any RandomSource = SystemRandom()
  ) throws(ProfileError) -> DeviceKey {
    let key = Secret(randomByteCount: DeviceKey.byteCount, using: random)
    try PrivateFile.create(path, key.exposedBytes)
    return .keyFile(key, path: path)
  }

  /// Reads a key file.
  ///
  /// - Throws: `.missing` when there is none, `.damaged` when it has another length, `.system`.
  public static func read(at path: String) throws(ProfileError) -> DeviceKey {
    let bytes = try PrivateFile.read(path, limit: DeviceKey.byteCount)
    guard bytes.count == DeviceKey.byteCount else { throw .damaged }
    return .keyFile(Secret(bytes), path: path)
  }
}
