public import CryptoSuite
import DeviceStorage
import Foundation

/// What opens a profile.
public enum ProfileKey: Sendable {
  /// What a person remembers.
  case passphrase(Secret)
  /// A file of 32 random bytes. A new profile makes it if it is not there.
  case keyFile(path: String)

  /// Characters of a passphrase for a new profile, at least.
  public static let shortestPassphrase = 8

  /// A passphrase as typed; composed and decomposed accents mean the same.
  public static func passphrase(typed text: String) -> ProfileKey {
    .passphrase(Secret(Array(text.precomposedStringWithCanonicalMapping.utf8)))
  }

  /// The key of an existing profile.
  func existing() throws(SottoError) -> DeviceKey {
    switch self {
    case .passphrase(let passphrase): return .passphrase(passphrase)
    case .keyFile(let path):
      do { return try KeyFile.read(at: ProfileKey.absolute(path)) } catch {
        switch error {
        case .missing: throw .noKeyFile
        case .damaged: throw .badKeyFile
        default: throw SottoError(error)
        }
      }
    }
  }

  /// The key of a new profile.
  func fresh() throws(SottoError) -> DeviceKey {
    switch self {
    case .passphrase(let passphrase):
      guard passphrase.byteCount >= ProfileKey.shortestPassphrase else { throw .shortPassphrase }
      return .passphrase(passphrase)
    case .keyFile(let path):
      do { return try KeyFile.create(at: ProfileKey.absolute(path)) } catch {
        guard error == .exists else { throw SottoError(error) }
      }
      return try existing()
    }
  }

  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }
}
