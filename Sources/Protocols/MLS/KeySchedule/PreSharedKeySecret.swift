public import CryptoSuite
import WireFormat

/// Finds pre-shared keys by name. Resumption keys of the group's own past epochs are found by the group itself first.
public protocol PSKProvider: Sendable {
  func secret(for id: PreSharedKeyID) -> Secret?
}

/// A provider that knows no key.
public struct NoPreSharedKeys: PSKProvider {
  public init() {}
  public func secret(for id: PreSharedKeyID) -> Secret? { nil }
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
