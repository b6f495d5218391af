import CryptoSuite
import SottoProtocol
import WireFormat

/// Tokens on their way to be signed. Written to disk before the server sees them: a repeated request shows the same ones, and no
/// answer is lost for want of what opens it.
struct TokenBatch: Sendable, WireCodable {
  var issuer: IssuerKey
  var tokens: [BlindedToken]

  init(issuer: IssuerKey, count: Int, random: any RandomSource) throws(CryptoError) {
    self.issuer = issuer
    tokens = []
    for _ in 0..<count { tokens.append(try BlindedToken(issuer: issuer, random: random)) }
  }

  /// The tokens, when every answer is a signature.
  func finished(_ answers: [BlindNumber]) -> [OwnedToken]? {
    guard answers.count == tokens.count else { return nil }
    var finished: [OwnedToken] = []
    for (token, answer) in zip(tokens, answers) {
      guard let token = try? token.token(answer: answer, issuer: issuer) else { return nil }
      finished.append(OwnedToken(issuer: issuer.hash, token: token))
    }
    return finished
  }

  init(from reader: inout ByteReader) throws(WireError) {
    issuer = try reader.read()
    tokens = try reader.readList()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(issuer)
    writer.writeList(tokens)
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
