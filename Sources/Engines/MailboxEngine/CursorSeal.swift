import CryptoSuite
import SottoProtocol
import WireFormat

/// Makes the cursors of streams: a sequence, sealed and bound to its mailbox (docs/protocol.md §7).
///
/// A client learns nothing from a cursor, not even which of two is later, and a cursor of one mailbox means nothing at
/// another. Each mailbox has a key of its own: the random nonces of one key for all that a server ever delivers would run out
/// (NIST SP 800-38D, 8.3).
struct CursorSeal: Sendable {
  private static let algorithm = AEADAlgorithm.aes256GCM
  private let key: Secret

  init(key: Secret) { self.key = key }

  private func key(of mailbox: MailboxID) -> Secret { Secret(HashAlgorithm.sha256.hmac(key: key, mailbox.bytes)) }

  /// A cursor of 36 bytes.
  func seal(_ sequence: UInt64, of mailbox: MailboxID, random: any RandomSource) -> [UInt8] {
    let nonce = random.bytes(Self.algorithm.nonceByteCount)
    do {
      return nonce + (try Self.algorithm.seal(sequence.encoded, key: key(of: mailbox), nonce: nonce, aad: mailbox.bytes))
    } catch {
      preconditionFailure("key and nonce have the lengths of the algorithm")
    }
  }

  /// The sequence in a cursor, or nil when this server did not make it for this mailbox.
  func open(_ cursor: [UInt8], of mailbox: MailboxID) -> UInt64? {
    let nonceByteCount = Self.algorithm.nonceByteCount
    guard cursor.count == nonceByteCount + 8 + Self.algorithm.tagByteCount else { return nil }
    let (nonce, sealed) = (Array(cursor.prefix(nonceByteCount)), Array(cursor.dropFirst(nonceByteCount)))
    // Clients may still hold cursors of the version that had one key for all.
    for key in [key(of: mailbox), key] {
      if let plaintext = try? Self.algorithm.open(sealed, key: key, nonce: nonce, aad: mailbox.bytes) {
        return try? UInt64(decoding: plaintext)
      }
    }
    return nil
  }
}
