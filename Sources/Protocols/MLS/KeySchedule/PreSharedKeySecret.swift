public import CryptoSuite
import WireFormat

/// Finds pre-shared keys by name (RFC 9420 §8.4). Resumption keys of the group's own past epochs are found by the group
/// itself first.
public protocol PSKProvider: Sendable {
  /// The key with this name; nil when it is not known.
  func secret(for id: PreSharedKeyID) -> Secret?
}

/// A provider that knows no pre-shared key (RFC 9420 §8.4).
public struct NoPreSharedKeys: PSKProvider {
  /// A provider without keys.
  public init() {}
  public func secret(for id: PreSharedKeyID) -> Secret? { nil }
}

/// Pre-shared keys held in memory: external ones by their names, components' by component and name, resumption keys by
/// group and epoch (RFC 9420 §8.4).
public struct PreSharedKeys: PSKProvider {
  private enum Name: Hashable {
    case external([UInt8])
    case application(ComponentID, [UInt8])
    case resumption(groupID: [UInt8], epoch: UInt64)
  }

  private var keys: [Name: Secret] = [:]

  /// No keys yet.
  public init() {}

  /// Adds a key that the application distributed under this name, or replaces it.
  public mutating func add(_ secret: Secret, externalID: [UInt8]) { keys[.external(externalID)] = secret }

  /// Adds a key that a component of the application distributed under this name, or replaces it.
  public mutating func add(_ secret: Secret, component: ComponentID, id: [UInt8]) {
    keys[.application(component, id)] = secret
  }

  /// Adds the resumption key of a group's current epoch, so that a commit of another group can use it.
  public mutating func add(resumptionOf group: Group) {
    keys[.resumption(groupID: group.groupID, epoch: group.epoch)] = group.resumptionPSK
  }

  public func secret(for id: PreSharedKeyID) -> Secret? {
    switch id.key {
    case .external(let id): keys[.external(id)]
    case .application(let component, let id): keys[.application(component, id)]
    case .resumption(_, let groupID, let epoch): keys[.resumption(groupID: groupID, epoch: epoch)]
    }
  }
}

extension PreSharedKeys: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "PreSharedKeys(\(keys.count))" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// `psk_secret`: all pre-shared keys of one commit chained together (RFC 9420 §8.4).
enum PreSharedKeySecret {
  /// - Parameter keys: in the order of the commit or Welcome; none gives zeros.
  static func chain(_ keys: [(id: PreSharedKeyID, secret: Secret)], suite: CipherSuite) throws(MLSError) -> Secret {
    guard keys.count <= Limits.maxPreSharedKeys, let count = UInt16(exactly: keys.count) else {
      throw .malformed(.lengthOverLimit(length: keys.count, limit: Limits.maxPreSharedKeys))
    }
    let zeros = Secret.zeros(suite.hash.byteCount)
    var secret = zeros
    var index: UInt16 = 0
    for key in keys {
      var label = ByteWriter()
      key.id.encode(into: &label)
      label.write(index)
      label.write(count)
      let extracted = suite.kdf.extract(salt: zeros, ikm: key.secret)
      let input = suite.expandWithLabel(
        extracted, label: "derived psk", context: label.bytes, count: suite.hash.byteCount)
      secret = suite.kdf.extract(salt: input, ikm: secret)
      index += 1
    }
    return secret
  }
}
