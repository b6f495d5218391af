import Crypto
import FoundationEssentials

/// Secret bytes: wiped when the last copy goes, compared in constant time, and never printed.
///
/// It has no `Codable` and its mirror is empty, so that neither a log nor a dump of a state shows content. The storage
/// is swift-crypto's, which keys its algorithms without another copy.
public struct Secret: Sendable {
  let key: SymmetricKey

  init(_ key: SymmetricKey) { self.key = key }

  init(_ shared: SharedSecret) { key = SymmetricKey(data: shared) }

  /// A secret of these bytes. The array passed in is not wiped: keep it short-lived.
  public init(_ bytes: [UInt8]) { key = SymmetricKey(data: bytes) }

  /// A fresh secret of `randomByteCount` bytes.
  public init(randomByteCount: Int, using random: any RandomSource = SystemRandom()) {
    var bytes = random.bytes(randomByteCount)
    self.init(bytes)
    wipe(&bytes)
  }

  /// A secret of `count` zero bytes, the RFC 9420 stand-in for an absent one.
  public static func zeros(_ count: Int) -> Secret { Secret([UInt8](repeating: 0, count: count)) }

  /// The length, in bytes.
  public var byteCount: Int { key.bitCount / 8 }

  /// Lends a copy of the bytes to `body` and wipes it afterwards; `body` must not keep it.
  public func withBytes<Result, Failure: Error>(
    _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var bytes = exposedBytes
    defer { wipe(&bytes) }
    return try body(bytes)
  }

  /// A plain copy of the bytes, for storing them sealed; nothing wipes it.
  public var exposedBytes: [UInt8] {
    // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
    @inline(never) get { unsafe key.withUnsafeBytes { unsafe [UInt8]($0) } }
  }
}

extension Secret: Equatable {
  /// Compares in time that depends on the lengths only.
  public static func == (left: Secret, right: Secret) -> Bool { left.key == right.key }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "Secret(\(byteCount) bytes)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Overwrites the array. Not inlined, so that the stores are not optimised away as dead.
@inline(never)
func wipe(_ bytes: inout [UInt8]) {
  for index in bytes.indices { bytes[index] = 0 }
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
@inline(never)
public func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in left.indices { difference |= left[index] ^ right[index] }
  return difference == 0
}
