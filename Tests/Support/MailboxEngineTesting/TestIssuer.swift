public import CryptoSuite
import Foundation
public import MailboxEngine
public import SottoProtocol

/// The issuer of all test servers: two keys that everybody knows, since making them takes long.
public enum TestIssuer {
  /// The quarter of `ManualClock`'s first day.
  public static let quarter: UInt32 = QuarterKeys.quarter(of: Day(number: 20_000))

  private static let commonKey = """
    MIIEowIBAAKCAQEAqoO7hDBwKNmcMIJVrAm6/7BLGlccnov9LXKJfTXV/rpe5ICTH1qvPyHsb/hdy2+pDVzDSGJV0Xv5HW6znZOr\
    AXmjFhMww+DDofFDdaYTJnGJsl+bDuMDcMSRql0f+BqLDrQLliRcVaaFvDEQs3LKtKNShJkeQAEM70PKsIkRmMq+Far3r7pl5qak\
    T3nQxVczNJniVKF/LZl1B6WCcWRO5H98IslP1MMPBk3jjOwTikj62jJMkAfXXYkulrNTUbrg0n3JAu13QA9iUdt38vlOQBtZJv6p\
    AJzcSuRUjA80BXvBHW88bpYn01OyUKn8acBDQLoNvL/saFwGY253WEE3ZwIDAQABAoIBAAXXT2Qe2Ki9k5khzdd/2dUKb/guBb/0\
    oa6d3tHYN0VrkvaW5PNNAvXRrqzDQEtIvuzDQblIDRKJAaaddS+vsErzpL+L1r7PA0SX5CyyjLNjbkka90/SPPru8OJ6IC86kYrm\
    ZgM1qagRdUFWGPFcvE7lzVzXde7RWmUT2GyltWGbefh4ndGDsBRZj7VfZ//YRtz4WKWUiVNXbS091nI/TfGrM2cz8zrUhG0HGijg\
    d1AZ51jObKpLmd2HTOpY/3t3xV+IugnjSDdTS7wAvEap6qUa/hcWEcO0gx77vSXjP5x9h2hHWvAEagY0xLGFODIGn2Ob6kZnZc9z\
    B7hilEfkAvECgYEA5cQSNfnAdfvJkIYaZWG0IBosUYHf/Ud4oZNVAbKuzsKcIt7K0cwIrbMztyEokHnaEITKwBvutkCCL7xtu8XA\
    6+vMdFV8v0M0c2IPyjJWSqxZcXHcmLD+usT8Ya9vxfsLSwIR+5tkynqWbGyj0ZkfTscg6/hFie6+MSBlLnBwNw8CgYEAvfvHP5Ya\
    mK3l2d3Fb1oG4pygsgPEtgZtZVaM+Zu61pIxOUp0H4b9SYtCZ7g1EL2CBYGPhRLMmJpxVgM4CqpHoUgQXhJvc9eCNdR9FFXEgQJL\
    hLgxlseMBRKi8eDL9YojY1BNQ6Iei3VihAE52xRFHNDMHffUVLHaIt6nmSFBOikCgYEA1DcjpszV0WNMiXsDGE6Eov3pnyK4smP3\
    7Cx7YEUcJgYjViW26M1t2plgk61BnSeenJE5/vQNqDGuzM5aAAuno3+36F8pCDLXWBbjhJq3juLe/ePvnuwjangUr1jtgMvdY1s3\
    JtAg6M8O7nftWuL1wrozEx/NgpeK/S7xpVHeo0sCgYBhf3HclwrlKfFYorBtGdWIvHrXgImWJKxFompMuvfioDn0vdnkSCF6eaZF\
    lkpdYfP1IW1nDKPE+RWK37IF/ycthM8ph+p8l6+yMm9SXUWwM15QKTsBtzyLaeoHmabyRscsc4yDVhK43TAGsJ5haQCi7iCijIoC\
    QRfCZ2O5eVCBKQKBgAuAzDOia1igdsiHuuOLolxkipkLSxkUbHCXYe0XQoLy9yZ4czozM2DrjBU1j78xqH5cnaQjPgI7KMJ9atNK\
    VhFdYPKm18nsffm6seJtYzwe332uDrrz3xU18joLhXeIlLFvaUhP6NVmZxuEVm6TEI8mtLGS2ohrJ0hHsXQGhLkq
    """

  private static let entryKey = """
    MIIEogIBAAKCAQEAkM3fcZYxFl8lOqv990K2ucpo2JJlCfjq6heTRj75CuyDEFn9koH9DGVCULVj9MYq8U5Nonh3bta/+uYT/mc4\
    tdZxUb+ou8/64lwYINKv9QAWZTFSu7fuxxWlCzU6fgu8wrcjAvcjIMrXOLcDvCTdhdakwc5IMTHIn28f3cKPNxRMIHDKBdGPEoBO\
    cr98nNq1vrbxsOcVQommqM+V9f0/eGHu4rVSD/spy3MbgUuLMZvuVaJHntKZktBNYW8BSjwef5CEFDviKg9VHLr3dpVrj86WqyGZ\
    gK6/a/rqv6lKbAgYWPVR7dL4xgjwncu3HUE8PhZSiyQrbqBtCqfNIxjrvQIDAQABAoIBABRam9nffq7iWN1SZ7Rl0EF1Th+DFGi+\
    cGbPQYhSObdrX1DhFV+Onf8sDJJDrPUvFcIte4Qm4sLVtM6ToKPV5obIyczv38vmhCFlSI70jn8lsAAxWqvAQvQA+t4EcWBeTf4g\
    t+8mxe1KFc6HCyNbGzhA34/Oax9fHBAtEpGdU3wuTAIbXhaXE99139BTt3ZPO5A3sVWPiWelLLYtLls46k1EP54gldaoQ5lyFdJA\
    cbNF+ICJIo0GM8Srn+3WBjE63tzDjm3LqjOzx7ulcbapa5VjLwNpLwUOD5GtY2ttPTKydd8LjlakGeK2PreQzEJIpA98OfXtNAmc\
    WJQ5B3rFBRECgYEAyrowJjysi2aW89U0l/OVcL7KdKkndpFD48woAhuZq57eer5jnZS/TJhrJxxXkSPmAaOmQbEZ4oL7a/hIZntH\
    XapXm/bGOyrY/TcvDqzgVPshg2bmKx4xqZjp/EEmk8rsGwg1FIvg4JvGzyPZMILZsbZX6rSMjSCvHnDUPo9b528CgYEAttsZLDwp\
    gOCp5vLQmJJodHri/ym9NACRj9uaAFVZ+bjfeBPcp7gXOtvyTIjLZ6oe+fb4C/t8AAOCfqkf0r4HwknC4L2xdMU+QFjJO0PlRNsv\
    dDyOgsac+HxV0edQyRVkOjBdKIjlEvk7wUXwMkI65q2HrM7yDCmxqbxaLd/B6ZMCgYBvuYjLqeiVsuZCXx/rFk0no55ECO08xPYb\
    Vuo9ryRTluyZzM9tiwqale2H0nDYBma+RIhd79KKKRGTAXQ1Nn+wOS6rP6cj+Is5ke4XMmM3smdX2Z/D55ILG8DoSqeOD+lrRGys\
    dCJs5qz8f4800whSjmGJchN7u6WHKzttduh5dQKBgAfThtdK1+fpNbxpxh3RnmDl5ZNQQQXZxGEo4AWFoa07iW0FRJt1GKFvSoaW\
    EEamlF7UgDdbEyqY+9vZ9z+43HInYAzocZDy5EAyzKIZvNVeoEBUWzEjuRI1mCK8yMtifAC1kzcp7MwMGM+j46zzArxezwDJdrio\
    jC8cnat6+Ty7AoGAT53n+hNLxZOUqInD4bPe6iovU3UkmjHyul8k35lvNItjyaXpaxT41V3ObaynSrn693cG0uDE6cWtKDxs2RUm\
    kPntjd0Vd5cplIttrsKMspazuhE11EnKTAPHia+LYhzVXHwdOYFY+vyIUC/+1UBZLfzTepMJH954wMsQP78y0yc=
    """

  public static func key(_ kind: TokenKind) throws(CryptoError) -> BlindSignatureKey {
    guard let bytes = Data(base64Encoded: kind == .entry ? entryKey : commonKey) else { throw .invalidKey }
    return try BlindSignatureKey(derBytes: Secret(Array(bytes)))
  }

  /// As a server has them.
  public static func keys(quarter: UInt32 = quarter) throws(CryptoError) -> QuarterKeys {
    try QuarterKeys(entry: key(.entry), common: key(.common), quarter: quarter)
  }

  /// - Parameter day: one of the keys' quarter.
  public static func make(day: Day = Day(number: 20_000)) throws(CryptoError) -> TokenIssuer {
    TokenIssuer(keys: [try keys(quarter: QuarterKeys.quarter(of: day))])
  }

  /// What clients find in a statement.
  public static func publicKeys() throws(CryptoError) -> IssuerKeys {
    IssuerKeys(entry: IssuerKey(trusted: try key(.entry).publicKey.modulus), common: IssuerKey(trusted: try key(.common).publicKey.modulus))
  }

  /// A token that no server was asked for.
  public static func token(_ kind: TokenKind, using random: any RandomSource) throws(CryptoError) -> Token {
    let issuer = try publicKeys()[kind]
    let token = try BlindedToken(issuer: issuer, random: random)
    return try token.token(answer: BlindNumber(trusted: key(kind).sign(token.blinded.bytes)), issuer: issuer)
  }
}

/// Tokens that a client has signed together.
public struct TestBatch: Sendable {
  public let issuer: IssuerKeys
  public let tokens: [BlindedToken]
  private let kinds: [TokenKind]

  /// - Parameter isRedemption: the first is an entry token.
  public init(
    _ count: Int, isRedemption: Bool = true, issuer: IssuerKeys? = nil, random: any RandomSource
  ) throws(CryptoError) {
    kinds = TokenKind.signed(count, isRedemption: isRedemption)
    if let issuer { self.issuer = issuer } else { self.issuer = try TestIssuer.publicKeys() }
    var tokens: [BlindedToken] = []
    for kind in kinds { tokens.append(try BlindedToken(issuer: self.issuer[kind], random: random)) }
    self.tokens = tokens
  }

  public var blinded: [BlindNumber] { tokens.map(\.blinded) }

  public func redeem(_ voucher: Permission) -> Request { .redeem(voucher: voucher, issuerKey: issuer.hash, blinded: blinded) }

  public func issue(id: UInt32) -> OwnerMessage { .issue(id: id, issuerKey: issuer.hash, blinded: blinded) }

  /// The tokens, which are good if these are the server's signatures.
  public func finish(_ signatures: [BlindNumber]) throws(CryptoError) -> [Token] {
    guard signatures.count == tokens.count else { throw CryptoError.invalidSignature }
    var finished: [Token] = []
    for (index, kind) in kinds.enumerated() {
      finished.append(try tokens[index].token(answer: signatures[index], issuer: issuer[kind]))
    }
    return finished
  }

  /// As `finish`, of the answer to `redeem`.
  public func finish(_ answer: Answer) throws -> [Token] {
    guard case .redeemed(let signatures) = answer else { throw FixtureError.unexpectedAnswer }
    return try finish(signatures)
  }
}
