import CryptoSuite

extension RandomSource {
  /// A number of a range.
  func number(in range: ClosedRange<UInt64>) -> UInt64 {
    let width = range.upperBound - range.lowerBound
    // Of 64 bits, the remainder favours nothing that matters here.
    let drawn = bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return range.lowerBound + (width == UInt64.max ? drawn : drawn % (width + 1))
  }
}
