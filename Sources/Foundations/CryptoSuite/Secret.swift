import Crypto
import FoundationEssentials
public import WireFormat

/// Secret bytes: wiped when the last copy goes, compared in constant time, and never printed.
///
/// It has no `Codable` and its mirror is empty, so that neither a log nor a dump of a state shows content. The storage
/// is swift-crypto's, which keys its algorithms without another copy.
public struct Secret: Sendable {
  let key: SymmetricKey

  init(_ key: SymmetricKey) { self.key = key }

  init(_ shared: SharedSecret) { key = SymmetricKey(data: shared) }

  init(copying bytes: UnsafeRawBufferPointer) { unsafe key = SymmetricKey(data: bytes) }

  /// A secret of these bytes. The array passed in is not wiped: keep it short-lived.
  public init(_ bytes: [UInt8]) { key = SymmetricKey(data: bytes) }

  /// A secret of these bytes.
  public init(_ bytes: Span<UInt8>) {
    // The buffer is valid in the closure and only copied from.
    key = unsafe bytes.withUnsafeBytes { unsafe SymmetricKey(data: $0) }
  }

  /// A secret of `count` bytes that `fill` writes, all of them, into memory that is wiped afterwards.
  init<Failure: Error>(count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    key = try unsafe withScratch(count) { (buffer) throws(Failure) in
      try unsafe fill(buffer)
      return unsafe SymmetricKey(data: UnsafeRawBufferPointer(buffer))
    }
  }

  /// A fresh secret of `randomByteCount` bytes.
  public init(randomByteCount: Int, using random: any RandomSource = SystemRandom()) {
    var bytes = random.bytes(randomByteCount)
    self.init(bytes)
    bytes.wipe()
  }

  /// A secret of `count` zero bytes, the RFC 9420 stand-in for an absent one.
  public static func zeros(_ count: Int) -> Secret { Secret([UInt8](repeating: 0, count: count)) }

  /// The length, in bytes.
  public var byteCount: Int { key.bitCount / 8 }

  /// Lends the bytes themselves to `body`, without a copy.
  ///
  /// - Throws: what `body` throws.
  public func withSpan<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withRawBytes { (buffer) throws(Failure) in
      // A span of the buffer cannot leave the closure, in which the buffer is valid.
      try body(unsafe Span(_bytes: RawSpan(_unsafeBytes: buffer)))
    }
  }

  /// Lends a copy of the bytes to `body` and wipes it afterwards; `body` must not keep it.
  ///
  /// - Throws: what `body` throws.
  public func withBytes<Result, Failure: Error>(
    _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var bytes = exposedBytes
    defer { bytes.wipe() }
    return try body(bytes)
  }

  /// A plain copy of the bytes, for storing them sealed; nothing wipes it.
  public var exposedBytes: [UInt8] {
    // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
    @inline(never) get { unsafe key.withUnsafeBytes { unsafe [UInt8]($0) } }
  }

  /// Lends the bytes themselves to `body`, which must not keep the pointer.
  func withRawBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // swift-crypto's closure cannot throw typed errors.
    let result: Swift.Result<Result, Failure> = unsafe key.withUnsafeBytes { buffer in
      do throws(Failure) { return .success(try unsafe body(buffer)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// This secret with `bytes` added to its first bytes, bit by bit without carry.
  public func xoringPrefix(with bytes: [UInt8]) -> Secret {
    unsafe Secret(count: byteCount) { buffer in
      unsafe withRawBytes { unsafe buffer.copyMemory(from: $0) }
      for index in 0..<min(bytes.count, buffer.count) { unsafe buffer[index] ^= bytes[index] }
    }
  }
}

extension Secret: Equatable {
  /// Compares in time that depends on the lengths only.
  public static func == (left: Secret, right: Secret) -> Bool {
    left.withSpan { left in right.withSpan { right in constantTimeEquals(left, right) } }
  }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "Secret(\(byteCount) bytes)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

// MARK: - Encoding

extension Secret {
  /// A secret of what `write` encodes; neither the writer nor an outgrown storage of it leaves anything behind.
  ///
  /// - Parameter capacity: about as many bytes as that has.
  public init(capacity: Int, encoding write: (inout ByteWriter) -> Void) {
    var bytes = Self.encoding(capacity, write)
    self.init(bytes)
    bytes.wipe()
  }

  /// Its writer is gone when it returns, so that nobody else holds the bytes.
  @inline(never)
  private static func encoding(_ capacity: Int, _ write: (inout ByteWriter) -> Void) -> [UInt8] {
    var writer = ByteWriter(secretCapacity: capacity)
    write(&writer)
    return writer.bytes
  }
}

extension ByteReader {
  /// Reads a vector as a secret, without a copy on the way.
  ///
  /// - Throws: as ``readVector(limit:)``.
  @_lifetime(self: copy self)
  public mutating func readSecret(limit: Int = Int.max) throws(WireError) -> Secret {
    try readVector(limit: limit) { Secret($0) }
  }

  /// Reads a presence byte, 0 or 1, and the secret when it is there (RFC 9420 §2.1.1).
  ///
  /// - Throws: `.invalidValue` for another presence byte, and as ``readSecret(limit:)``.
  @_lifetime(self: copy self)
  public mutating func readOptionalSecret(limit: Int = Int.max) throws(WireError) -> Secret? {
    switch try readUInt8() {
    case 0: return nil
    case 1: return try readSecret(limit: limit)
    case let other: throw .invalidValue(UInt64(other))
    }
  }
}

extension ByteWriter {
  /// Writes a secret as a vector, without a copy on the way.
  public mutating func writeVector(_ secret: Secret) {
    writeLength(secret.byteCount)
    secret.withSpan { writeBytes($0) }
  }

  /// Writes a presence byte, 0 or 1, and the secret as a vector when it is there (RFC 9420 §2.1.1).
  public mutating func writeOptionalVector(_ secret: Secret?) {
    write(UInt8(secret == nil ? 0 : 1))
    if let secret { writeVector(secret) }
  }
}

// MARK: - Tools

/// Lends `count` bytes, on the stack where they are few, and wipes them afterwards.
func withScratch<Result, Failure: Error>(
  _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  // The memory lives as long as the closure, which fills what it reads.
  let result: Swift.Result<Result, Failure> = unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) {
    buffer in
    defer { unsafe buffer.wipe() }
    do throws(Failure) { return .success(try unsafe body(buffer)) } catch { return .failure(error) }
  }
  return try result.get()
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
public func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool { constantTimeEquals(left.span, right.span) }

/// Whether two byte strings are equal, in time that depends on their lengths only.
@inline(never)
public func constantTimeEquals(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in left.indices { difference |= left[index] ^ right[index] }
  return difference == 0
}
