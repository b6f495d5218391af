/// Builds an encoding in the TLS presentation language; the counterpart of ``ByteReader``.
public struct ByteWriter: Sendable {
  /// The longest content a vector can carry: its length has 30 bits (RFC 9420 §2.1.2).
  public static let maximumVectorByteCount = (1 << 30) - 1

  /// What has been written so far.
  @inlinable
  public var bytes: [UInt8] { storage }

  @usableFromInline var storage: [UInt8]

  /// Whether the storage that was outgrown is wiped.
  @usableFromInline let isSecret: Bool

  /// An empty writer.
  @inlinable
  public init() {
    storage = []
    isSecret = false
  }

  /// An empty writer with room for `capacity` bytes.
  @inlinable
  public init(capacity: Int) {
    storage = []
    storage.reserveCapacity(capacity)
    isSecret = false
  }

  /// An empty writer for secrets, with room for `secretCapacity` bytes: when it grows, it leaves nothing behind. Whoever
  /// takes the ``bytes`` wipes them, once the writer is gone.
  @inlinable
  public init(secretCapacity: Int) {
    storage = []
    storage.reserveCapacity(secretCapacity)
    isSecret = true
  }

  /// Makes room for `count` bytes more, if it matters where the old ones stay.
  @inlinable
  mutating func prepare(_ count: Int) {
    if isSecret && storage.count &+ count > storage.capacity { moveSecret(count) }
  }

  @usableFromInline
  @inline(never)
  mutating func moveSecret(_ count: Int) {
    var larger: [UInt8] = []
    larger.reserveCapacity(max(2 * storage.capacity, storage.count + count))
    larger += storage
    swap(&storage, &larger)
    larger.wipe()
  }

  /// Writes one byte.
  @inlinable
  public mutating func write(_ value: UInt8) {
    prepare(1)
    storage.append(value)
  }

  /// Writes a big-endian 16-bit integer.
  @inlinable
  public mutating func write(_ value: UInt16) {
    prepare(2)
    storage.append(UInt8(truncatingIfNeeded: value >> 8))
    storage.append(UInt8(truncatingIfNeeded: value))
  }

  /// Writes a big-endian 32-bit integer.
  @inlinable
  public mutating func write(_ value: UInt32) {
    write(UInt16(truncatingIfNeeded: value >> 16))
    write(UInt16(truncatingIfNeeded: value))
  }

  /// Writes a big-endian 64-bit integer.
  @inlinable
  public mutating func write(_ value: UInt64) {
    write(UInt32(truncatingIfNeeded: value >> 32))
    write(UInt32(truncatingIfNeeded: value))
  }

  /// Writes one value.
  @inlinable
  public mutating func write(_ value: some WireEncodable) { value.encode(into: &self) }

  /// Writes bytes without a length.
  @inlinable
  public mutating func writeBytes(_ bytes: [UInt8]) {
    prepare(bytes.count)
    storage.append(contentsOf: bytes)
  }

  /// Writes bytes without a length.
  public mutating func writeBytes(_ bytes: Span<UInt8>) {
    prepare(bytes.count)
    // The buffer is valid in the closure and only copied from.
    unsafe bytes.withUnsafeBufferPointer { unsafe storage.append(contentsOf: $0) }
  }

  /// Writes a length in the fewest bytes that hold it (RFC 9420 §2.1.2).
  @inlinable
  public mutating func writeLength(_ count: Int) {
    precondition(count >= 0 && count <= Self.maximumVectorByteCount, "a vector length has 30 bits")
    if count < 1 << 6 {
      write(UInt8(truncatingIfNeeded: count))
    } else if count < 1 << 14 {
      write(UInt16(truncatingIfNeeded: count) | 0x4000)
    } else {
      write(UInt32(truncatingIfNeeded: count) | 0x8000_0000)
    }
  }

  /// Writes a vector: the length, then the bytes.
  @inlinable
  public mutating func writeVector(_ bytes: [UInt8]) {
    writeLength(bytes.count)
    writeBytes(bytes)
  }

  /// Writes a vector: the length, then the bytes.
  public mutating func writeVector(_ bytes: Span<UInt8>) {
    writeLength(bytes.count)
    writeBytes(bytes)
  }

  /// Writes a vector whose content `body` produces.
  @inlinable
  public mutating func writeVector<Failure: Error>(_ body: (inout ByteWriter) throws(Failure) -> Void) throws(Failure) {
    // Most vectors are short: the content follows one byte kept for the length and moves only when that is too little.
    let start = storage.count
    write(0 as UInt8)
    try body(&self)
    let count = storage.count &- start &- 1
    if count < 1 << 6 {
      storage[start] = UInt8(truncatingIfNeeded: count)
    } else {
      var prefix = ByteWriter()
      prefix.writeLength(count)
      prepare(prefix.storage.count &- 1)
      storage.replaceSubrange(start...start, with: prefix.storage)
    }
  }

  /// Writes a vector filled with elements.
  @inlinable
  public mutating func writeList(_ elements: some Sequence<some WireEncodable>) {
    writeVector { (writer: inout ByteWriter) in
      for element in elements { element.encode(into: &writer) }
    }
  }

  /// Writes a presence byte, 0 or 1, and the value when it is there (RFC 9420 §2.1.1).
  @inlinable
  public mutating func writeOptional(_ value: (some WireEncodable)?) {
    if let value {
      write(1 as UInt8)
      value.encode(into: &self)
    } else {
      write(0 as UInt8)
    }
  }
}
