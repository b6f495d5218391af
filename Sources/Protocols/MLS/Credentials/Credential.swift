public import WireFormat

/// The kind of a credential (RFC 9420 §17.5).
public struct CredentialType: CodePoint {
  /// The number on the wire.
  public let rawValue: UInt16
  /// The type with this number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// A bare identity.
  public static let basic = CredentialType(rawValue: 1)
  /// A chain of certificates.
  public static let x509 = CredentialType(rawValue: 2)
}

/// Who a member says it is (RFC 9420 §5.3). Whether that is true is the business of a ``CredentialValidator``.
public enum Credential: Sendable, Hashable {
  /// A bare assertion of an identity, in the application's own format.
  case basic(identity: [UInt8])
  /// DER certificates, the end entity first.
  case x509(certificates: [[UInt8]])
  /// A type that RFC 9420 does not define; its content is one opaque vector.
  case other(type: CredentialType, content: [UInt8])

  /// The type, as it stands before the content on the wire.
  public var type: CredentialType {
    switch self {
    case .basic: .basic
    case .x509: .x509
    case .other(let type, _): type
    }
  }
}

extension Credential: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    type.encode(into: &writer)
    switch self {
    case .basic(let identity): writer.writeVector(identity)
    case .x509(let certificates): writer.writeList(certificates.map(OpaqueVector.init))
    case .other(_, let content): writer.writeVector(content)
    }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let type = try CredentialType(from: &reader)
    switch type {
    case .basic: self = .basic(identity: try reader.readVector())
    case .x509:
      let list = try reader.readList(of: OpaqueVector.self, maxCount: Limits.maxCertificates)
      self = .x509(certificates: list.map(\.bytes))
    default: self = .other(type: type, content: try reader.readVector())
    }
  }
}
