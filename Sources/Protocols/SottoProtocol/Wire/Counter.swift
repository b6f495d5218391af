import WireFormat

extension ByteReader {
  /// A slot, sequence or generation. All are counted from a small number in steps of one, so none is ever near the end of its type; one that claims to be
  /// is refused here, and nothing behind the decoder can overflow (docs/protocol.md §1).
  @_lifetime(self: copy self)
  mutating func readCounter() throws(WireError) -> UInt64 {
    let value = try readUInt64()
    guard value < Limits.counterBound else { throw .invalidValue(value) }
    return value
  }
}
