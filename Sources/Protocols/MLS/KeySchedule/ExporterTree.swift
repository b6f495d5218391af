import CryptoSuite
import WireFormat

/// The forward-secret exporter of one epoch: a tree with one secret for each component of the application
/// (draft-ietf-mls-extensions, "Exported Secrets").
///
/// A value that shares its structure with its copies. A component's secret is handed out once; with it goes everything
/// that it could be derived from again, while the secrets of other components stay derivable.
struct ExporterTree: Sendable {
  indirect enum Branch: Sendable {
    /// Nothing below has been derived.
    case sealed(Secret)
    case parent(left: Branch, right: Branch)
    /// Everything below has been handed out.
    case spent
  }

  private(set) var root: Branch

  /// Levels below the root: one for each bit of a component's number.
  private static let depth = UInt16.bitWidth

  /// - Parameter secret: the epoch's `application_export_secret`.
  init(secret: Secret) { root = .sealed(secret) }

  private init(spent: Void) { root = .spent }

  /// The tree of an epoch whose secret is not known: it has nothing to hand out.
  static let empty = ExporterTree(spent: ())

  /// The secret of a component, which can be taken once.
  ///
  /// - Throws: `.exportSecretSpent` the second time.
  mutating func take(_ component: ComponentID, _ suite: CipherSuite) throws(MLSError) -> Secret {
    let (secret, rest) = try Self.take(component, from: root, height: Self.depth, suite)
    root = rest
    return secret
  }

  private static func take(
    _ component: ComponentID, from branch: Branch, height: Int, _ suite: CipherSuite
  ) throws(MLSError) -> (secret: Secret, rest: Branch) {
    let left: Branch
    let right: Branch
    switch branch {
    case .spent: throw .exportSecretSpent
    case .sealed(let secret):
      guard height > 0 else { return (secret, .spent) }
      (left, right) = (.sealed(suite.leftSecret(below: secret)), .sealed(suite.rightSecret(below: secret)))
    case .parent(let existingLeft, let existingRight): (left, right) = (existingLeft, existingRight)
    }
    guard height > 0 else { preconditionFailure("a component of the exporter tree has no children") }
    if component.rawValue >> UInt16(height - 1) & 1 == 1 {
      let (secret, rest) = try take(component, from: right, height: height - 1, suite)
      return (secret, joined(left, rest))
    }
    let (secret, rest) = try take(component, from: left, height: height - 1, suite)
    return (secret, joined(rest, right))
  }

  private static func joined(_ left: Branch, _ right: Branch) -> Branch {
    if case (.spent, .spent) = (left, right) { return .spent }
    return .parent(left: left, right: right)
  }
}

extension CipherSuite {
  /// The secret of the left child in a tree of secrets (RFC 9420 §9).
  func leftSecret(below secret: Secret) -> Secret {
    expandWithLabel(secret, label: "tree", context: Array("left".utf8), count: hash.byteCount)
  }

  /// The secret of the right child.
  func rightSecret(below secret: Secret) -> Secret {
    expandWithLabel(secret, label: "tree", context: Array("right".utf8), count: hash.byteCount)
  }
}

// MARK: - Saved state

extension ExporterTree: WireCodable {
  func encode(into writer: inout ByteWriter) { Self.encode(root, into: &writer) }

  private static func encode(_ branch: Branch, into writer: inout ByteWriter) {
    switch branch {
    case .sealed(let secret):
      writer.write(UInt8(0))
      writer.writeVector(secret)
    case .parent(let left, let right):
      writer.write(UInt8(1))
      encode(left, into: &writer)
      encode(right, into: &writer)
    case .spent: writer.write(UInt8(2))
    }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    root = try Self.decode(from: &reader, height: Self.depth)
  }

  private static func decode(from reader: inout ByteReader, height: Int) throws(WireError) -> Branch {
    let tag = try reader.readUInt8()
    switch tag {
    case 0: return .sealed(try reader.readSecret())
    case 1 where height > 0:
      let left = try decode(from: &reader, height: height - 1)
      return .parent(left: left, right: try decode(from: &reader, height: height - 1))
    case 2: return .spent
    default: throw .invalidValue(UInt64(tag))
    }
  }
}
