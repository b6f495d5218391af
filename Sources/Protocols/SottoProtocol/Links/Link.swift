import CryptoSuite
import WireFormat

/// Why a text is not a link of Sotto's.
public enum LinkError: Error, Equatable, Sendable {
  /// It does not begin with `sotto://`.
  case notALink
  /// Host and port cannot be read.
  case badAddress
  /// The part after `#` was changed or cut: its checksum is wrong.
  case damaged
  /// Made by a newer program.
  case unsupportedVersion
  /// A registration link where an invitation was expected, or the other way round.
  case wrongKind
}

/// A link that lets its reader register a mailbox at a server (docs/protocol.md §2).
public struct RegistrationLink: Hashable, Sendable {
  public var server: ServerAddress
  /// Has tokens signed, one of which registers the mailbox; once.
  public var voucher: Permission

  public init(server: ServerAddress, voucher: Permission) {
    self.server = server
    self.voucher = voucher
  }

  /// Reads `sotto://HOST:PORT/r#PAYLOAD`.
  public init(_ text: String) throws(LinkError) {
    let parts = try LinkText(text, kind: "r")
    let (key, rest) = try parts.payload(byteCount: 32)
    (server, voucher) = (try parts.address(key), Permission(trusted: rest))
  }

  public var text: String { LinkText.make(kind: "r", server: server, fields: voucher.bytes) }
}

/// An invitation from a person (docs/protocol.md §2). Whoever holds it can use it, once.
public struct InvitationLink: Sendable {
  public var server: ServerAddress
  /// Has tokens signed for who has no mailbox at that server.
  public var voucher: Permission
  public var secrets: InvitationSecrets

  public init(server: ServerAddress, voucher: Permission, secrets: InvitationSecrets) {
    self.server = server
    self.voucher = voucher
    self.secrets = secrets
  }

  /// Reads `sotto://HOST:PORT/i#PAYLOAD`.
  public init(_ text: String) throws(LinkError) {
    let parts = try LinkText(text, kind: "i")
    let (key, rest) = try parts.payload(byteCount: 64)
    server = try parts.address(key)
    voucher = Permission(trusted: Array(rest.prefix(32)))
    secrets = InvitationSecrets(seed: Secret(Array(rest.suffix(32))))
  }

  public var text: String { LinkText.make(kind: "i", server: server, fields: voucher.bytes + secrets.seed.exposedBytes) }
}

/// The parts that both kinds of link share.
private struct LinkText {
  private static let version: UInt8 = 1
  private static let checkByteCount = 4

  /// What a payload says of the server.
  struct Server {
    var key: [UInt8]
    var trust: ServerTrust
  }

  let host: String
  let port: UInt16
  let fragment: String

  init(_ text: String, kind: String) throws(LinkError) {
    let prefix = "sotto://"
    guard text.hasPrefix(prefix) else { throw .notALink }
    let rest = text.dropFirst(prefix.count)
    guard let hash = rest.firstIndex(of: "#"), let slash = rest[..<hash].lastIndex(of: "/") else { throw .damaged }
    let authority = rest[..<slash]
    guard rest[slash..<hash].dropFirst() == kind else { throw .wrongKind }
    fragment = String(rest[hash...].dropFirst())
    guard let colon = authority.lastIndex(of: ":"), let port = UInt16(authority[colon...].dropFirst()), port != 0 else { throw .badAddress }
    self.port = port
    var host = authority[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    self.host = String(host)
  }

  /// The server key, and `byteCount` bytes of fields after it.
  func payload(byteCount: Int) throws(LinkError) -> (server: Server, fields: [UInt8]) {
    guard let bytes = Base64URL.decode(fragment), bytes.count >= 1 + LinkText.checkByteCount else { throw .damaged }
    let body = Array(bytes.dropLast(LinkText.checkByteCount))
    guard Array(HashAlgorithm.sha256.hash(body).prefix(LinkText.checkByteCount)) == Array(bytes.suffix(LinkText.checkByteCount)) else {
      throw .damaged
    }
    do {
      var reader = ByteReader(body.span)
      guard try reader.readUInt8() == LinkText.version, let trust = ServerTrust(rawValue: try reader.readUInt8()) else {
        throw LinkError.unsupportedVersion
      }
      let key = try reader.readBytes(32)
      let fields = try reader.readBytes(byteCount)
      try reader.finish()
      return (Server(key: key, trust: trust), fields)
    } catch let error as LinkError { throw error } catch { throw .damaged }
  }

  func address(_ server: Server) throws(LinkError) -> ServerAddress {
    guard let key = PublicKey32(server.key),
      let address = ServerAddress(host: host, port: port, serverKey: key, trust: server.trust)
    else { throw .badAddress }
    return address
  }

  static func make(kind: String, server: ServerAddress, fields: [UInt8]) -> String {
    let body = [version, server.trust.rawValue] + server.serverKey.bytes + fields
    let check = HashAlgorithm.sha256.hash(body).prefix(checkByteCount)
    let host = server.host.contains(":") ? "[\(server.host)]" : server.host
    return "sotto://\(host):\(server.port)/\(kind)#\(Base64URL.encode(body + check))"
  }
}
