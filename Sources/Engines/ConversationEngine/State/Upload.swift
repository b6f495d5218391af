import CryptoSuite
public import SottoProtocol
public import WireFormat

/// A file on its way to a server; its message is sent when it lies there (docs/protocol.md §13).
///
/// The file and this value make the object's bytes again, so an upload that was cut off goes on without a copy.
public struct Upload: Hashable, Sendable, WireCodable {
  static let version: UInt8 = 1

  public let conversation: ConversationID
  /// What the shell knows the file by: its path.
  public let source: String
  /// What it is called there, and of what type it is.
  public let name: String
  public let mediaType: String
  public let byteCount: UInt64
  /// Writes and deletes the object.
  public let writeKey: Permission
  /// Seals the file.
  public let key: Permission
  /// Milliseconds since 1970.
  let begunAt: UInt64
  /// Bytes of the object that the server has confirmed: whole segments.
  public var confirmedByteCount: UInt64 = 0
  /// SHA-256 of the content in them, which shows whether the file is still the same.
  public var confirmedHash: KeyHash
  /// Tokens that this upload still has to get.
  var wantedTokenCount = 0
  /// What it pays with; shown again until the server has taken them.
  var tokens: [Token] = []

  init(
    source: String, name: String, mediaType: String, byteCount: UInt64, conversation: ConversationID, random: any RandomSource, now: UInt64
  ) {
    self.conversation = conversation
    self.source = source
    self.name = name
    self.mediaType = mediaType
    self.byteCount = byteCount
    writeKey = Permission.random(using: random)
    key = Permission.random(using: random)
    begunAt = now
    confirmedHash = KeyHash(trusted: HashAlgorithm.sha256.hash([]))
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    try reader.expectVersion(Self.version)
    conversation = try reader.read()
    source = String(decoding: try reader.readVector(), as: UTF8.self)
    name = String(decoding: try reader.readVector(), as: UTF8.self)
    mediaType = String(decoding: try reader.readVector(), as: UTF8.self)
    byteCount = try reader.readUInt64()
    writeKey = try reader.read()
    key = try reader.read()
    begunAt = try reader.readUInt64()
    confirmedByteCount = try reader.readUInt64()
    confirmedHash = try reader.read()
    wantedTokenCount = Int(try reader.readUInt32())
    tokens = try reader.readList(maxCount: SottoProtocol.Limits.objectTokenCount)
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.write(conversation)
    writer.writeVector(Array(source.utf8))
    writer.writeVector(Array(name.utf8))
    writer.writeVector(Array(mediaType.utf8))
    writer.write(byteCount)
    writer.write(writeKey)
    writer.write(key)
    writer.write(begunAt)
    writer.write(confirmedByteCount)
    writer.write(confirmedHash)
    writer.write(UInt32(clamping: wantedTokenCount))
    writer.writeList(tokens)
  }

  /// Its record's name: a file goes into a conversation once at a time.
  static func recordName(_ source: String, _ conversation: ConversationID) -> KeyHash {
    KeyHash(trusted: HashAlgorithm.sha256.hash(conversation.bytes + Array(source.utf8)))
  }

  var recordName: KeyHash { Self.recordName(source, conversation) }
}
