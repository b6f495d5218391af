import NIOCore
import NIOEmbedded
import Testing

@testable import MailboxServer

struct WriteGathererTests {
  private let channel = EmbeddedChannel(handler: WriteGatherer())

  private func write(_ bytes: [UInt8]) -> EventLoopFuture<Void> { channel.write(ByteBuffer(bytes: bytes)) }

  private func sent() throws -> [[UInt8]] {
    var buffers: [[UInt8]] = []
    while let buffer = try channel.readOutbound(as: ByteBuffer.self) { buffers.append(Array(buffer.readableBytesView)) }
    return buffers
  }

  @Test func `what is written before a flush leaves with it as one buffer, and each writer hears of it then`() throws {
    let writes = [write([1]), write([]), write([2, 3])]
    #expect(try sent() == [])
    channel.flush()
    #expect(try sent() == [[1, 2, 3]])
    for write in writes { try write.wait() }
    let last = write([4])
    channel.flush()
    #expect(try sent() == [[4]])
    try last.wait()
  }

  @Test func `an empty write is flushed, and its writer hears of it`() throws {
    let end = write([])
    channel.flush()
    try end.wait()
    #expect(try sent().joined().isEmpty)
  }

  @Test(arguments: [8_191, 8_192, 8_193])
  func `what is large leaves by itself, in its order`(byteCount: Int) throws {
    let large = [UInt8](repeating: 7, count: byteCount)
    let writes = [write([1]), write([2]), write(large), write([3])]
    channel.flush()
    let sent = try sent()
    #expect(Array(sent.joined()) == [1, 2] + large + [3])
    #expect(sent.first == [1, 2])
    #expect(sent.allSatisfy { $0.count <= max(8_192, byteCount) })
    for write in writes { try write.wait() }
  }

  @Test func `what was not flushed when the connection ends is lost, and its writers hear so`() throws {
    let writes = [write([1]), write([2])]
    try channel.close().wait()
    channel.embeddedEventLoop.run()
    for write in writes { #expect(throws: (any Error).self) { try write.wait() } }
  }
}
