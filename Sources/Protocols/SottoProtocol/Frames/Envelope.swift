public import CryptoSuite
public import WireFormat

/// One copy of a frame as it waits in a mailbox (docs/protocol.md §7, "At rest").
///
/// The server seals every copy to the mailbox's key before it writes, so equal frames in two mailboxes share no byte on disk.
public struct Envelope: Hashable, Sendable, WireCodable {
  /// How the frame came to the mailbox.
  public enum Source: Hashable, Sendable {
    case send
    /// An entry of a handle log, at this slot.
    case log(slot: UInt64)
  }

  static let version: UInt8 = 1
  private static let info = Array("sotto envelope 1".utf8)
  private static let preparedInfo = FirstContact.suite.prepare(info: info)
  private static let encapsulatedByteCount = 32
  /// Bytes that sealing adds to a frame, at most.
  public static let overheadByteCount = encapsulatedByteCount + 16 + 14

  public var source: Source
  public var frame: [UInt8]

  public init(source: Source, frame: [UInt8]) {
    self.source = source
    self.frame = frame
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version == Envelope.version else { throw .invalidValue(UInt64(version)) }
    let source = try reader.readUInt8()
    let slot = try reader.readCounter()
    switch (source, slot) {
    case (0, 0): self.source = .send
    case (1, _): self.source = .log(slot: slot)
    default: throw .invalidValue(UInt64(source))
    }
    frame = try FrameBytes.read(from: &reader)
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(Envelope.version)
    switch source {
    case .send:
      writer.write(UInt8(0))
      writer.write(UInt64(0))
    case .log(let slot):
      writer.write(UInt8(1))
      writer.write(slot)
    }
    writer.writeVector(frame)
  }

  /// Seals the envelope to a mailbox: one X25519 HPKE seal, about 50 µs.
  ///
  /// - Throws: `.invalidKey` when the mailbox's key is no X25519 key.
  public func sealed(to sealKey: PublicKey32, mailbox: MailboxID) throws(FrameError) -> [UInt8] {
    do {
      let sealed = try FirstContact.suite.seal(encoded, to: sealKey.bytes, info: Envelope.preparedInfo, aad: mailbox.bytes)
      return sealed.kemOutput + sealed.ciphertext
    } catch { throw .invalidKey }
  }

  /// Opens what `sealed(to:mailbox:)` made.
  ///
  /// - Throws: `.notAuthentic` when it is not this mailbox's, or not an envelope.
  public init(opening sealed: [UInt8], with sealKey: HPKEKeyPair, mailbox: MailboxID) throws(FrameError) {
    guard sealed.count > Envelope.encapsulatedByteCount else { throw .notAuthentic }
    let parts = HPKECiphertext(
      kemOutput: Array(sealed.prefix(Envelope.encapsulatedByteCount)), ciphertext: Array(sealed.dropFirst(Envelope.encapsulatedByteCount)))
    do {
      let plaintext = try FirstContact.suite.open(parts, with: sealKey, info: Envelope.info, aad: mailbox.bytes)
      self = try Envelope(decoding: plaintext)
    } catch { throw .notAuthentic }
  }
}
