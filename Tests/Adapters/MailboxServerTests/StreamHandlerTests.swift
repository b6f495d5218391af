import Metering
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Synchronization
import Testing

@testable import MailboxServer

/// The stream handler in virtual time, without a network.
struct StreamHandlerTests {
  /// A channel with the handler of one stream in it, whose greeting has been taken.
  private func makeStream(_ application: EchoApplication, limits: ServerLimits = ServerLimits()) async throws -> NIOAsyncTestingChannel {
    let channel = NIOAsyncTestingChannel()
    try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
    try await channel.testingEventLoop.executeInContext {
      let pass = try #require(AdmissionControl(limits: limits, descriptorCount: 1_000).admit(nil))
      let handler = StreamHandler(
        application: application, pass: pass, connectionGuard: ConnectionGuard(pass: pass), plaintextTap: nil,
        work: ConnectionWork(channel: channel), channel: channel)
      try channel.pipeline.syncOperations.addHandler(handler)
    }
    let greeting = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(greeting.data == ByteBuffer(bytes: EchoSession.greeting))
    return channel
  }

  private func masked(_ opcode: WebSocketOpcode, _ bytes: [UInt8] = []) -> WebSocketFrame {
    let mask: WebSocketMaskingKey = [1, 2, 3, 4]
    var data = ByteBuffer(bytes: bytes)
    data.webSocketMask(mask)
    return WebSocketFrame(fin: true, opcode: opcode, maskKey: mask, data: data)
  }

  @Test func `a peer that answers its pings stays, and is cut after two that it does not answer`() async throws {
    let application = EchoApplication()
    let channel = try await makeStream(application)
    for _ in 0..<10 {
      await channel.testingEventLoop.advanceTime(by: .seconds(30))
      let ping = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
      #expect(ping.opcode == .ping)
      try await channel.writeInbound(masked(.pong))
    }
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    #expect(channel.isActive)
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    try await channel.closeFuture.get()
  }

  @Test func `a message counts as a sign of life`() async throws {
    let channel = try await makeStream(EchoApplication())
    for _ in 0..<10 {
      await channel.testingEventLoop.advanceTime(by: .seconds(30))
      let ping = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
      #expect(ping.opcode == .ping)
      try await channel.writeInbound(masked(.binary, [7]))
      let echo = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
      #expect(echo.data == ByteBuffer(bytes: [7]))
    }
    #expect(channel.isActive)
    try await channel.close()
  }

  @Test func `a peer that does not take what is written is cut, without a ping in the way`() async throws {
    let channel = NIOAsyncTestingChannel()
    try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
    let held = Mutex<[WebSocketOpcode]>([])
    let (writes, written) = AsyncStream<Void>.makeStream()
    try await channel.testingEventLoop.executeInContext {
      let gate = ClosedGate { opcode in
        held.withLock { $0.append(opcode) }
        written.yield()
      }
      let pass = try #require(AdmissionControl(limits: ServerLimits(), descriptorCount: 1_000).admit(nil))
      let handler = StreamHandler(
        application: EchoApplication(), pass: pass, connectionGuard: ConnectionGuard(pass: pass), plaintextTap: nil,
        work: ConnectionWork(channel: channel), channel: channel)
      try channel.pipeline.syncOperations.addHandlers([gate, handler])
    }
    _ = await writes.first { _ in true }
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    #expect(channel.isActive)
    await channel.testingEventLoop.advanceTime(by: .seconds(30))
    try await channel.closeFuture.get()
    #expect(held.withLock { $0 } == [.binary])
  }

  @Test func `a stream that sends too many frames is read more slowly, and not cut`() async throws {
    var limits = ServerLimits()
    limits.streamFrames = Allowance(burst: 3, perMinute: 60_000_000)
    let channel = NIOAsyncTestingChannel()
    let reads = Mutex(0)
    try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
    try await channel.testingEventLoop.executeInContext { [limits] in
      let control = AdmissionControl(limits: limits, descriptorCount: 1_000)
      let pass = try #require(control.admit(nil))
      try channel.pipeline.syncOperations.addHandlers([
        ReadCounter { reads.withLock { $0 += 1 } },
        StreamHandler(
          application: EchoApplication(), pass: pass, connectionGuard: ConnectionGuard(pass: pass), plaintextTap: nil,
          work: ConnectionWork(channel: channel), channel: channel),
      ])
    }
    _ = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    for _ in 0..<3 { try await channel.writeInbound(masked(.pong)) }
    let before = reads.withLock { $0 }
    #expect(before > 0)
    // The pace is measured by a real clock: a burst that comes back in microseconds has the delayed read follow by itself.
    try await channel.writeInbound(masked(.pong))
    await channel.testingEventLoop.advanceTime(by: .seconds(1))
    #expect(reads.withLock { $0 } > before)
    #expect(channel.isActive)
  }

  @Test func `one answer serves for all pings of a read`() async throws {
    let channel = try await makeStream(EchoApplication())
    let pings = (0..<3).map { masked(.ping, [UInt8($0)]) }
    try await channel.testingEventLoop.executeInContext {
      for ping in pings { channel.pipeline.fireChannelRead(ping) }
      channel.pipeline.fireChannelReadComplete()
    }
    let pong = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(pong.opcode == .pong)
    #expect(pong.data == ByteBuffer(bytes: [2]))
    try await channel.writeInbound(masked(.binary, [7]))
    #expect(try await channel.waitForOutboundWrite(as: WebSocketFrame.self).opcode == .binary)
    try await channel.close()
  }

  @Test func `closing hears of no end twice`() async throws {
    let application = EchoApplication()
    let channel = try await makeStream(application)
    try await channel.writeInbound(masked(.connectionClose))
    let close = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(close.opcode == .connectionClose)
    try await channel.closeFuture.get()
    await channel.testingEventLoop.advanceTime(by: .seconds(300))
  }
}

private final class ReadCounter: ChannelOutboundHandler {
  typealias OutboundIn = WebSocketFrame

  private let note: () -> Void

  init(_ note: @escaping () -> Void) {
    self.note = note
  }

  func read(context: ChannelHandlerContext) {
    note()
    context.read()
  }
}

/// Notes frames and never lets them through, as a socket whose peer does not read.
private final class ClosedGate: ChannelOutboundHandler {
  typealias OutboundIn = WebSocketFrame

  private let note: (WebSocketOpcode) -> Void
  private var promises: [EventLoopPromise<Void>] = []

  init(_ note: @escaping (WebSocketOpcode) -> Void) {
    self.note = note
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    note(Self.unwrapOutboundIn(data).opcode)
    if let promise {
      promises.append(promise)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    for promise in promises {
      promise.fail(ChannelError.ioOnClosedChannel)
    }
  }
}
