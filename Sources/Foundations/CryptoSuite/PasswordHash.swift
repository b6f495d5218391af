import Crypto
import CryptoExtras
import FoundationEssentials

/// Keys from passwords.
public enum PasswordHash {
  /// scrypt (RFC 7914).
  ///
  /// - Parameters:
  ///   - logN: the binary logarithm of the cost N, 1...24; memory is about 128 * N * r bytes.
  ///   - r: the block size factor, 1...64.
  ///   - p: the parallelism, 1...64.
  ///   - count: the length of the key, 1...1,024 bytes.
  /// - Throws: `.unsupported` for parameters outside these ranges, which bound the memory and time a stored header can
  ///   ask for; `.underlying` when memory is short.
  public static func scrypt(
    password: [UInt8], salt: [UInt8], logN: Int, r: Int, p: Int, count: Int
  ) throws(CryptoError) -> Secret {
    guard (1...24).contains(logN), (1...64).contains(r), (1...64).contains(p), (1...1024).contains(count) else {
      throw .unsupported
    }
    do {
      return Secret(
        try CryptoExtras.KDF.Scrypt.deriveKey(
          from: password, salt: salt, outputByteCount: count, rounds: 1 << logN, blockSize: r, parallelism: p))
    } catch {
      throw .underlying
    }
  }
}
