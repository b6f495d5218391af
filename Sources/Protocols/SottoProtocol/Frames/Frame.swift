import CryptoSuite
import WireFormat

/// The outermost form of everything that devices send each other (docs/protocol.md §4).
///
/// A server sees its size and nothing else.
public struct Frame: Hashable, Sendable {
  /// What a frame's ciphertext is.
  public enum Kind: UInt8, Sendable {
    /// Sealed under a conversation's wrap key; an MLSMessage.
    case conversation = 1
    /// Sealed to a contact key; an MLSMessage holding a Welcome.
    case firstContact = 2
  }

  static let version: UInt8 = 1
  static let headerByteCount = 2 + 16 + 12

  public let kind: Kind
  /// Tells who can open the frame which of their keys to use.
  public let locator: [UInt8]
  /// 12 bytes.
  public let nonce: [UInt8]
  public let ciphertext: [UInt8]

  init(kind: Kind, locator: [UInt8], nonce: [UInt8], ciphertext: [UInt8]) {
    self.kind = kind
    self.locator = locator
    self.nonce = nonce
    self.ciphertext = ciphertext
  }

  /// Takes a received frame apart.
  ///
  /// - Parameter bytes: the whole frame, of a permitted size.
  /// - Throws: `.notAFrame` for another size, version or kind.
  public init(_ bytes: [UInt8]) throws(FrameError) {
    guard Frame.isPermittedByteCount(bytes.count) else { throw .notAFrame }
    do {
      var reader = ByteReader(bytes.span)
      guard try reader.readUInt8() == Frame.version, let kind = Kind(rawValue: try reader.readUInt8()) else { throw FrameError.notAFrame }
      self.kind = kind
      locator = try reader.readBytes(16)
      nonce = try reader.readBytes(12)
      ciphertext = reader.readRemaining()
    } catch { throw .notAFrame }
  }

  /// The whole frame as it travels.
  public var bytes: [UInt8] {
    var writer = ByteWriter(capacity: Frame.headerByteCount + ciphertext.count)
    writer.write(Frame.version)
    writer.write(kind.rawValue)
    writer.writeBytes(locator)
    writer.writeBytes(nonce)
    writer.writeBytes(ciphertext)
    return writer.bytes
  }

  /// Whether a frame may have this size: 512 x 2^n, 512 to 262,144.
  public static func isPermittedByteCount(_ count: Int) -> Bool {
    count >= Limits.smallestFrameByteCount && count <= Limits.frameByteCount && count.nonzeroBitCount == 1
  }

  /// Adds the length and fills with zeros, so that with `overhead` more bytes the smallest permitted frame size is met.
  ///
  /// - Throws: `.tooLarge` when not even the largest frame holds it.
  static func pad(_ content: [UInt8], overhead: Int) throws(FrameError) -> [UInt8] {
    let needed = content.count + 4 + overhead
    var size = Limits.smallestFrameByteCount
    while size < needed { size *= 2 }
    guard size <= Limits.frameByteCount else { throw .tooLarge(byteCount: content.count, limit: Limits.frameByteCount - overhead - 4) }
    var writer = ByteWriter(capacity: size - overhead)
    writer.write(UInt32(content.count))
    writer.writeBytes(content)
    writer.writeBytes([UInt8](repeating: 0, count: size - needed))
    return writer.bytes
  }

  /// Takes the filling away; refuses any that is not zeros.
  static func unpad(_ padded: [UInt8]) throws(FrameError) -> [UInt8] {
    do {
      var reader = ByteReader(padded.span)
      let count = try reader.readUInt32()
      let content = try reader.readBytes(Int(count))
      guard reader.readRemaining().allSatisfy({ $0 == 0 }) else { throw FrameError.notAuthentic }
      return content
    } catch { throw .notAuthentic }
  }
}

/// Why a frame was not made or not opened.
public enum FrameError: Error, Equatable, Sendable {
  /// A size, version or kind that no frame has.
  case notAFrame
  /// It does not open under this key.
  case notAuthentic
  /// More content than the largest frame holds.
  case tooLarge(byteCount: Int, limit: Int)
  /// The peer's key is not a key.
  case invalidKey
}
