import Crypto
import WireFormat

/// swift-crypto 4.5.2 keeps an X-Wing key in an object of its own, the seed and the expanded keys in the clear, and frees
/// it as it is (docs/decisions/0009). So the object is overwritten before it goes.
///
/// This looks into the object of another module. It does so only where that is what is known here: the class of this
/// name with one stored property, which is BoringSSL's `XWING_private_key`; a test holds its size. Anywhere else, CryptoKit
/// among it, nothing is touched.
extension XWingMLKEM768X25519.PrivateKey {
  /// Overwrites the key, which is not used any more.
  func wipe() {
    guard let object = backing else { return }
    // The object is alive until the end of this scope, nobody else uses it, and it is as long as this.
    withExtendedLifetime(object) {
      let start = unsafe Unmanaged.passUnretained(object).toOpaque() + Self.headerByteCount
      unsafe UnsafeMutableRawBufferPointer(start: start, count: Self.contentByteCount).wipe()
    }
  }

  /// The object that holds the key, if it is the one that is known.
  var backing: AnyObject? {
    guard let known = Self.knownClass else { return nil }
    // A struct of structs around one reference, as was found for all keys.
    let object = unsafe unsafeBitCast(self, to: AnyObject.self)
    return ObjectIdentifier(type(of: object)) == known ? object : nil
  }

  /// What stands before the properties of every Swift object: its type and its reference count.
  static let headerByteCount = 16
  /// `XWING_private_key`: ML-KEM-768 expanded, its seeds and hashes, the X25519 key and the seed.
  static let contentByteCount = 512 * (3 + 3 + 9) + 5 * 32

  /// Looked for once, with a key that is used for nothing.
  private static let knownClass: ObjectIdentifier? = {
    #if canImport(CryptoKit)
      return nil
    #else
      guard MemoryLayout<Self>.size == MemoryLayout<AnyObject>.size, let sample = try? Self.generate() else { return nil }
      // As above; in swift-crypto, what is as long as a reference is one.
      let type: AnyClass = type(of: unsafe unsafeBitCast(sample, to: AnyObject.self))
      guard String(reflecting: type) == "Crypto.OpenSSLXWingPrivateKeyImpl.Backing",
        Mirror(reflecting: unsafe unsafeBitCast(sample, to: AnyObject.self)).children.count == 1
      else { return nil }
      return ObjectIdentifier(type)
    #endif
  }()
}
