public import CryptoSuite
public import SottoProtocol

/// The server's long-lived key, which vouches for the TLS keys of the day (docs/protocol.md §3).
public struct ServerIdentity: Sendable {
  private let key: SigningKey
  /// The Ed25519 key that links carry.
  public let publicKey: PublicKey32

  /// - Throws: `.invalidKey` for a key of another algorithm than Ed25519.
  public init(_ key: SigningKey) throws(CryptoError) {
    guard key.algorithm == .ed25519, let publicKey = PublicKey32(key.publicKey) else { throw .invalidKey }
    self.key = key
    self.publicKey = publicKey
  }

  /// Signs that these are the server's TLS keys and issuer keys for the next seven days.
  ///
  /// The sequence is the time: a later statement outranks an earlier one without anything to be remembered.
  ///
  /// - Parameters:
  ///   - tlsKeyHashes: SHA-256 of each SubjectPublicKeyInfo, 1 to 8.
  ///   - issuerKeys: those that tokens are signed with, of 1 or 2 quarters, the newest first.
  ///   - now: seconds since 1970.
  public func statement(tlsKeyHashes: [KeyHash], issuerKeys: [IssuerKeys], now: UInt64) throws(CryptoError) -> IdentityStatement {
    try IdentityStatement(
      signer: key, sequence: now, notAfter: now &+ ServerLimits.statementValidity, keyHashes: tlsKeyHashes,
      issuerKeys: issuerKeys)
  }

  /// Answers a client's nonce, for a server whose TLS certificate a proxy has.
  ///
  /// - Parameters:
  ///   - statement: an encoded statement of this identity.
  ///   - host: as the client's link names it, and the port.
  public func proof(
    nonce: IdentityProof.Nonce, statement: [UInt8], host: String, port: UInt16
  ) throws(CryptoError) -> IdentityProof {
    try IdentityProof(signer: key, statement: statement, nonce: nonce, host: host, port: port)
  }

  /// Signs that a report came on a day.
  ///
  /// - Parameter day: days since 1970.
  public func receipt(for report: [UInt8], day: UInt32) throws(CryptoError) -> ReportReceipt {
    try ReportReceipt(signer: key, report: report, day: day)
  }

  /// The key's hash for two people to compare: 16 groups of four hexadecimal digits.
  public var fingerprint: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for (index, byte) in HashAlgorithm.sha256.hash(publicKey.bytes).enumerated() {
      if index > 0, index.isMultiple(of: 2) { text.append(UInt8(ascii: " ")) }
      text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Everything that a server must keep secret, and keep apart from its database.
public struct ServerSecrets: Sendable {
  /// Bytes of the root secret.
  public static let rootByteCount = 32

  /// The identity that clients know the server by.
  public let identity: ServerIdentity
  let names: StoredNames
  let cursors: CursorSeal

  /// - Parameters:
  ///   - identityKey: Ed25519.
  ///   - root: 32 random bytes, from which the secrets of names and cursors follow.
  /// - Throws: `.invalidKey` or `.invalidLength` for others.
  public init(identityKey: SigningKey, root: Secret) throws(CryptoError) {
    guard root.byteCount == Self.rootByteCount else {
      throw .invalidLength(expected: Self.rootByteCount, actual: root.byteCount)
    }
    identity = try ServerIdentity(identityKey)
    let kdf = KDF(.sha256)
    let extracted = kdf.extract(salt: Secret(Array("sotto server 1".utf8)), ikm: root)
    names = StoredNames(
      key: kdf.expand(extracted, info: Array("names".utf8), count: 32),
      rowKey: kdf.expand(extracted, info: Array("rows".utf8), count: 32))
    cursors = CursorSeal(key: kdf.expand(extracted, info: Array("cursors".utf8), count: 32))
  }
}
