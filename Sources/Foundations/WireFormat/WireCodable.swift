/// A value with one encoding in the TLS presentation language (RFC 8446 §3, vectors as in RFC 9420 §2.1.2).
public protocol WireEncodable {
  /// Appends the encoding of this value.
  func encode(into writer: inout ByteWriter)
}

/// A value that can be read back from its one encoding.
public protocol WireDecodable {
  /// Reads one value, leaving the reader right behind it.
  ///
  /// - Throws: ``WireError`` when the bytes are not an encoding of this type.
  init(from reader: inout ByteReader) throws(WireError)
}

/// A value that is both written and read.
public typealias WireCodable = WireEncodable & WireDecodable

extension WireEncodable {
  /// The encoding of this value alone.
  @inlinable
  public var encoded: [UInt8] {
    var writer = ByteWriter()
    encode(into: &writer)
    return writer.bytes
  }
}

extension WireEncodable {
  /// Lends the encoding of this value, in which there are secrets, and wipes it afterwards; `body` must not keep it.
  ///
  /// - Parameter capacity: about as many bytes as the encoding has.
  public func withSecretEncoding<Result, Failure: Error>(
    capacity: Int, _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var bytes = secretEncoding(capacity: capacity)
    defer { bytes.wipe() }
    return try body(bytes)
  }

  /// Its writer is gone when it returns, so that nobody else holds the bytes.
  private func secretEncoding(capacity: Int) -> [UInt8] {
    var writer = ByteWriter(secretCapacity: capacity)
    encode(into: &writer)
    return writer.bytes
  }
}

extension WireDecodable {
  /// Reads one value that fills `bytes` exactly.
  ///
  /// - Throws: `.trailingBytes` when bytes are left over, and whatever the type itself refuses.
  @inlinable
  public init(decoding bytes: [UInt8]) throws(WireError) {
    var reader = ByteReader(bytes.span)
    try self.init(from: &reader)
    try reader.finish()
  }
}

extension WireDecodable {
  /// Reads one value that fills `bytes` exactly.
  ///
  /// - Throws: as ``init(decoding:)-([UInt8])``.
  @inlinable
  public init(decoding bytes: Span<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    try self.init(from: &reader)
    try reader.finish()
  }
}

extension UInt8: WireCodable {
  @inlinable
  public init(from reader: inout ByteReader) throws(WireError) { self = try reader.readUInt8() }

  @inlinable
  public func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension UInt16: WireCodable {
  @inlinable
  public init(from reader: inout ByteReader) throws(WireError) { self = try reader.readUInt16() }

  @inlinable
  public func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension UInt32: WireCodable {
  @inlinable
  public init(from reader: inout ByteReader) throws(WireError) { self = try reader.readUInt32() }

  @inlinable
  public func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension UInt64: WireCodable {
  @inlinable
  public init(from reader: inout ByteReader) throws(WireError) { self = try reader.readUInt64() }

  @inlinable
  public func encode(into writer: inout ByteWriter) { writer.write(self) }
}
