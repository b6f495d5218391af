/// Reads values of the TLS presentation language from borrowed bytes, checking every length before it is used.
///
/// Integers are big-endian (RFC 8446 §3.3). Vectors carry a minimal variable-length prefix (RFC 9420 §2.1.2). After a
/// thrown error the position of the reader is unspecified: throw the reader away.
public struct ByteReader: ~Escapable {
  @usableFromInline let span: Span<UInt8>

  /// How many bytes have been read, from the start of this reader's own input.
  @inlinable
  public var position: Int { offset }

  @usableFromInline var offset: Int

  /// A reader over all of `span`.
  @inlinable
  @_lifetime(copy span)
  public init(_ span: Span<UInt8>) {
    self.span = span
    self.offset = 0
  }

  /// The number of bytes not read yet.
  @inlinable
  public var remaining: Int { span.count &- offset }

  /// Whether everything has been read.
  @inlinable
  public var isAtEnd: Bool { offset == span.count }

  /// Refuses whatever is left over.
  ///
  /// - Throws: `.trailingBytes` unless everything has been read.
  @inlinable
  public func finish() throws(WireError) {
    guard isAtEnd else { throw .trailingBytes(count: remaining) }
  }

  @inlinable
  func require(_ count: Int) throws(WireError) {
    guard count >= 0, count <= remaining else { throw .truncated(needed: count, available: remaining) }
  }
}

// MARK: - Integers

extension ByteReader {
  /// Reads one byte.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readUInt8() throws(WireError) -> UInt8 {
    try require(1)
    let value = span[offset]
    offset &+= 1
    return value
  }

  /// Reads a big-endian 16-bit integer.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readUInt16() throws(WireError) -> UInt16 {
    try require(2)
    let value = UInt16(span[offset]) << 8 | UInt16(span[offset &+ 1])
    offset &+= 2
    return value
  }

  /// Reads a big-endian 32-bit integer.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readUInt32() throws(WireError) -> UInt32 {
    try require(4)
    var value: UInt32 = 0
    for index in offset..<(offset &+ 4) { value = value << 8 | UInt32(span[index]) }
    offset &+= 4
    return value
  }

  /// Reads a big-endian 64-bit integer.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readUInt64() throws(WireError) -> UInt64 {
    try require(8)
    var value: UInt64 = 0
    for index in offset..<(offset &+ 8) { value = value << 8 | UInt64(span[index]) }
    offset &+= 8
    return value
  }

  /// Reads a variable-length integer of at most 30 bits (RFC 9420 §2.1.2).
  ///
  /// - Throws: `.nonMinimalLength` for a longer form than the value needs and for the reserved prefix.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readLength() throws(WireError) -> Int {
    let first = try readUInt8()
    var value = Int(first & 0x3f)
    switch first >> 6 {
    case 0:
      return value
    case 1:
      value = value << 8 | Int(try readUInt8())
      guard value >= 1 << 6 else { throw .nonMinimalLength }
      return value
    case 2:
      for _ in 0..<3 { value = value << 8 | Int(try readUInt8()) }
      guard value >= 1 << 14 else { throw .nonMinimalLength }
      return value
    default:
      throw .nonMinimalLength
    }
  }
}

// MARK: - Bytes and vectors

extension ByteReader {
  /// Reads exactly `count` bytes.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readBytes(_ count: Int) throws(WireError) -> [UInt8] {
    try require(count)
    let start = offset
    offset &+= count
    return copy(start..<offset)
  }

  /// Reads everything that is left.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readRemaining() -> [UInt8] {
    let start = offset
    offset = span.count
    return copy(start..<offset)
  }

  /// The bytes read since `start`, an earlier ``position``; for signatures over a value as it arrived.
  @inlinable
  public func bytesRead(since start: Int) -> [UInt8] {
    precondition(start >= 0 && start <= offset, "the position comes from this reader")
    return copy(start..<offset)
  }

  /// Reads a vector of bytes.
  ///
  /// - Parameter limit: the longest content accepted, in bytes; checked before anything is allocated.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readVector(limit: Int = Int.max) throws(WireError) -> [UInt8] {
    let count = try readLength()
    guard count <= limit else { throw .lengthOverLimit(length: count, limit: limit) }
    return try readBytes(count)
  }

  /// Reads a vector of bytes and lends them to `body`, without a copy.
  ///
  /// - Parameter limit: the longest content accepted, in bytes.
  @_lifetime(self: copy self)
  public mutating func readVector<Result>(
    limit: Int = Int.max, _ body: (Span<UInt8>) -> Result
  ) throws(WireError) -> Result {
    let content = try readNested(limit: limit)
    return body(content.span)
  }

  /// Reads a vector and returns a reader over its content, without a copy.
  @inlinable
  @_lifetime(copy self)
  @_lifetime(self: copy self)
  public mutating func readNested(limit: Int = Int.max) throws(WireError) -> ByteReader {
    let count = try readLength()
    guard count <= limit else { throw .lengthOverLimit(length: count, limit: limit) }
    try require(count)
    let start = offset
    offset &+= count
    return ByteReader(span.extracting(start..<offset))
  }

  // Never inlined: Swift 6.3.1 releases an array that was copied from a buffer before it has filled it, where it sees
  // that nobody uses the array. A caller of this function cannot.
  @usableFromInline
  @inline(never)
  func copy(_ range: Range<Int>) -> [UInt8] {
    // The range has been checked against the span; copying through the buffer is one memcpy instead of a loop.
    unsafe span.extracting(range).withUnsafeBufferPointer { unsafe [UInt8]($0) }
  }
}

// MARK: - Elements

extension ByteReader {
  /// Reads one value of a type known from the context.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func read<Element: WireDecodable>(_: Element.Type = Element.self) throws(WireError) -> Element {
    try Element(from: &self)
  }

  /// Reads a vector filled with elements.
  ///
  /// - Parameters:
  ///   - limit: the longest content accepted, in bytes.
  ///   - maxCount: the most elements accepted.
  /// - Throws: `.misaligned` when an element would reach beyond the vector or takes no bytes at all.
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readList<Element: WireDecodable>(
    of: Element.Type = Element.self, limit: Int = Int.max, maxCount: Int = Int.max
  ) throws(WireError) -> [Element] {
    var content = try readNested(limit: limit)
    var elements: [Element] = []
    while !content.isAtEnd {
      guard elements.count < maxCount else {
        throw .lengthOverLimit(length: elements.count &+ 1, limit: maxCount)
      }
      let start = content.offset
      do {
        elements.append(try Element(from: &content))
      } catch .truncated {
        throw .misaligned
      }
      guard content.offset > start else { throw .misaligned }
    }
    return elements
  }

  /// Reads a presence byte, 0 or 1, and the value when it is there (RFC 9420 §2.1.1).
  @inlinable
  @_lifetime(self: copy self)
  public mutating func readOptional<Element: WireDecodable>(
    of: Element.Type = Element.self
  ) throws(WireError) -> Element? {
    switch try readUInt8() {
    case 0: return nil
    case 1: return try Element(from: &self)
    case let other: throw .invalidValue(UInt64(other))
    }
  }
}
