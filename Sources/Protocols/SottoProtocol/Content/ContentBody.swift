import CryptoSuite
public import WireFormat

/// The kinds of content (docs/protocol.md §9).
public enum ContentBody: Hashable, Sendable {
  case text(String)
  case attachment(Attachment)
  case profile(name: String)
  case groupInvitation(GroupInvitation)
  case consent(Consent)
  case refusal(group: MessageID)
  case leave
  case resendRequest([UInt64])
  /// A whole `Content`, encoded, from its author once more.
  case resend([UInt8])
  /// Nothing but its heads: what its author has of the device that it goes to.
  case seen
  /// Of a later version: kept, and shown by its fallback.
  case unknown(type: UInt16, critical: Bool, fallback: String, payload: [UInt8])

  init(type: UInt16, critical: Bool, fallback: [UInt8], payload: [UInt8]) throws(WireError) {
    var reader = ByteReader(payload.span)
    switch type {
    case 1:
      guard payload.count <= Limits.textByteCount else { throw .lengthOverLimit(length: payload.count, limit: Limits.textByteCount) }
      self = .text(try WireText.read(reader.readRemaining()))
    case 2:
      self = .attachment(try reader.read())
      try reader.finish()
      // For programs that do not know the type; this one writes its own.
      _ = try WireText.read(fallback)
      guard !critical, fallback.count <= Limits.fallbackByteCount else { throw .invalidValue(UInt64(fallback.count)) }
      return
    case 16: self = .profile(name: try reader.readText(limit: Limits.nameByteCount))
    case 17: self = .groupInvitation(try reader.read())
    case 18: self = .consent(try reader.read())
    case 19: self = .refusal(group: try reader.read())
    case 20: self = .leave
    case 32: self = .resendRequest(try reader.readList(maxCount: Limits.resendCount))
    case 33: self = .resend(reader.readRemaining())
    case 34: self = .seen
    default:
      self = .unknown(type: type, critical: critical, fallback: try WireText.read(fallback), payload: reader.readRemaining())
      return
    }
    try reader.finish()
    // Every receiver knows these types, so they have one encoding: nothing to fall back to.
    guard !critical, fallback.isEmpty else { throw .invalidValue(UInt64(fallback.count)) }
  }

  var type: UInt16 {
    switch self {
    case .text: 1
    case .attachment: 2
    case .profile: 16
    case .groupInvitation: 17
    case .consent: 18
    case .refusal: 19
    case .leave: 20
    case .resendRequest: 32
    case .resend: 33
    case .seen: 34
    case .unknown(let type, _, _, _): type
    }
  }

  /// Whether it takes a number in its author's sequence: what goes to one device only does not, or the others would see a gap.
  public var isCounted: Bool {
    switch self {
    case .resendRequest, .resend, .seen: false
    default: true
    }
  }

  var isCritical: Bool {
    if case .unknown(_, let critical, _, _) = self { critical } else { false }
  }

  var fallback: [UInt8] {
    switch self {
    case .attachment(let attachment): Array(attachment.fallback.utf8)
    case .unknown(_, _, let fallback, _): Array(fallback.utf8)
    default: []
    }
  }

  var payload: [UInt8] {
    var writer = ByteWriter()
    switch self {
    case .text(let text): writer.writeBytes(Array(text.utf8))
    case .attachment(let attachment): writer.write(attachment)
    case .profile(let name): writer.writeVector(Array(name.utf8))
    case .groupInvitation(let invitation): writer.write(invitation)
    case .consent(let consent): writer.write(consent)
    case .refusal(let group): writer.write(group)
    case .leave, .seen: break
    case .resendRequest(let sequences): writer.writeList(sequences)
    case .resend(let content): writer.writeBytes(content)
    case .unknown(_, _, _, let payload): writer.writeBytes(payload)
    }
    return writer.bytes
  }
}

/// Asks somebody into a group (docs/protocol.md §6).
public struct GroupInvitation: Hashable, Sendable, WireCodable {
  /// The inviter's name for this invitation; consent and refusal repeat it.
  public var id: MessageID
  public var title: String
  public var server: ServerAddress
  /// Registers a mailbox for who has none at that server.
  public var voucher: Permission

  public init(id: MessageID, title: String, server: ServerAddress, voucher: Permission) {
    self.id = id
    self.title = title
    self.server = server
    self.voucher = voucher
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    id = try reader.read()
    title = try reader.readText(limit: Limits.nameByteCount)
    server = try reader.read()
    voucher = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(id)
    writer.writeVector(Array(title.utf8))
    writer.write(server)
    writer.write(voucher)
  }
}

/// The yes to a `GroupInvitation`, with what adds the device (docs/protocol.md §6).
public struct Consent: Hashable, Sendable, WireCodable {
  public var id: MessageID
  /// 32 bytes; see `InvitationSecrets`.
  public var seed: [UInt8]
  public var bundle: ContactBundle

  public init(id: MessageID, seed: [UInt8], bundle: ContactBundle) {
    self.id = id
    self.seed = seed
    self.bundle = bundle
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    id = try reader.read()
    seed = try reader.readBytes(32)
    bundle = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(id)
    writer.writeBytes(seed)
    writer.write(bundle)
  }
}

/// Reads UTF-8. What is not UTF-8 is refused, not repaired: repaired text would be longer than what was signed or limited.
enum WireText {
  static func read(_ bytes: [UInt8]) throws(WireError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidValue(UInt64(bytes.count)) }
    return text
  }
}

extension ByteReader {
  /// A vector of UTF-8.
  @_lifetime(self: copy self)
  mutating func readText(limit: Int) throws(WireError) -> String { try WireText.read(try readVector(limit: limit)) }
}
