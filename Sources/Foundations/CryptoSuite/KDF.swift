/// HKDF (RFC 5869).
///
/// Written over HMAC because swift-crypto's own expansion costs four times as much for the one block that nearly every
/// MLS derivation needs.
public struct KDF: Sendable, Hashable {
  /// The hash below.
  public let hash: HashAlgorithm

  public init(_ hash: HashAlgorithm) { self.hash = hash }

  /// HKDF-Extract.
  public func extract(salt: Secret, ikm: Secret) -> Secret {
    ikm.withBytes { ikm in
      var code = hash.hmac(key: salt, ikm)
      defer { wipe(&code) }
      return Secret(code)
    }
  }

  /// HKDF-Expand to `count` bytes, at most 255 blocks of the hash.
  public func expand(_ secret: Secret, info: [UInt8], count: Int) -> Secret {
    precondition(count >= 0 && count <= 255 * hash.byteCount, "HKDF yields at most 255 blocks")
    var output: [UInt8] = []
    var block: [UInt8] = []
    defer {
      wipe(&output)
      wipe(&block)
    }
    output.reserveCapacity(count)
    var counter: UInt8 = 0
    while output.count < count {
      counter += 1
      var input = block
      input.reserveCapacity(block.count + info.count + 1)
      input += info
      input.append(counter)
      block = hash.hmac(key: secret, input)
      wipe(&input)
      output += block.prefix(count - output.count)
    }
    return Secret(output)
  }
}
