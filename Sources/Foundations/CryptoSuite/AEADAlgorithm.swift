import Crypto
import FoundationEssentials
import WireFormat

/// An authenticated cipher with a 12-byte nonce and a 16-byte tag (RFC 5116, RFC 8439).
public enum AEADAlgorithm: Sendable, Hashable {
  case aes128GCM, aes256GCM, chaCha20Poly1305

  /// The key length, in bytes.
  public var keyByteCount: Int {
    switch self {
    case .aes128GCM: 16
    case .aes256GCM, .chaCha20Poly1305: 32
    }
  }

  /// The nonce length, in bytes.
  public var nonceByteCount: Int { 12 }

  /// How much longer a ciphertext is than its plaintext, in bytes.
  public var tagByteCount: Int { 16 }

  /// Encrypts and authenticates.
  ///
  /// - Returns: the ciphertext with the tag behind it.
  /// - Throws: `.invalidLength` for a key or nonce of a wrong length.
  public func seal(_ plaintext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    try seal(plaintext, key: key, nonce: Secret(nonce), aad: aad)
  }

  /// As ``seal(_:key:nonce:aad:)-([UInt8],_,[UInt8],_)``, under a nonce that was derived from a secret.
  ///
  /// - Throws: `.invalidLength` for a key or nonce of a wrong length.
  public func seal(_ plaintext: [UInt8], key: Secret, nonce: Secret, aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    // The pointers are valid in their closures and not kept.
    try unsafe withBytes(of: plaintext) { (plaintext) throws(CryptoError) in
      try unsafe seal(plaintext, key, nonce, aad)
    }
  }

  /// Encrypts and authenticates a secret.
  ///
  /// - Throws: `.invalidLength` for a key or nonce of a wrong length.
  public func seal(_ secret: Secret, key: Secret, nonce: Secret, aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    // As above.
    try unsafe secret.withRawBytes { (plaintext) throws(CryptoError) in
      try unsafe seal(plaintext, key, nonce, aad)
    }
  }

  /// Checks and decrypts what ``seal(_:key:nonce:aad:)`` made.
  ///
  /// - Throws: `.notAuthentic` when the tag does not match or is not all there, `.invalidLength` for a key or nonce of a
  ///   wrong length.
  public func open(_ ciphertext: [UInt8], key: Secret, nonce: [UInt8], aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    try open(ciphertext, key: key, nonce: Secret(nonce), aad: aad)
  }

  /// As ``open(_:key:nonce:aad:)-([UInt8],_,[UInt8],_)``, under a nonce that was derived from a secret.
  ///
  /// - Throws: `.notAuthentic` when the tag does not match or is not all there, `.invalidLength` for a key or nonce of a
  ///   wrong length.
  public func open(_ ciphertext: [UInt8], key: Secret, nonce: Secret, aad: [UInt8]) throws(CryptoError) -> [UInt8] {
    var plaintext = try plaintext(of: ciphertext, key, nonce, aad)
    defer { wipe(&plaintext) }
    return bytes(of: plaintext)
  }

  /// Checks and decrypts a secret, of which no other copy is left.
  ///
  /// - Throws: `.notAuthentic` when the tag does not match or is not all there, `.invalidLength` for a key or nonce of a
  ///   wrong length.
  public func openSecret(
    _ ciphertext: [UInt8], key: Secret, nonce: Secret, aad: [UInt8]
  ) throws(CryptoError) -> Secret {
    var plaintext = try plaintext(of: ciphertext, key, nonce, aad)
    defer { wipe(&plaintext) }
    return Secret(SymmetricKey(data: plaintext))
  }
}

// MARK: - Over swift-crypto

/// swift-crypto hands out `Data`, which it does not wipe. A `Data` that is held by nobody else is wiped in place: so the
/// functions here give up the boxes that they came from before they wipe them.
extension AEADAlgorithm {
  private func seal(
    _ plaintext: UnsafeRawBufferPointer, _ key: Secret, _ nonce: Secret, _ aad: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    try check(key: key, nonce: nonce)
    var combined = try erasingFreedBlock(byteCount: Self.contextByteCount) { () throws(CryptoError) in
      unsafe try sealed(plaintext, key, nonce, aad)
    }
    defer { wipe(&combined, prefix: nonceByteCount) }
    return bytes(of: combined, from: nonceByteCount)
  }

  /// The nonce, the ciphertext and the tag.
  private func sealed(
    _ plaintext: UnsafeRawBufferPointer, _ key: Secret, _ nonce: Secret, _ aad: [UInt8]
  ) throws(CryptoError) -> Data {
    do {
      // The pointers are valid in their closures and only copied from.
      switch self {
      case .aes128GCM, .aes256GCM:
        let nonce = try unsafe nonce.key.withUnsafeBytes { try unsafe AES.GCM.Nonce(data: $0) }
        let box = try unsafe AES.GCM.seal(plaintext, using: key.key, nonce: nonce, authenticating: aad)
        guard let combined = box.combined else { throw CryptoError.underlying }
        return combined
      case .chaCha20Poly1305:
        let nonce = try unsafe nonce.key.withUnsafeBytes { try unsafe ChaChaPoly.Nonce(data: $0) }
        return try unsafe ChaChaPoly.seal(plaintext, using: key.key, nonce: nonce, authenticating: aad).combined
      }
    } catch {
      throw .underlying
    }
  }

  private func plaintext(
    of ciphertext: [UInt8], _ key: Secret, _ nonce: Secret, _ aad: [UInt8]
  ) throws(CryptoError) -> Data {
    try check(key: key, nonce: nonce)
    guard ciphertext.count >= tagByteCount else { throw .notAuthentic }
    var combined: [UInt8] = []
    combined.reserveCapacity(nonceByteCount + ciphertext.count)
    // The pointer is valid in the closure and only copied from.
    unsafe nonce.withRawBytes { unsafe combined.append(contentsOf: $0) }
    combined += ciphertext
    defer { combined.wipe() }
    do {
      return try erasingFreedBlock(byteCount: Self.contextByteCount) {
        var opened = try opened(combined, key, aad)
        defer { wipe(&opened.combined, prefix: nonceByteCount) }
        return opened.plaintext
      }
    } catch {
      throw .notAuthentic
    }
  }

  /// The plaintext, and what the box was made of.
  private func opened(_ combined: [UInt8], _ key: Secret, _ aad: [UInt8]) throws -> (plaintext: Data, combined: Data) {
    switch self {
    case .aes128GCM, .aes256GCM:
      let box = try AES.GCM.SealedBox(combined: combined)
      return (try AES.GCM.open(box, using: key.key, authenticating: aad), box.combined ?? Data())
    case .chaCha20Poly1305:
      let box = try ChaChaPoly.SealedBox(combined: combined)
      return (try ChaChaPoly.open(box, using: key.key, authenticating: aad), box.combined)
    }
  }

  /// swift-crypto's context of a cipher: an object's header, a pointer, 560 bytes with the expanded key, a length.
  private static let contextByteCount = 16 + 8 + 560 + 8

  private func check(key: Secret, nonce: Secret) throws(CryptoError) {
    guard key.byteCount == keyByteCount else {
      throw .invalidLength(expected: keyByteCount, actual: key.byteCount)
    }
    guard nonce.byteCount == nonceByteCount else {
      throw .invalidLength(expected: nonceByteCount, actual: nonce.byteCount)
    }
  }

  private func wipe(_ data: inout Data, prefix count: Int? = nil) {
    // The pointer is valid in the closure and only written to.
    unsafe data.withUnsafeMutableBytes { unsafe UnsafeMutableRawBufferPointer(rebasing: $0.prefix(count ?? $0.count)).wipe() }
  }

  @inline(never)
  private func bytes(of data: Data, from start: Int = 0) -> [UInt8] {
    // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
    unsafe data.withUnsafeBytes { unsafe [UInt8]($0.dropFirst(start)) }
  }

  private func withBytes<Result, Failure: Error>(
    of bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // As above; the closure cannot throw typed errors.
    let result: Swift.Result<Result, Failure> = unsafe bytes.withUnsafeBytes { buffer in
      do throws(Failure) { return .success(try unsafe body(buffer)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
