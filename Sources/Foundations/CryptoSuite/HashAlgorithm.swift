import Crypto
import FoundationEssentials
import WireFormat

/// A SHA-2 hash function (FIPS 180-4) and the HMAC over it (RFC 2104).
public enum HashAlgorithm: Sendable, Hashable {
  case sha256, sha384, sha512

  /// The length of a digest and of a MAC, in bytes.
  public var byteCount: Int {
    switch self {
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }

  /// The digest of `data`.
  public func hash(_ data: [UInt8]) -> [UInt8] {
    switch self {
    case .sha256: bytes(of: SHA256.hash(data: data))
    case .sha384: bytes(of: SHA384.hash(data: data))
    case .sha512: bytes(of: SHA512.hash(data: data))
    }
  }

  /// The HMAC of `data` under a key that is no secret by itself, such as a salt.
  public func hmac(key: [UInt8], _ data: [UInt8]) -> [UInt8] { hmac(key: Secret(key), data) }

  /// The HMAC of `data` under `key`.
  public func hmac(key: Secret, _ data: [UInt8]) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: byteCount)
    // The pointers are valid in their closures and not kept.
    unsafe code.withUnsafeMutableBytes { code in
      unsafe data.withUnsafeBytes { data in
        unsafe key.withRawBytes { key in unsafe hmac(key: key, Message(data), into: code) }
      }
    }
    return code
  }

  /// Whether `mac` is the HMAC of `data` under `key`; compared in constant time, with its length.
  public func isValidHMAC(_ mac: [UInt8], key: Secret, _ data: [UInt8]) -> Bool {
    constantTimeEquals(mac, hmac(key: key, data))
  }
}

// MARK: - HMAC without copies

extension HashAlgorithm {
  /// A message in up to four pieces, lent by the caller.
  @unsafe
  struct Message {
    var pieces: (UnsafeRawBufferPointer?, UnsafeRawBufferPointer?, UnsafeRawBufferPointer?, UnsafeRawBufferPointer?)

    init(
      _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer? = nil,
      _ third: UnsafeRawBufferPointer? = nil, _ fourth: UnsafeRawBufferPointer? = nil
    ) {
      unsafe pieces = unsafe (first, second, third, fourth)
    }
  }

  /// Writes the HMAC of `message` under `key`. Written here over the hash function because swift-crypto's own makes
  /// arrays of the padded key and wipes none of them.
  ///
  /// - Parameter output: as long as a digest.
  func hmac(key: UnsafeRawBufferPointer, _ message: Message, into output: UnsafeMutableRawBufferPointer) {
    switch self {
    case .sha256: unsafe hmac(SHA256.self, key: key, message, into: output)
    case .sha384: unsafe hmac(SHA384.self, key: key, message, into: output)
    case .sha512: unsafe hmac(SHA512.self, key: key, message, into: output)
    }
  }

  private func hmac<Hash: HashFunction>(
    _: Hash.Type, key: UnsafeRawBufferPointer, _ message: Message, into output: UnsafeMutableRawBufferPointer
  ) {
    let blockByteCount = Hash.blockByteCount
    // All pointers are the caller's or this scratch memory; each is used for what its count covers and not kept.
    unsafe withScratch(blockByteCount + byteCount) { scratch in
      let block = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<blockByteCount])
      unsafe block.initializeMemory(as: UInt8.self, repeating: 0)
      if key.count > blockByteCount {
        var hash = Hash()
        unsafe hash.update(bufferPointer: key)
        unsafe finish(hash, into: UnsafeMutableRawBufferPointer(rebasing: block[..<byteCount]))
      } else {
        unsafe block.copyMemory(from: key)
      }
      // The block is inside the scratch memory; the pieces are the caller's.
      for index in 0..<blockByteCount { unsafe block[index] ^= 0x36 }
      var inner = Hash()
      unsafe inner.update(bufferPointer: UnsafeRawBufferPointer(block))
      if let piece = unsafe message.pieces.0 { unsafe inner.update(bufferPointer: piece) }
      if let piece = unsafe message.pieces.1 { unsafe inner.update(bufferPointer: piece) }
      if let piece = unsafe message.pieces.2 { unsafe inner.update(bufferPointer: piece) }
      if let piece = unsafe message.pieces.3 { unsafe inner.update(bufferPointer: piece) }
      unsafe finish(inner, into: UnsafeMutableRawBufferPointer(rebasing: scratch[blockByteCount...]))
      // Still the scratch memory and the caller's output.
      for index in 0..<blockByteCount { unsafe block[index] ^= 0x36 ^ 0x5c }
      var outer = Hash()
      unsafe outer.update(bufferPointer: UnsafeRawBufferPointer(scratch))
      unsafe finish(outer, into: output)
    }
  }

  private func finish(_ hash: some HashFunction, into output: UnsafeMutableRawBufferPointer) {
    var digest = hash.finalize()
    // The pointers are valid in their closures and only copied from.
    unsafe digest.withUnsafeBytes { unsafe output.copyMemory(from: $0) }
    unsafe withUnsafeMutableBytes(of: &digest) { unsafe $0.wipe() }
  }
}

@inline(never)
private func bytes(of digest: some Digest) -> [UInt8] {
  // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
  unsafe digest.withUnsafeBytes { unsafe [UInt8]($0) }
}
