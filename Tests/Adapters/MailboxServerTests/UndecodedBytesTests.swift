import TestSupport
import Testing

@testable import MailboxServer

struct UndecodedBytesTests {
  /// A frame decoder that knows only how long frames are.
  private struct Decoder {
    var buffered = 0
    /// The wire length and the payload of each frame that is still to come out.
    var frames: [(wire: Int, payload: Int)]

    mutating func take(_ byteCount: Int, _ out: (Int) -> Void) {
      buffered += byteCount
      while let next = frames.first, next.wire <= buffered {
        buffered -= next.wire
        frames.removeFirst()
        out(next.payload)
      }
    }
  }

  private func wire(_ payload: Int) -> Int { payload + 6 + (payload < 126 ? 0 : payload < 65_536 ? 2 : 8) }

  @Test func `however frames are cut, exactly what the decoder holds is counted, and the rest is given back`() {
    var random = SeededGenerator(for: #function)
    for _ in 0..<200 {
      let payloads = (0..<12).map { _ in
        [0, 1, 125, 126, 65_535, 65_536, Int.random(in: 0...70_000, using: &random)].randomElement(using: &random) ?? 0
      }
      var decoder = Decoder(frames: payloads.map { (wire($0), $0) })
      var left = payloads.reduce(0) { $0 + wire($1) }
      var undecoded = UndecodedBytes()
      var held = 0
      var payloadsHeld = 0
      while left > 0 {
        let count = min(left, Int.random(in: 1...20_000, using: &random))
        left -= count
        undecoded.came(count)
        held += count
        decoder.take(count) { payload in
          let (ours, rest) = undecoded.frameCame(payloadByteCount: payload)
          #expect(ours == payload)
          held -= rest
          payloadsHeld += ours
        }
        #expect(undecoded.count == decoder.buffered)
        #expect(held == undecoded.count + payloadsHeld)
      }
      #expect(undecoded.count == 0 && undecoded.end() == 0)
    }
  }

  @Test func `lengths that are longer than need be make it more, by no more than a read`() {
    var random = SeededGenerator(for: #function)
    for _ in 0..<200 {
      let payloads = (0..<30).map { _ in Int.random(in: 0...300, using: &random) }
      var decoder = Decoder(frames: payloads.map { ($0 + 14, $0) })
      var left = payloads.reduce(0) { $0 + $1 + 14 }
      var undecoded = UndecodedBytes()
      var largestRead = 0
      while left > 0 {
        let count = min(left, Int.random(in: 1...500, using: &random))
        left -= count
        largestRead = max(largestRead, count)
        undecoded.came(count)
        decoder.take(count) { _ = undecoded.frameCame(payloadByteCount: $0) }
        #expect((decoder.buffered...decoder.buffered + largestRead).contains(undecoded.count))
      }
    }
  }
}
