public import CryptoSuite
import Foundation
public import MailboxEngine
public import SottoProtocol

/// The issuer of all test servers: one key that everybody knows, since making one takes long.
public enum TestIssuer {
  /// The quarter of `ManualClock`'s first day.
  public static let quarter: UInt32 = IssuerKeyPair.quarter(of: Day(number: 20_000))

  private static let der = """
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

  public static func key() throws(CryptoError) -> BlindSignatureKey {
    guard let bytes = Data(base64Encoded: der) else { throw .invalidKey }
    return try BlindSignatureKey(derBytes: Secret(Array(bytes)))
  }

  /// - Parameter day: one of the key's quarter.
  public static func make(day: Day = Day(number: 20_000)) throws(CryptoError) -> TokenIssuer {
    TokenIssuer(keys: [try IssuerKeyPair(key(), quarter: IssuerKeyPair.quarter(of: day))])
  }

  /// What clients find in a statement.
  public static func publicKey() throws(CryptoError) -> IssuerKey {
    IssuerKey(trusted: try key().publicKey.modulus)
  }

  /// A token that no server was asked for.
  public static func token(using random: any RandomSource) throws(CryptoError) -> Token {
    let issuer = try publicKey()
    let token = try BlindedToken(issuer: issuer, random: random)
    return try token.token(answer: BlindNumber(trusted: key().sign(token.blinded.bytes)), issuer: issuer)
  }
}
