import Crypto

/// A SHA-256 hash of what comes piece by piece.
public struct RunningHash: Sendable {
  private var hash = SHA256()

  public init() {}

  /// Takes the next piece.
  public mutating func update(_ bytes: [UInt8]) { hash.update(data: bytes) }

  /// The digest of all pieces so far, 32 bytes; more may follow.
  public var digest: [UInt8] { Self.bytes(of: hash.finalize()) }

  @inline(never)
  private static func bytes(of digest: SHA256.Digest) -> [UInt8] {
    // Never inlined, for the reason given at `ByteReader.copy`. The pointer is valid in the closure and only copied from.
    unsafe digest.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}
