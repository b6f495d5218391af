import Foundation

/// A server's answer to a WebSocket upgrade (RFC 6455 §4.2.2), made by hand so that other bytes can follow in the same write.
enum UpgradeAnswer {
  /// The whole answer to a request with this text.
  static func answer(to request: String) -> [UInt8]? {
    let lines = request.components(separatedBy: "\r\n")
    guard let line = lines.first(where: { $0.lowercased().hasPrefix("sec-websocket-key:") }), let colon = line.firstIndex(of: ":") else {
      return nil
    }
    let key = line[colon...].dropFirst().trimmingCharacters(in: .whitespaces)
    let accept = Data(sha1(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))).base64EncodedString()
    return Array(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: \(accept)\r\nsec-websocket-protocol: sotto.1\r\n\r\n"
        .utf8)
  }

  /// An unmasked binary frame of less than 126 bytes (RFC 6455 §5.2).
  static func frame(_ message: [UInt8]) -> [UInt8] { [0x82, UInt8(message.count)] + message }

  /// SHA-1 (FIPS 180-4 §6.1), which RFC 6455 uses as a checksum.
  private static func sha1(_ message: [UInt8]) -> [UInt8] {
    var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var padded = message + [0x80]
    while padded.count % 64 != 56 { padded.append(0) }
    padded += stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: UInt64(message.count * 8) >> UInt64($0)) }
    func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
    for start in stride(from: 0, to: padded.count, by: 64) {
      var words = stride(from: start, to: start + 64, by: 4).map { padded[$0..<($0 + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
      for index in 16..<80 { words.append(rotate(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1)) }
      var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
      for index in 0..<80 {
        let (mix, constant): (UInt32, UInt32) =
          switch index {
          case 0..<20: ((b & c) | (~b & d), 0x5A82_7999)
          case 20..<40: (b ^ c ^ d, 0x6ED9_EBA1)
          case 40..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
          default: (b ^ c ^ d, 0xCA62_C1D6)
          }
        (a, b, c, d, e) = (rotate(a, 5) &+ mix &+ e &+ constant &+ words[index], a, rotate(b, 30), c, d)
      }
      for (index, word) in [a, b, c, d, e].enumerated() { state[index] = state[index] &+ word }
    }
    return state.flatMap { word in stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
  }
}
