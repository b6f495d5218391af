import CryptoSuite

/// What two people compare to know that nobody stands between them: 60 digits over both identities.
public struct SafetyNumber: Hashable, Sendable {
  /// Twelve groups of five digits; the same for both sides.
  public let groups: [String]

  public init(_ one: IdentityID, _ other: IdentityID) {
    let ordered = one.bytes.lexicographicallyPrecedes(other.bytes) ? one.bytes + other.bytes : other.bytes + one.bytes
    let digest = HashAlgorithm.sha512.hash(Array("sotto safety number 1".utf8) + ordered)
    groups = (0..<12).map { index in
      let value = digest[(index * 5)..<(index * 5 + 5)].reduce(UInt64(0)) { ($0 << 8) | UInt64($1) }
      let digits = String(value % 100_000)
      return String(repeating: "0", count: 5 - digits.count) + digits
    }
  }
}
