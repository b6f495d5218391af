public import CryptoSuite

/// The file that opens a profile in place of a passphrase: 32 random bytes, readable by its owner only.
public enum KeyFile {
  /// Makes a key file. One that is there is never replaced: it may be the only key of another profile.
  ///
  /// - Throws: `.exists`, `.system`; `.exposed` on a file system that cannot close a file to others, where none is left.
  public static func create(
    at path: String, random: any RandomSource = SystemRandom()
  ) throws(ProfileError) -> DeviceKey {
    let key = Secret(randomByteCount: DeviceKey.byteCount, using: random)
    try PrivateFile.create(path, key.exposedBytes)
    do { return try read(at: path) } catch {
      try PrivateFile.remove(path)
      throw error
    }
  }

  /// Reads a key file.
  ///
  /// - Throws: `.missing` when there is none, `.exposed` when others may read or change it, `.damaged` when it has another
  ///   length, `.system`.
  public static func read(at path: String) throws(ProfileError) -> DeviceKey {
    let bytes = try PrivateFile.read(path, limit: DeviceKey.byteCount, refusesExposed: true)
    guard bytes.count == DeviceKey.byteCount else { throw .damaged }
    return .keyFile(Secret(bytes), path: path)
  }
}
