import NIOCore

/// What is told of who connects: a number made of the address's prefix under a key that exists in this process only.
///
/// Nothing here keeps an address; what the system and its sockets hold of a connection ends with it.
struct Peer: Hashable, Sendable {
  let number: UInt64

  /// - Returns: nil for what has no IP address.
  init?(_ address: SocketAddress?, ipv6PrefixBitCount: Int) {
    // Swift's hash is SipHash under a key that each process draws anew (SE-0206); nobody can find others of one number.
    var hasher = Hasher()
    switch address {
    case .v4(let address):
      hasher.combine(Self.bytes(of: address.address, from: 4, count: 4))
    case .v6(let address):
      let bytes = Self.bytes(of: address.address, from: 8, count: 16)
      if bytes.starts(with: Self.ipv4Prefix) {
        // What a socket for both families makes of IPv4 (RFC 4291 §2.5.5.2).
        hasher.combine(Array(bytes.dropFirst(12)))
      } else {
        hasher.combine(Self.prefix(of: bytes, bitCount: ipv6PrefixBitCount))
      }
    case .unixDomainSocket, nil: return nil
    }
    number = UInt64(truncatingIfNeeded: hasher.finalize())
  }

  /// One that no other connection is counted with.
  init(alone number: UInt64) { self.number = number }

  private static let ipv4Prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

  /// The bytes of an address in the system's structure: they stand at the same offset on all systems (RFC 3493 §3.3).
  private static func bytes<Address>(of address: Address, from offset: Int, count: Int) -> [UInt8] {
    // `unsafe`: the structure's bytes are copied during the call.
    unsafe withUnsafeBytes(of: address) { unsafe Array($0.dropFirst(offset).prefix(count)) }
  }

  private static func prefix(of bytes: [UInt8], bitCount: Int) -> [UInt8] {
    let bitCount = min(max(bitCount, 0), 128)
    let mask: UInt8 = bitCount % 8 == 0 ? 0 : ~(0xff >> UInt8(bitCount % 8))
    return bytes.prefix(bitCount / 8) + bytes.dropFirst(bitCount / 8).prefix(mask == 0 ? 0 : 1).map { $0 & mask }
  }
}
