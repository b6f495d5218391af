public import CryptoSuite
public import WireFormat

/// An RSA modulus of 2,048 bits, big-endian, with the exponent 65,537: a public key that a server's tokens are signed with
/// (docs/protocol.md §7).
public struct IssuerKey: FixedBytes {
  public static let byteCount = 256
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

extension IssuerKey {
  /// SHA-256 of the modulus.
  public var hash: KeyHash { KeyHash(trusted: HashAlgorithm.sha256.hash(bytes)) }
}

/// What a token is good for. Each kind has a key of its own, and who has tokens of one kind has nothing of the other.
public enum TokenKind: Sendable {
  /// A registration. Only a voucher brings one.
  case entry
  /// A log, or a part of a file.
  case common

  /// The kinds of tokens that are signed together: when a voucher is redeemed, the first lets somebody in.
  public static func signed(_ count: Int, isRedemption: Bool) -> [TokenKind] {
    (0..<count).map { isRedemption && $0 == 0 ? .entry : .common }
  }
}

/// A quarter's keys, one for each kind of token.
public struct IssuerKeys: Hashable, Sendable, WireCodable {
  public var entry: IssuerKey
  public var common: IssuerKey

  public init(entry: IssuerKey, common: IssuerKey) {
    self.entry = entry
    self.common = common
  }

  /// The quarter's name in requests: SHA-256 of both. So who has tokens signed and the server mean the same two.
  public var hash: KeyHash { KeyHash(trusted: HashAlgorithm.sha256.hash(encoded)) }

  public subscript(kind: TokenKind) -> IssuerKey { kind == .entry ? entry : common }

  public init(from reader: inout ByteReader) throws(WireError) {
    entry = try reader.read()
    common = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(entry)
    writer.write(common)
  }
}

/// A number under an issuer key, big-endian: a blinded token, the signature on one, or a token's own signature.
public struct BlindNumber: FixedBytes {
  public static let byteCount = 256
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// A random name that its maker alone knows until the token is spent.
public struct TokenID: FixedBytes {
  public static let byteCount = 32
  public let bytes: [UInt8]
  public init(trusted bytes: [UInt8]) { self.bytes = bytes }
}

/// The right to one thing that costs the server room, such as a mailbox (docs/protocol.md §7). Its kind is that of the key that
/// signed it.
///
/// The server signed it without seeing it, so it says that somebody had the right, and nothing on who.
public struct Token: Hashable, Sendable, WireCodable {
  public var id: TokenID
  /// RSABSSA-SHA384-PSS-Deterministic over the id (RFC 9474).
  public var signature: BlindNumber

  public init(id: TokenID, signature: BlindNumber) {
    self.id = id
    self.signature = signature
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    id = try reader.read()
    signature = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(id)
    writer.write(signature)
  }
}

/// A token whose signature is still to be had: what its maker keeps until the answer comes.
public struct BlindedToken: Sendable, Hashable, WireCodable {
  public var id: TokenID
  /// What the server gets to see.
  public var blinded: BlindNumber
  /// Turns the server's answer into the token's signature. Whoever has it can tell that the two belong together.
  public var inverse: BlindNumber

  /// A new token, blinded for an issuer.
  ///
  /// - Throws: `.invalidKey` or `.underlying` for an issuer key that is none.
  public init(issuer: IssuerKey, random: any RandomSource) throws(CryptoError) {
    let id = TokenID.random(using: random)
    let (blinded, inverse) = try BlindSignaturePublicKey(modulus: issuer.bytes).blind(id.bytes)
    guard let blinded = BlindNumber(blinded), let inverse = BlindNumber(inverse.exposedBytes) else { throw .underlying }
    self.id = id
    self.blinded = blinded
    self.inverse = inverse
  }

  /// The token, when the answer is a signature.
  ///
  /// - Throws: `.invalidSignature` for any other answer.
  public func token(answer: BlindNumber, issuer: IssuerKey) throws(CryptoError) -> Token {
    let signature = try BlindSignaturePublicKey(modulus: issuer.bytes).finish(
      answer.bytes, message: id.bytes, inverse: Secret(inverse.bytes))
    guard let signature = BlindNumber(signature) else { throw .invalidSignature }
    return Token(id: id, signature: signature)
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    id = try reader.read()
    blinded = try reader.read()
    inverse = try reader.read()
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(id)
    writer.write(blinded)
    writer.write(inverse)
  }
}

extension ByteReader {
  /// Blinded tokens or signatures on them: at least one.
  @_lifetime(self: copy self)
  mutating func readBlindNumbers(maxCount: Int) throws(WireError) -> [BlindNumber] {
    let numbers = try readList(of: BlindNumber.self, maxCount: maxCount)
    guard !numbers.isEmpty else { throw .invalidValue(0) }
    return numbers
  }
}
