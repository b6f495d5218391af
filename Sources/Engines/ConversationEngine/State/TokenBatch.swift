import CryptoSuite
import SottoProtocol
import WireFormat

/// Tokens on their way to be signed. Written to disk before the server sees them: a repeated request shows the same ones, and no
/// answer is lost for want of what opens it.
struct TokenBatch: Sendable, WireCodable {
  var issuer: IssuerKeys
  /// The first is an entry token: a voucher is redeemed.
  var isRedemption: Bool
  var tokens: [BlindedToken] = []

  init(issuer: IssuerKeys, isRedemption: Bool, count: Int, random: any RandomSource) throws(CryptoError) {
    self.issuer = issuer
    self.isRedemption = isRedemption
    for kind in TokenKind.signed(count, isRedemption: isRedemption) {
      tokens.append(try BlindedToken(issuer: issuer[kind], random: random))
    }
  }

  /// The tokens, when every answer is a signature.
  func finished(_ answers: [BlindNumber]) -> [OwnedToken]? {
    guard answers.count == tokens.count else { return nil }
    var finished: [OwnedToken] = []
    let kinds = TokenKind.signed(tokens.count, isRedemption: isRedemption)
    for (kind, (token, answer)) in zip(kinds, zip(tokens, answers)) {
      guard let token = try? token.token(answer: answer, issuer: issuer[kind]) else { return nil }
      finished.append(OwnedToken(issuer: issuer[kind].hash, token: token))
    }
    return finished
  }

  init(from reader: inout ByteReader) throws(WireError) {
    issuer = try reader.read()
    isRedemption = try reader.readBool()
    tokens = try reader.readList()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(issuer)
    writer.writeBool(isRedemption)
    writer.writeList(tokens)
  }
}

extension ByteReader {
  /// Reads over a batch from before there were two keys, if there is one: no server signs it any more.
  @_lifetime(self: copy self)
  mutating func skipOldTokenBatch() throws(WireError) {
    guard try readBool() else { return }
    _ = try read(IssuerKey.self)
    _ = try readList(of: BlindedToken.self)
  }
}

/// A token that is signed and not spent.
struct OwnedToken: Sendable, WireCodable {
  /// Worth something as long as the server's statement names this key.
  var issuer: KeyHash
  var token: Token

  init(issuer: KeyHash, token: Token) {
    self.issuer = issuer
    self.token = token
  }

  init(from reader: inout ByteReader) throws(WireError) {
    issuer = try reader.read()
    token = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(issuer)
    writer.write(token)
  }
}
