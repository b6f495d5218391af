public import WireFormat

/// Where a server is, and which key vouches for it (docs/protocol.md §9).
public struct ServerAddress: Hashable, Sendable, WireCodable {
  /// A DNS name or an IP address without brackets, in ASCII.
  public let host: String
  public let port: UInt16
  /// Ed25519: signs the statements that name the server's TLS keys.
  public let serverKey: PublicKey32

  /// How the server's TLS key is trusted: 1, by a statement that `serverKey` signs.
  static let trust: UInt8 = 1

  /// - Returns: nil for a host that is empty, too long, or holds other characters than names and addresses do.
  public init?(host: String, port: UInt16, serverKey: PublicKey32) {
    let allowed = host.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"):
        true
      default: false
      }
    }
    guard !host.isEmpty, host.utf8.count <= Limits.hostByteCount, allowed, port != 0 else { return nil }
    self.host = host
    self.port = port
    self.serverKey = serverKey
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let hostBytes = try reader.readVector(limit: Limits.hostByteCount)
    let port = try reader.readUInt16()
    let trust = try reader.readUInt8()
    let key = try reader.read(PublicKey32.self)
    guard trust == ServerAddress.trust,
      let address = ServerAddress(host: String(decoding: hostBytes, as: UTF8.self), port: port, serverKey: key)
    else { throw .invalidValue(UInt64(trust)) }
    self = address
  }

  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(Array(host.utf8))
    writer.write(port)
    writer.write(ServerAddress.trust)
    writer.write(serverKey)
  }
}
