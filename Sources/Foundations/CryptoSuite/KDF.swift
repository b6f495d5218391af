/// HKDF (RFC 5869).
///
/// Written over HMAC because swift-crypto's own expansion costs four times as much for the one block that nearly every
/// MLS derivation needs, and leaves copies of the secrets behind.
public struct KDF: Sendable, Hashable {
  /// The hash below.
  public let hash: HashAlgorithm

  public init(_ hash: HashAlgorithm) { self.hash = hash }

  /// HKDF-Extract.
  public func extract(salt: Secret, ikm: Secret) -> Secret {
    // The pointers are valid in their closures and not kept.
    unsafe ikm.withRawBytes { ikm in unsafe extract(salt: salt, ikm: HashAlgorithm.Message(ikm)) }
  }

  /// HKDF-Expand to `count` bytes, at most 255 blocks of the hash.
  public func expand(_ secret: Secret, info: [UInt8], count: Int) -> Secret {
    // As above.
    unsafe info.withUnsafeBytes { unsafe expand(secret, info: $0, UnsafeRawBufferPointer(start: nil, count: 0), count: count) }
  }
}

// MARK: - Without copies

extension KDF {
  /// HKDF-Extract of input keying material in pieces.
  func extract(salt: Secret, ikm: HashAlgorithm.Message) -> Secret {
    // The pointers are valid in their closures and not kept.
    unsafe Secret(count: hash.byteCount) { output in
      unsafe salt.withRawBytes { salt in unsafe hash.hmac(key: salt, ikm, into: output) }
    }
  }

  /// HKDF-Expand with an info in two pieces.
  func expand(
    _ secret: Secret, info first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, count: Int
  ) -> Secret {
    precondition(count >= 0 && count <= 255 * hash.byteCount, "HKDF yields at most 255 blocks")
    let size = hash.byteCount
    let blockCount = (count + size - 1) / size
    // Whole blocks, of which the secret is the first bytes; behind them stands the counter. Each pointer is used for
    // what its count covers, and none is kept.
    return unsafe secret.withRawBytes { secret in
      unsafe withScratch(blockCount * size + 1) { scratch in
        for index in 0..<blockCount {
          unsafe scratch[blockCount * size] = UInt8(truncatingIfNeeded: index + 1)
          let counter = unsafe UnsafeRawBufferPointer(rebasing: scratch[(blockCount * size)...])
          let previous = index == 0 ? 0..<0 : (index - 1) * size..<index * size
          let message = unsafe HashAlgorithm.Message(
            UnsafeRawBufferPointer(rebasing: scratch[previous]), first, second, counter)
          unsafe hash.hmac(
            key: secret, message,
            into: UnsafeMutableRawBufferPointer(rebasing: scratch[index * size..<(index + 1) * size]))
        }
        // No more than the blocks that were filled.
        return unsafe Secret(copying: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
      }
    }
  }
}

/// A label put together in scratch memory.
@unsafe
struct LabelWriter {
  private let buffer: UnsafeMutableRawBufferPointer
  private var count = 0

  // Whoever makes one lends the memory for as long as it lives.
  init(_ buffer: UnsafeMutableRawBufferPointer) { unsafe self.buffer = buffer }

  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count]) }

  mutating func write(_ value: UInt8) {
    precondition(unsafe count < buffer.count, "the caller has made room for the label")
    // Inside the caller's memory, as was checked.
    unsafe buffer[count] = value
    unsafe count += 1
  }

  mutating func write(_ value: UInt16) {
    unsafe write(UInt8(truncatingIfNeeded: value >> 8))
    unsafe write(UInt8(truncatingIfNeeded: value))
  }

  // These go through the checked one above.
  mutating func write(_ text: String) {
    for byte in text.utf8 { unsafe write(byte) }
  }

  mutating func write(_ bytes: [UInt8]) {
    for byte in bytes { unsafe write(byte) }
  }

  /// The length of a vector (RFC 9420 §2.1.2).
  mutating func writeLength(_ length: Int) {
    precondition(length < 1 << 30, "a vector length has 30 bits")
    if length < 1 << 6 {
      unsafe write(UInt8(truncatingIfNeeded: length))
    } else if length < 1 << 14 {
      unsafe write(UInt16(truncatingIfNeeded: length) | 0x4000)
    } else {
      unsafe write(UInt16(truncatingIfNeeded: length >> 16) | 0x8000)
      unsafe write(UInt16(truncatingIfNeeded: length))
    }
  }
}
