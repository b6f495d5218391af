import NIOCore
import NIOEmbedded
import NIOWebSocket
import Synchronization
import Testing

@testable import MailboxClient

/// The client's stream handler in virtual time, without a network.
struct StreamHandlerTests {
  private func makeStream(
    limits: ClientLimits = ClientLimits(), _ body: (EmbeddedChannel, StreamHandler, ReadCounter) throws -> Void
  ) throws {
    let channel = EmbeddedChannel()
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let handler = StreamHandler(limits: limits)
    let counter = ReadCounter()
    try channel.pipeline.syncOperations.addHandlers([counter, handler])
    try body(channel, handler, counter)
    _ = try? channel.finish(acceptAlreadyClosed: true)
  }

  private func binary(_ bytes: [UInt8]) -> WebSocketFrame {
    WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: bytes))
  }

  @Test func `a ping is answered with its own bytes, masked`() throws {
    try makeStream { channel, _, _ in
      try channel.writeInbound(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer(bytes: [1, 2])))
      let pong = try #require(try channel.readOutbound(as: WebSocketFrame.self))
      #expect(pong.opcode == .pong)
      #expect(pong.maskKey != nil)
      #expect(pong.data == ByteBuffer(bytes: [1, 2]))
    }
  }

  @Test func `no more is read while enough waits, and reading goes on when it is taken`() throws {
    var limits = ClientLimits()
    limits.maximumWaitingByteCount = 10
    try makeStream(limits: limits) { channel, handler, counter in
      try channel.writeInbound(binary([UInt8](repeating: 1, count: 9)))
      let before = counter.count
      try channel.writeInbound(binary([2]))
      #expect(counter.count == before)
      let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
      handler.next(promise)
      #expect(try promise.futureResult.wait() == [UInt8](repeating: 1, count: 9))
      #expect(counter.count == before + 1)
    }
  }

  @Test func `silence ends the stream, unless it is our own reader that is late`() throws {
    var limits = ClientLimits()
    limits.maximumWaitingByteCount = 10
    try makeStream(limits: limits) { channel, handler, _ in
      try channel.writeInbound(binary([UInt8](repeating: 1, count: 10)))
      channel.embeddedEventLoop.advanceTime(by: .minutes(60))
      #expect(channel.isActive)
      let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
      handler.next(promise)
      #expect(try promise.futureResult.wait()?.count == 10)
    }
    try makeStream { channel, handler, _ in
      let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
      handler.next(promise)
      channel.close(promise: nil)
      channel.embeddedEventLoop.run()
      #expect(throws: ClientError.streamClosed) { try promise.futureResult.wait() }
    }
  }

  @Test func `masked, text and extended frames of a server are not taken`() throws {
    let frames = [
      WebSocketFrame(fin: true, opcode: .binary, maskKey: [1, 2, 3, 4], data: ByteBuffer(bytes: [1])),
      WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(bytes: [0x61])),
      WebSocketFrame(fin: true, rsv2: true, opcode: .binary, data: ByteBuffer(bytes: [1])),
    ]
    for frame in frames {
      try makeStream { channel, handler, _ in
        let promise = channel.eventLoop.makePromise(of: [UInt8]?.self)
        handler.next(promise)
        try channel.writeInbound(frame)
        channel.embeddedEventLoop.run()
        #expect(throws: ClientError.unacceptableReply) { try promise.futureResult.wait() }
      }
    }
  }
}

/// Counts how often more input is asked for.
private final class ReadCounter: ChannelOutboundHandler {
  typealias OutboundIn = WebSocketFrame

  private(set) var count = 0

  func read(context: ChannelHandlerContext) {
    count += 1
    context.read()
  }
}
