public import WireFormat

/// How a server's TLS is trusted (docs/protocol.md §3). There is no third way, and neither can be switched off.
public enum ServerTrust: UInt8, Hashable, Sendable {
  /// The server's key signs which TLS keys are its own.
  case statement = 1
  /// The authorities of the web vouch for the certificate of the host name, since a proxy has it; and the server's key signs
  /// the client's nonce.
  case webPKI = 2
}

/// Where a server is, and which key vouches for it (docs/protocol.md §9).
public struct ServerAddress: Hashable, Sendable, WireCodable {
  /// A DNS name or an IP address without brackets, in ASCII.
  public let host: String
  public let port: UInt16
  /// Ed25519: signs the statements that name the server's TLS keys, or clients' nonces.
  public let serverKey: PublicKey32
  public let trust: ServerTrust

  /// - Returns: nil for a host that is empty, too long, or holds other characters than names and addresses do; and for an
  ///   address in numbers with `.webPKI`.
  public init?(host: String, port: UInt16, serverKey: PublicKey32, trust: ServerTrust = .statement) {
    let allowed = host.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"):
        true
      default: false
      }
    }
    guard !host.isEmpty, host.utf8.count <= Limits.hostByteCount, allowed, port != 0,
      trust == .statement || ServerAddress.canBeCertified(host)
    else { return nil }
    self.host = host
    self.port = port
    self.serverKey = serverKey
    self.trust = trust
  }

  /// Whether authorities of the web certify such hosts: names with a dot, and no addresses in numbers.
  public static func canBeCertified(_ host: String) -> Bool {
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count >= 2, labels.allSatisfy({ !$0.isEmpty }), !host.contains(":"), let last = labels.last else { return false }
    return !last.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let hostBytes = try reader.readVector(limit: Limits.hostByteCount)
    let port = try reader.readUInt16()
    let trust = try reader.readUInt8()
    let key = try reader.read(PublicKey32.self)
    guard let known = ServerTrust(rawValue: trust),
      let address = ServerAddress(host: String(decoding: hostBytes, as: UTF8.self), port: port, serverKey: key, trust: known)
    else { throw .invalidValue(UInt64(trust)) }
    self = address
  }

  public func encode(into writer: inout ByteWriter) {
    writer.writeVector(Array(host.utf8))
    writer.write(port)
    writer.write(trust.rawValue)
    writer.write(serverKey)
  }
}
