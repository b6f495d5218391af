import CryptoSuite
import SottoProtocol
import WireFormat

/// Makes the cursors of streams: a sequence, sealed and bound to its mailbox (docs/protocol.md §7).
///
/// A client learns nothing from a cursor, not even which of two is later, and a cursor of one mailbox means nothing at
/// another.
struct CursorSeal: Sendable {
  private static let algorithm = AEADAlgorithm.aes256GCM
  private let key: Secret

  init(key: Secret) { self.key = key }

  /// A cursor of 36 bytes.
  func seal(_ sequence: UInt64, of mailbox: MailboxID, random: any RandomSource) -> [UInt8] {
    let nonce = random.bytes(Self.algorithm.nonceByteCount)
    do {
      return nonce + (try Self.algorithm.seal(sequence.encoded, key: key, nonce: nonce, aad: mailbox.bytes))
    } catch {
      preconditionFailure("key and nonce have the lengths of the algorithm")
    }
  }

  /// The sequence in a cursor, or nil when this server did not make it for this mailbox.
  func open(_ cursor: [UInt8], of mailbox: MailboxID) -> UInt64? {
    let nonceByteCount = Self.algorithm.nonceByteCount
    guard cursor.count == nonceByteCount + 8 + Self.algorithm.tagByteCount else { return nil }
    do {
      let plaintext = try Self.algorithm.open(
        Array(cursor.dropFirst(nonceByteCount)), key: key, nonce: Array(cursor.prefix(nonceByteCount)), aad: mailbox.bytes)
      return try UInt64(decoding: plaintext)
    } catch {
      return nil
    }
  }
}
