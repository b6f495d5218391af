public import WireFormat

/// Which structure an ``MLSMessage`` carries (the RFC's `WireFormat`, §17.2).
public struct MessageFormat: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The format with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// A ``PublicMessage``.
  public static let publicMessage = MessageFormat(rawValue: 1)
  /// A ``PrivateMessage``.
  public static let privateMessage = MessageFormat(rawValue: 2)
  /// A ``Welcome``.
  public static let welcome = MessageFormat(rawValue: 3)
  /// A ``GroupInfo``.
  public static let groupInfo = MessageFormat(rawValue: 4)
  /// A ``KeyPackage``.
  public static let keyPackage = MessageFormat(rawValue: 5)
}

/// The outermost structure of everything that is sent (RFC 9420 §6). Decoding checks syntax only.
public enum MLSMessage: Sendable, Hashable {
  case publicMessage(PublicMessage)
  case privateMessage(PrivateMessage)
  case welcome(Welcome)
  case groupInfo(GroupInfo)
  case keyPackage(KeyPackage)

  /// Which structure this is.
  public var format: MessageFormat {
    switch self {
    case .publicMessage: .publicMessage
    case .privateMessage: .privateMessage
    case .welcome: .welcome
    case .groupInfo: .groupInfo
    case .keyPackage: .keyPackage
    }
  }
}

extension MLSMessage {
  /// Reads one message that fills `bytes` exactly. Nothing in it is verified.
  ///
  /// - Throws: `.malformed`, also for more bytes than ``Limits/maxMessageByteCount``.
  public static func decode(_ bytes: [UInt8]) throws(MLSError) -> MLSMessage {
    guard bytes.count <= Limits.maxMessageByteCount else {
      throw .malformed(.lengthOverLimit(length: bytes.count, limit: Limits.maxMessageByteCount))
    }
    do { return try MLSMessage(decoding: bytes) } catch { throw .malformed(error) }
  }

  /// The group that the message claims to be for, by which a client finds the state to process it with; nil for a
  /// Welcome, which does not say, and for a key package.
  public var groupID: [UInt8]? {
    switch self {
    case .publicMessage(let message): message.content.groupID
    case .privateMessage(let message): message.groupID
    case .groupInfo(let info): info.groupContext.groupID
    case .welcome, .keyPackage: nil
    }
  }

  /// The epoch that the message claims to be of; nil as for ``groupID``.
  public var epoch: UInt64? {
    switch self {
    case .publicMessage(let message): message.content.epoch
    case .privateMessage(let message): message.epoch
    case .groupInfo(let info): info.groupContext.epoch
    case .welcome, .keyPackage: nil
    }
  }
}

extension MLSMessage: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    ProtocolVersion.mls10.encode(into: &writer)
    format.encode(into: &writer)
    switch self {
    case .publicMessage(let message): message.encode(into: &writer)
    case .privateMessage(let message): message.encode(into: &writer)
    case .welcome(let message): message.encode(into: &writer)
    case .groupInfo(let message): message.encode(into: &writer)
    case .keyPackage(let message): message.encode(into: &writer)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    try reader.expectVersion()
    let format = try MessageFormat(from: &reader)
    switch format {
    case .publicMessage: self = .publicMessage(try PublicMessage(from: &reader))
    case .privateMessage: self = .privateMessage(try PrivateMessage(from: &reader))
    case .welcome: self = .welcome(try Welcome(from: &reader))
    case .groupInfo: self = .groupInfo(try GroupInfo(from: &reader))
    case .keyPackage: self = .keyPackage(try KeyPackage(from: &reader))
    default: throw .invalidValue(UInt64(format.rawValue))
    }
  }
}
