public import CryptoSuite
import WireFormat

/// Seals and opens the segments of one file (docs/protocol.md §13).
///
/// A segment's nonce is its number and whether it is the last, and its associated data the padded size: so a segment that is missing, moved, repeated
/// or of another file does not open. The same content gives the same bytes, so an upload that was cut off goes on from the file alone; should the
/// file have changed meanwhile, AES-GCM-SIV gives nothing away.
public struct AttachmentCipher: Sendable {
  public let layout: AttachmentLayout
  private let key: Secret
  private let aad: [UInt8]

  /// - Parameter key: the file's own 32 random bytes.
  public init(key: Secret, layout: AttachmentLayout) {
    self.layout = layout
    let kdf = KDF(.sha256)
    let secret = kdf.extract(salt: Secret(Array("sotto attachment 1".utf8)), ikm: key)
    self.key = kdf.expand(secret, info: Array("aead".utf8), count: AES256GCMSIV.keyByteCount)
    var writer = ByteWriter()
    writer.write(layout.paddedByteCount)
    aad = writer.bytes
  }

  /// Seals a segment.
  ///
  /// - Parameters:
  ///   - content: the file's bytes in it, `layout.contentByteCount(of:)` of them.
  ///   - segment: counts from 0.
  public func seal(_ content: [UInt8], segment: UInt64) throws(CryptoError) -> [UInt8] {
    precondition(
      segment < layout.segmentCount && content.count == layout.contentByteCount(of: segment), "the layout says what a segment holds")
    let padding = layout.plaintextByteCount(of: segment) - content.count
    let plaintext = padding == 0 ? content : content + [UInt8](repeating: 0, count: padding)
    return try AES256GCMSIV.seal(plaintext, key: key, nonce: nonce(segment), aad: aad)
  }

  /// Opens a segment.
  ///
  /// - Returns: the file's bytes in it, without padding.
  /// - Throws: `.notAuthentic` for anything but this very segment.
  public func open(_ sealed: [UInt8], segment: UInt64) throws(CryptoError) -> [UInt8] {
    guard segment < layout.segmentCount, sealed.count == layout.sealedByteCount(of: segment) else { throw .notAuthentic }
    let plaintext = try AES256GCMSIV.open(sealed, key: key, nonce: nonce(segment), aad: aad)
    let count = layout.contentByteCount(of: segment)
    return count == plaintext.count ? plaintext : Array(plaintext.prefix(count))
  }

  private func nonce(_ segment: UInt64) -> [UInt8] {
    var writer = ByteWriter()
    writer.writeBytes([0, 0, 0])
    writer.write(segment)
    writer.write(UInt8(segment + 1 == layout.segmentCount ? 1 : 0))
    return writer.bytes
  }
}
