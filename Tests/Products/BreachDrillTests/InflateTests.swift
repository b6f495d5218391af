import Foundation
import Testing

@testable import BreachDrill

/// Streams that zlib 1.3 made of the same 2,904 bytes: with codes of their own as zlib and as gzip, with the fixed codes, and stored.
private enum Streams {
  static let zlibDynamic = """
    78daa5d6414ec4300c05d03da7c8018814db499a1ca762524da4d2414c10707b860dcaeff2b31f7db9f6b3337b3f9a0beeb6b9d58df635dcb8aec3bd\
    b7b7b68ebbebe3def6edd97df671755b3f2efeb5f9bef9efdb877f590f1f5c3f1e3f7ada7f53844d913945d99438a7189b52e794487f519e63121ba3\
    698ec96c8c41350bdd60e84d6163320caab23105d4084d580222e6152b56444396081d12e315c2c484e75c4190f0a051b4647e33b0221ab516ec11cd\
    da14a756f96dc57b48cb8e285b69d9316245fc892ed023a5652785a9292d3b2de04869d919652b2d3b9f2aa2652fa71ed1b297d3d4f8938d8e8c965d\
    51b6d1b22bee9af1373be0fa1b7fb4035e24e3afb6e091b4c43f6da8db329f844f89d1bcc5f075b3f28ff71667470397f4f71fe007a9c5d27a
    """
  static let gzipDynamic = """
    1f8b0800000000000203a5d6414ec4300c05d03da7c8018814db499a1ca762524da4d2414c10707b860dcaeff2b31f7db9f6b3337b3f9a0beeb6b9d5\
    8df635dcb8aec3bdb7b7b68ebbebe3def6edd97df671755b3f2efeb5f9bef9efdb877f590f1f5c3f1e3f7ada7f53844d913945d99438a7189b52e794\
    487f519e63121ba3698ec96c8c41350bdd60e84d6163320caab23105d4084d580222e6152b56444396081d12e315c2c484e75c4190f0a051b4647e33\
    b0221ab516ec11cdda14a756f96dc57b48cb8e285b69d9316245fc892ed023a5652785a9292d3b2de04869d919652b2d3b9f2aa2652fa71ed1b297d3\
    d4f8938d8e8c965d51b6d1b22bee9af1373be0fa1b7fb4035e24e3afb6e091b4c43f6da8db329f844f89d1bcc5f075b3f28ff71667470397f4f71fe0\
    0792432bdd580b0000
    """
  static let zlibFixed = """
    7801cbc9cc4b553050c84f5348542849ad285128c9482c51284a2d484d2c2956c82c294ecd49d35128cf2cc95048cbcc4bd1cd4dd5cd4cd3adcc2fd5\
    4d4eccd33550c8cc032ae2ca01996248ae2986c8a618916b8a09b229c6e49a62896c8a09d93e324336c6945c638c4c918d3123d7186314d798931dc0\
    28616341ae316628116549ae311628a9c690ec246c68809a88c94fc546a82e223b211b9aa08490a131f9a91025c60cc94fce962829c890fc048d9aa2\
    0dcdc8cf19a82e223b511b59a08611d9c9dad80835d62cc9cfada8e521d929db0435651b919db24d4c505d447e116d8112464664a76c532394583322\
    3b659b9aa3a42323b253b6196aca36223b659ba1b988ec946d8e164664a76c73b45823bfc8464d47c664a76c4bd4946d4c76cab644cd6bc6e497d906\
    a8d9df98fc42db00b5443226bfd436442d248d4dc9afda5053b7b119f926a15625c664276f4363d4dacdd88282fa1635eec84ee086a6f0360000a9c5\
    d27a
    """
  static let zlibStored = """
    78010164009bff6c696e652030206f66206120746578742074686174207265706561747320697473656c662c20776974682066696e642d6d652d6966\
    2d796f752d63616e2d3020696e2069740a6c696e652031206f66206120746578742074686174207265706561747320c8642241
    """

  static let text = (0..<40).map { "line \($0) of a text that repeats itself, with find-me-if-you-can-\($0 * $0) in it\n" }.joined()

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}

@Suite struct InflateTests {
  private let search = CanarySearch([Canary("text", text: "find-me-if-you-can-1521")])

  @Test(arguments: [(Streams.zlibDynamic, 2), (Streams.gzipDynamic, 10), (Streams.zlibFixed, 2)])
  func `a stream comes out as it went in`(_ stream: String, _ header: Int) {
    let output = Inflate.decode(Streams.bytes(stream), from: header, limit: 10_000)
    #expect(output.bytes == Array(Streams.text.utf8))
    #expect(!output.isCut)
  }

  @Test func `a stored stream comes out as it went in`() {
    #expect(Inflate.decode(Streams.bytes(Streams.zlibStored), from: 2, limit: 10_000).bytes == Array(Streams.text.utf8.prefix(100)))
  }

  @Test func `a stream of any length gives the beginning of what went in`() {
    let stream = Streams.bytes(Streams.gzipDynamic)
    for count in 10..<stream.count - 8 {
      let output = Inflate.decode(Array(stream.prefix(count)), from: 10, limit: 10_000)
      #expect(output.isCut)
      #expect(Array(Streams.text.utf8).starts(with: output.bytes))
    }
    #expect(Inflate.decode(stream, from: 10, limit: 99).bytes.count <= 99)
  }

  @Test func `a stream with any bit flipped ends, and so do random bytes`() {
    let stream = Streams.bytes(Streams.zlibDynamic)
    for bit in 16..<stream.count * 8 {
      var flipped = stream
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(Inflate.decode(flipped, from: 2, limit: 10_000).bytes.count <= 10_000)
    }
    var state: UInt64 = 20_260_101
    for _ in 0..<2_000 {
      let bytes = (0..<64).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
      }
      #expect(Inflate.decode(bytes, from: 0, limit: 1_000).bytes.count <= 1_000)
    }
  }

  @Test(arguments: [(Streams.zlibDynamic, "zlib"), (Streams.gzipDynamic, "gzip"), (Streams.zlibFixed, "zlib")])
  func `a canary inside of a stream is found, wherever the stream begins, and not without looking inside`(_ stream: String, _ kind: String)
  {
    let compressed = Streams.bytes(stream)
    for start in [0, 1, 500] {
      let found = search.findings(in: [UInt8](repeating: 0x78, count: start) + compressed + [0, 0])
      #expect(search.words(for: found) == ["text (raw in \(kind))"])
      #expect(found.streamCount >= 1)
    }
    // The headers off: what is left says nothing in any form.
    #expect(search.findings(in: Array(compressed.dropFirst(kind == "gzip" ? 10 : 2))).isEmpty)
  }
}
