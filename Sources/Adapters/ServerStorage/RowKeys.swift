import CryptoSuite
import MailboxEngine

/// The keys that follow from a place: one to seal its rows, one for the numbers under which they lie.
struct RowKeys: Sendable {
  private static let algorithm = AEADAlgorithm.aes256GCM
  /// Bytes that sealing adds: a nonce and a tag.
  static let overheadByteCount = 12 + 16

  /// What a number is for: rows of two kinds lie under unrelated numbers.
  enum Kind: UInt8 { case envelope = 1, logEntry, groupInfo, blob }

  private let sealKey: Secret
  private let numberKey: Secret

  init(_ place: StoredPlace) {
    sealKey = Secret(HashAlgorithm.sha256.hmac(key: place.key, [1]))
    numberKey = Secret(HashAlgorithm.sha256.hmac(key: place.key, [2]))
  }

  func seal(_ plaintext: [UInt8], aad: [UInt8]) -> [UInt8] { Self.seal(plaintext, key: sealKey, aad: aad) }

  /// The plaintext, or nil when the bytes were not sealed by these keys for this purpose.
  func open(_ sealed: [UInt8], aad: [UInt8]) -> [UInt8]? { Self.open(sealed, key: sealKey, aad: aad) }

  /// Four numbers that look random to whoever does not name the place.
  func numbers(_ kind: Kind, day: UInt32, index: UInt64) -> [UInt64] {
    let block = HashAlgorithm.sha256.hmac(key: numberKey, [kind.rawValue] + UInt64(day).bigEndianBytes + index.bigEndianBytes)
    return stride(from: 0, to: 32, by: 8).map { start in
      block[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  /// Seals under a fresh random nonce, which stands in front.
  static func seal(_ plaintext: [UInt8], key: Secret, aad: [UInt8]) -> [UInt8] {
    let nonce = SystemRandom().bytes(algorithm.nonceByteCount)
    do {
      return nonce + (try algorithm.seal(plaintext, key: key, nonce: nonce, aad: aad))
    } catch {
      preconditionFailure("key and nonce have the lengths of the algorithm")
    }
  }

  static func open(_ sealed: [UInt8], key: Secret, aad: [UInt8]) -> [UInt8]? {
    guard sealed.count >= overheadByteCount else { return nil }
    return try? algorithm.open(
      Array(sealed.dropFirst(algorithm.nonceByteCount)), key: key, nonce: Array(sealed.prefix(algorithm.nonceByteCount)), aad: aad)
  }
}

extension UInt64 {
  var bigEndianBytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: self >> (56 - 8 * UInt64($0))) } }
}
