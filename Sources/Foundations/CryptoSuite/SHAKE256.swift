import WireFormat

/// SHAKE256 (FIPS 202 §6.2), needed for X-Wing's key derivation and not offered by swift-crypto.
enum SHAKE256 {
  /// Bytes absorbed or squeezed for each permutation.
  private static let rate = 136

  /// The first `count` bytes of the output for `secret` with `suffix` behind it.
  static func hash(_ secret: Secret, before suffix: [UInt8], count: Int) -> Secret {
    let inputCount = secret.byteCount + suffix.count
    let paddedCount = (inputCount / rate + 1) * rate
    // Scratch memory of this size, wiped afterwards; each index lies within it.
    return unsafe withScratch(paddedCount) { padded in
      unsafe padded.initializeMemory(as: UInt8.self, repeating: 0)
      unsafe secret.withRawBytes { unsafe padded.copyMemory(from: $0) }
      for index in suffix.indices { unsafe padded[secret.byteCount + index] = suffix[index] }
      unsafe padded[inputCount] = 0x1f
      unsafe padded[paddedCount - 1] |= 0x80

      var state = Lanes(repeating: 0)
      defer { wipe(&state) }
      for block in stride(from: 0, to: paddedCount, by: rate) {
        for index in 0..<rate {
          state[index / 8] ^= unsafe UInt64(padded[block + index]) << UInt64(index % 8 * 8)
        }
        permute(&state)
      }
      // The output has `count` bytes.
      return unsafe Secret(count: count) { output in
        for index in 0..<count {
          if index > 0, index % rate == 0 { permute(&state) }
          unsafe output[index] = UInt8(truncatingIfNeeded: state[index % rate / 8] >> UInt64(index % 8 * 8))
        }
      }
    }
  }

  private typealias Lanes = InlineArray<25, UInt64>

  private static func wipe(_ lanes: inout Lanes) {
    var span = lanes.mutableSpan
    // The span's own memory, only written to.
    unsafe span.withUnsafeMutableBytes { unsafe $0.wipe() }
  }

  /// Keccak-f[1600] (FIPS 202 §3.3): lane (x, y) is `state[x + 5 * y]`.
  private static func permute(_ state: inout Lanes) {
    var column = InlineArray<5, UInt64>(repeating: 0)
    var moved = Lanes(repeating: 0)
    defer { wipe(&moved) }
    for constant in roundConstants {
      for x in 0..<5 {
        column[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
      }
      for x in 0..<5 {
        let mix = column[(x + 4) % 5] ^ rotate(column[(x + 1) % 5], by: 1)
        for y in 0..<5 { state[x + 5 * y] ^= mix }
      }
      for x in 0..<5 {
        for y in 0..<5 {
          let lane = x + 5 * y
          moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(state[lane], by: rotations[lane])
        }
      }
      for y in 0..<5 {
        for x in 0..<5 {
          state[x + 5 * y] = moved[x + 5 * y] ^ (~moved[(x + 1) % 5 + 5 * y] & moved[(x + 2) % 5 + 5 * y])
        }
      }
      state[0] ^= constant
    }
  }

  private static func rotate(_ lane: UInt64, by count: UInt64) -> UInt64 {
    count == 0 ? lane : lane << count | lane >> (64 - count)
  }

  /// FIPS 202 table 2, modulo 64, in the order of the lanes.
  private static let rotations: [UInt64] = [
    0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
  ]

  private static let roundConstants: [UInt64] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
    0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
    0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
    0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
    0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
  ]
}
