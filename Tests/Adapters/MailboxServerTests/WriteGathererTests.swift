import NIOCore
import NIOEmbedded
import Testing

@testable import MailboxServer

struct WriteGathererTests {
  /// A channel with nothing but the handler, and what its writers hear.
  private final class Wire {
    let channel = EmbeddedChannel(handler: WriteGatherer())
    private(set) var doneCount = 0
    private(set) var failedCount = 0

    func write(_ bytes: [UInt8]) {
      channel.write(ByteBuffer(bytes: bytes)).assumeIsolated().whenComplete { result in
        switch result {
        case .success: self.doneCount += 1
        case .failure: self.failedCount += 1
        }
      }
    }

    func sent() throws -> [[UInt8]] {
      var buffers: [[UInt8]] = []
      while let buffer = try channel.readOutbound(as: ByteBuffer.self) { buffers.append(Array(buffer.readableBytesView)) }
      return buffers
    }
  }

  @Test func `what is written before a flush leaves with it as one buffer, and each writer hears of it then`() throws {
    let wire = Wire()
    for bytes in [[1], [], [2, 3]] as [[UInt8]] { wire.write(bytes) }
    #expect(try wire.sent() == [])
    #expect(wire.doneCount == 0)
    wire.channel.flush()
    #expect(try wire.sent() == [[1, 2, 3]])
    #expect(wire.doneCount == 3)
    wire.write([4])
    wire.channel.flush()
    #expect(try wire.sent() == [[4]])
    #expect(wire.doneCount == 4)
  }

  @Test func `an empty write is flushed, and its writer hears of it`() throws {
    let wire = Wire()
    wire.write([])
    wire.channel.flush()
    #expect(wire.doneCount == 1)
    #expect(try wire.sent().joined().isEmpty)
  }

  @Test(arguments: [8_191, 8_192, 8_193])
  func `what is large leaves by itself, in its order`(byteCount: Int) throws {
    let wire = Wire()
    let large = [UInt8](repeating: 7, count: byteCount)
    for bytes in [[1], [2], large, [3]] { wire.write(bytes) }
    wire.channel.flush()
    let sent = try wire.sent()
    #expect(Array(sent.joined()) == [1, 2] + large + [3])
    #expect(sent.first == [1, 2])
    #expect(sent.allSatisfy { $0.count <= max(8_192, byteCount) })
    #expect(wire.doneCount == 4)
  }

  @Test func `what was not flushed when the connection ends is lost, and its writers hear so`() throws {
    let wire = Wire()
    wire.write([1])
    wire.write([2])
    wire.channel.close(promise: nil)
    wire.channel.embeddedEventLoop.run()
    #expect(wire.failedCount == 2)
    #expect(wire.doneCount == 0)
  }
}
