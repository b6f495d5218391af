import CryptoSuite
public import WireFormat

/// A file that came with a message: where it lies and what opens it (docs/protocol.md §13).
///
/// It lies at the conversation's server. Who has this value has the file.
public struct Attachment: Hashable, Sendable, WireCodable {
  public var object: ObjectID
  /// 32 random bytes of this file alone.
  public var key: Permission
  public var byteCount: UInt64
  /// SHA-256 of the file: everybody in a conversation gets the same one, whatever the author and the server agree on.
  public var hash: KeyHash
  /// What the author's device calls the file, 1 to 255 bytes. Unverified text: see `safeName`.
  public var name: String
  /// The type as the author's device knew it, or empty.
  public var mediaType: String

  /// - Returns: nil when a name or size is outside the limits.
  public init?(object: ObjectID, key: Permission, byteCount: UInt64, hash: KeyHash, name: String, mediaType: String = "") {
    guard (1...Limits.fileNameByteCount).contains(name.utf8.count), mediaType.utf8.count <= Limits.mediaTypeByteCount,
      byteCount <= Limits.attachmentByteCount
    else { return nil }
    self.object = object
    self.key = key
    self.byteCount = byteCount
    self.hash = hash
    self.name = name
    self.mediaType = mediaType
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let object = try reader.read(ObjectID.self)
    let key = try reader.read(Permission.self)
    let byteCount = try reader.readUInt64()
    let hash = try reader.read(KeyHash.self)
    let name = try reader.readText(limit: Limits.fileNameByteCount)
    let mediaType = try reader.readText(limit: Limits.mediaTypeByteCount)
    guard let value = Attachment(object: object, key: key, byteCount: byteCount, hash: hash, name: name, mediaType: mediaType) else {
      throw .invalidValue(byteCount)
    }
    self = value
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(object)
    writer.write(key)
    writer.write(byteCount)
    writer.write(hash)
    writer.writeVector(Array(name.utf8))
    writer.writeVector(Array(mediaType.utf8))
  }

  /// What a program that knows no attachments shows.
  var fallback: String { "[file] \(name), \(byteCount) bytes" }

  /// The layout of its object.
  public var layout: AttachmentLayout {
    guard let layout = AttachmentLayout(contentByteCount: byteCount) else { preconditionFailure("checked when it was made") }
    return layout
  }

  /// What opens its segments.
  public var cipher: AttachmentCipher { AttachmentCipher(key: Secret(key.bytes), layout: layout) }

  /// The name as one component of a path that cannot leave its directory, hide, or be taken for an option.
  public var safeName: String { Self.safeName(name) }

  static func safeName(_ name: String) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in name.unicodeScalars {
      switch scalar {
      // Separators of any system, what shells and Windows do not take in names, and what could make a name look like another.
      case "/", "\\", ":", "*", "?", "\"", "<", ">", "|", "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{61C}", "\u{200B}", "\u{200E}",
        "\u{200F}",
        "\u{2028}"..."\u{202E}", "\u{2060}", "\u{2066}"..."\u{2069}", "\u{FEFF}", "\u{FFF9}"..."\u{FFFB}":
        scalars.append("_")
      default: scalars.append(scalar)
      }
    }
    while let last = scalars.last, last == "." || last == " " { scalars.removeLast() }
    while let first = scalars.first, first == "." || first == " " || first == "-" { scalars.removeFirst() }
    var text = String(scalars)
    while text.utf8.count > Limits.fileNameByteCount - 32 { text.removeLast() }
    return text.isEmpty ? "file" : text
  }
}
