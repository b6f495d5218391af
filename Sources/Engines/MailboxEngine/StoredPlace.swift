public import CryptoSuite

/// Where the rows of one mailbox, log or capability are found, and what opens them.
///
/// Both follow from the identifier and the server's root secret, and neither from the other: who holds the store and even
/// the secret, but no identifier, can compute no place (docs/decisions/0010). Two places are equal when their names are.
public struct StoredPlace: Sendable {
  public let name: StoredName
  /// 32 bytes, in memory while a call lasts and nowhere else.
  public let key: Secret

  public init(name: StoredName, key: Secret) {
    self.name = name
    self.key = key
  }
}

extension StoredPlace: Hashable {
  public static func == (left: StoredPlace, right: StoredPlace) -> Bool { left.name == right.name }

  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
