public import CryptoSuite
public import MailboxEngine
import SottoProtocol

extension StoredPlace {
  /// A place of no identifier.
  public static func random(using random: any RandomSource) -> StoredPlace {
    StoredPlace(name: .random(using: random), key: Secret(randomByteCount: 32, using: random))
  }
}
