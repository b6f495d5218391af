public import CryptoSuite

/// The offline key that outranks a person's devices, in the form that a person writes down (docs/protocol.md §5).
public struct RecoveryKey: Sendable {
  private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
  private static let seedByteCount = 32
  private static let checkByteCount = 2

  /// The Ed25519 key itself.
  public let signingKey: SigningKey

  public init(random: any RandomSource) throws(CryptoError) {
    signingKey = try SigningKey(.ed25519, privateKey: Secret(random.bytes(RecoveryKey.seedByteCount)))
  }

  /// Reads what `text` made; case, spaces and hyphens do not matter, and O, I and L are read as 0, 1 and 1.
  ///
  /// - Returns: nil when a character is wrong or missing.
  public init?(text: String) {
    var bytes: [UInt8] = []
    var buffer: UInt32 = 0
    var bits = 0
    for character in text.uppercased().utf8 where character != UInt8(ascii: " ") && character != UInt8(ascii: "-") {
      let meant: UInt8 =
        switch character {
        case UInt8(ascii: "O"): UInt8(ascii: "0")
        case UInt8(ascii: "I"), UInt8(ascii: "L"): UInt8(ascii: "1")
        default: character
        }
      guard let value = RecoveryKey.alphabet.firstIndex(of: meant) else { return nil }
      buffer = ((buffer << 5) | UInt32(value)) & 0xFFFF
      bits += 5
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
      }
    }
    guard bytes.count == RecoveryKey.seedByteCount + RecoveryKey.checkByteCount, buffer & ((1 << UInt32(bits)) - 1) == 0 else { return nil }
    let seed = Array(bytes.prefix(RecoveryKey.seedByteCount))
    guard HashAlgorithm.sha256.hash(seed).prefix(RecoveryKey.checkByteCount).elementsEqual(bytes.suffix(RecoveryKey.checkByteCount)),
      let key = try? SigningKey(.ed25519, privateKey: Secret(seed))
    else { return nil }
    signingKey = key
  }

  /// Eleven groups of five characters; shown once, and kept nowhere.
  public func revealedText() -> String {
    let seed = signingKey.privateBytes.exposedBytes
    let bytes = seed + HashAlgorithm.sha256.hash(seed).prefix(RecoveryKey.checkByteCount)
    var characters: [UInt8] = []
    var buffer: UInt32 = 0
    var bits = 0
    for byte in bytes {
      buffer = ((buffer << 8) | UInt32(byte)) & 0xFFFF
      bits += 8
      while bits >= 5 {
        bits -= 5
        characters.append(RecoveryKey.alphabet[Int((buffer >> UInt32(bits)) & 31)])
      }
    }
    if bits > 0 { characters.append(RecoveryKey.alphabet[Int((buffer << UInt32(5 - bits)) & 31)]) }
    var text = ""
    for (index, character) in characters.enumerated() {
      if index > 0, index % 5 == 0 { text += "-" }
      text.unicodeScalars.append(Unicode.Scalar(character))
    }
    return text
  }
}
