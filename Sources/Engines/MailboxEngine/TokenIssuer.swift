public import CryptoSuite
public import SottoProtocol
import Synchronization

/// A quarter's key, with which the server signs tokens (docs/protocol.md §7).
///
/// Quarters are 91 days each, counted from 1970, the same for every server. A key signs and is accepted in its own quarter and
/// the next one.
public struct IssuerKeyPair: Sendable {
  /// Days of a quarter.
  public static let quarterDays: UInt32 = 91

  /// Counted from 1970.
  public let quarter: UInt32
  /// What clients find in the server's statement.
  public let publicKey: IssuerKey
  /// The key's name in requests.
  public let hash: KeyHash
  let key: BlindSignatureKey

  /// - Throws: `.invalidKey` for a key that has other than 2,048 bits.
  public init(_ key: BlindSignatureKey, quarter: UInt32) throws(CryptoError) {
    guard let publicKey = IssuerKey(key.publicKey.modulus) else { throw .invalidKey }
    self.key = key
    self.quarter = quarter
    self.publicKey = publicKey
    hash = publicKey.hash
  }

  /// The key as it is stored.
  public var derBytes: Secret { key.derBytes }

  /// The first day on which it is not accepted any more.
  public var ends: Day {
    let (start, overflow) = quarter.multipliedReportingOverflow(by: Self.quarterDays)
    return overflow ? Day(number: .max) : Day(number: start).adding(2 * Self.quarterDays)
  }

  /// The quarter that a day is in.
  public static func quarter(of day: Day) -> UInt32 { day.number / quarterDays }
}

/// Signs tokens unseen, and knows those again that it has signed. Keeps nothing: what is spent is in the store.
public final class TokenIssuer: Sendable {
  private let pairs: Mutex<[IssuerKeyPair]>

  /// - Parameter keys: those of the present; in the order of their quarters, newest first, they stand in the statement.
  public init(keys: [IssuerKeyPair]) { pairs = Mutex(Self.sorted(keys)) }

  /// Goes on with other keys.
  public func replace(with keys: [IssuerKeyPair]) { pairs.withLock { $0 = Self.sorted(keys) } }

  private static func sorted(_ keys: [IssuerKeyPair]) -> [IssuerKeyPair] {
    Array(keys.sorted { $0.quarter > $1.quarter }.prefix(Limits.statementIssuerKeyCount))
  }

  /// What the server's statement names: the newest first, and none that has ended.
  public func publicKeys(today: Day) -> [IssuerKey] { keys(today: today).map(\.publicKey) }

  /// Whether a new quarter has begun for which there is no key.
  public func isOverdue(today: Day) -> Bool {
    guard let newest = pairs.withLock({ $0.first }) else { return true }
    return newest.quarter < IssuerKeyPair.quarter(of: today)
  }

  private func keys(today: Day) -> [IssuerKeyPair] { pairs.withLock { $0 }.filter { today < $0.ends } }

  func key(_ hash: KeyHash, today: Day) -> IssuerKeyPair? { keys(today: today).first { $0.hash == hash } }

  /// Until when a token has to be remembered as spent; nil when no key of the present has signed it.
  func expiry(of token: Token, today: Day) -> Day? {
    keys(today: today).first { $0.key.publicKey.verify(token.signature.bytes, of: token.id.bytes) }?.ends
  }
}

extension IssuerKeyPair {
  /// Whether these can be signed: numbers below the modulus.
  func canSign(_ blinded: [BlindNumber]) -> Bool {
    blinded.allSatisfy { $0.bytes.lexicographicallyPrecedes(publicKey.bytes) }
  }

  /// Signs each, in order: half a millisecond each, between which others get their turn.
  func sign(_ blinded: [BlindNumber]) async -> [BlindNumber]? {
    var signatures: [BlindNumber] = []
    for number in blinded {
      guard let signature = (try? key.sign(number.bytes)).flatMap(BlindNumber.init) else { return nil }
      signatures.append(signature)
      await Task.yield()
    }
    return signatures
  }
}
