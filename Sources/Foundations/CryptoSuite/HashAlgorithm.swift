import Crypto
import FoundationEssentials

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
    switch self {
    case .sha256: bytes(of: HMAC<SHA256>.authenticationCode(for: data, using: key.key))
    case .sha384: bytes(of: HMAC<SHA384>.authenticationCode(for: data, using: key.key))
    case .sha512: bytes(of: HMAC<SHA512>.authenticationCode(for: data, using: key.key))
    }
  }

  /// Whether `mac` is the HMAC of `data` under `key`; compared in constant time, with its length.
  public func isValidHMAC(_ mac: [UInt8], key: Secret, _ data: [UInt8]) -> Bool {
    constantTimeEquals(mac, hmac(key: key, data))
  }
}

@inline(never)
private func bytes(of digest: some Digest) -> [UInt8] {
  // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
  unsafe digest.withUnsafeBytes { unsafe [UInt8]($0) }
}

@inline(never)
private func bytes(of code: some MessageAuthenticationCode) -> [UInt8] {
  // As above.
  unsafe code.withUnsafeBytes { unsafe [UInt8]($0) }
}
