/// What a cryptographic operation refuses. Carries lengths at most, never keys, plaintexts or passwords.
public enum CryptoError: Error, Equatable, Sendable {
  /// A ciphertext, tag or MAC does not match its key, nonce and associated data.
  case notAuthentic
  /// Bytes that are no key of the algorithm.
  case invalidKey
  /// A signature that does not verify.
  case invalidSignature
  /// An algorithm this library does not offer, such as X448.
  case unsupported
  /// An input of a wrong length, in bytes.
  case invalidLength(expected: Int, actual: Int)
  /// The library below failed for a reason of its own, such as no memory.
  case underlying
}
