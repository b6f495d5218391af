public import CryptoSuite
public import SottoProtocol
import Synchronization

/// A quarter's keys, with which the server signs tokens: one for those that let somebody in, one for the others (docs/protocol.md §7).
///
/// Quarters are 91 days each, counted from 1970, the same for every server. Keys sign and are accepted in their own quarter and
/// the next one.
public struct QuarterKeys: Sendable {
  /// Days of a quarter.
  public static let quarterDays: UInt32 = 91

  /// Counted from 1970.
  public let quarter: UInt32
  /// What clients find in the server's statement.
  public let publicKeys: IssuerKeys
  /// The quarter's name in requests.
  public let hash: KeyHash
  private let entry: BlindSignatureKey
  private let common: BlindSignatureKey

  /// - Throws: `.invalidKey` for a key that has other than 2,048 bits.
  public init(entry: BlindSignatureKey, common: BlindSignatureKey, quarter: UInt32) throws(CryptoError) {
    guard let publicEntry = IssuerKey(entry.publicKey.modulus), let publicCommon = IssuerKey(common.publicKey.modulus) else {
      throw .invalidKey
    }
    (self.entry, self.common, self.quarter) = (entry, common, quarter)
    publicKeys = IssuerKeys(entry: publicEntry, common: publicCommon)
    hash = publicKeys.hash
  }

  public subscript(kind: TokenKind) -> BlindSignatureKey { kind == .entry ? entry : common }

  /// The first day on which they are not accepted any more.
  public var ends: Day {
    let (start, overflow) = quarter.multipliedReportingOverflow(by: Self.quarterDays)
    return overflow ? Day(number: .max) : Day(number: start).adding(2 * Self.quarterDays)
  }

  /// The quarter that a day is in.
  public static func quarter(of day: Day) -> UInt32 { day.number / quarterDays }
}

/// Signs tokens unseen, and knows those again that it has signed. Keeps nothing: what is spent is in the store.
public final class TokenIssuer: Sendable {
  private let quarters: Mutex<[QuarterKeys]>

  /// - Parameter keys: those of the present; in the order of their quarters, newest first, they stand in the statement.
  public init(keys: [QuarterKeys]) { quarters = Mutex(Self.sorted(keys)) }

  /// Goes on with other keys.
  public func replace(with keys: [QuarterKeys]) { quarters.withLock { $0 = Self.sorted(keys) } }

  private static func sorted(_ keys: [QuarterKeys]) -> [QuarterKeys] {
    Array(keys.sorted { $0.quarter > $1.quarter }.prefix(Limits.statementQuarterCount))
  }

  /// What the server's statement names: the newest first, and none that has ended.
  public func publicKeys(today: Day) -> [IssuerKeys] { keys(today: today).map(\.publicKeys) }

  /// Whether a new quarter has begun for which there are no keys.
  public func isOverdue(today: Day) -> Bool {
    guard let newest = quarters.withLock({ $0.first }) else { return true }
    return newest.quarter < QuarterKeys.quarter(of: today)
  }

  private func keys(today: Day) -> [QuarterKeys] { quarters.withLock { $0 }.filter { today < $0.ends } }

  func keys(_ hash: KeyHash, today: Day) -> QuarterKeys? { keys(today: today).first { $0.hash == hash } }

  /// Until when a token has to be remembered as spent; nil when no key of the present has signed it as one of this kind.
  func expiry(of token: Token, as kind: TokenKind, today: Day) -> Day? {
    keys(today: today).first { $0[kind].publicKey.verify(token.signature.bytes, of: token.id.bytes) }?.ends
  }
}

extension QuarterKeys {
  /// Whether these can be signed: numbers below the modulus of the key of their kind.
  func canSign(_ blinded: [BlindNumber], as kinds: [TokenKind]) -> Bool {
    zip(blinded, kinds).allSatisfy { $0.bytes.lexicographicallyPrecedes(publicKeys[$1].bytes) }
  }

  /// Signs each, in order: half a millisecond each, between which others get their turn.
  func sign(_ blinded: [BlindNumber], as kinds: [TokenKind]) async -> [BlindNumber]? {
    var signatures: [BlindNumber] = []
    for (number, kind) in zip(blinded, kinds) {
      guard let signature = (try? self[kind].sign(number.bytes)).flatMap(BlindNumber.init) else { return nil }
      signatures.append(signature)
      await Task.yield()
    }
    return signatures
  }
}
