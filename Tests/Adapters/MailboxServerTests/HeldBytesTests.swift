import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOWebSocket
import Synchronization
import Testing

@testable import MailboxServer

/// Bytes stay counted for as long as somebody holds them, and no longer; in virtual time, without a network.
@Suite(.timeLimit(.minutes(10)))
struct HeldBytesTests {
  private func makeControl(_ limits: ServerLimits = ServerLimits()) -> AdmissionControl {
    AdmissionControl(limits: limits, descriptorCount: 1_000)
  }

  private func connect(_ control: AdmissionControl) async throws -> NIOAsyncTestingChannel {
    let channel = NIOAsyncTestingChannel()
    try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
    return channel
  }

  // MARK: Requests

  /// A call of five bytes that the application works on; its future completes when the connection is over.
  private func call(
    _ application: PausedApplication, _ control: AdmissionControl
  ) async throws -> (channel: NIOAsyncTestingChannel, finished: EventLoopFuture<Void>) {
    let channel = try await connect(control)
    let finished = try await channel.testingEventLoop.executeInContext {
      let pass = try #require(control.admit(nil))
      channel.closeFuture.assumeIsolated().whenComplete { _ in pass.leave() }
      let work = ConnectionWork(channel: channel)
      try channel.pipeline.syncOperations.addHandler(HTTPRequestHandler(application: application, pass: pass, work: work))
      return work.finished
    }
    let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/v1/call", headers: ["content-length": "5"])
    try await channel.writeInbound(HTTPServerRequestPart.head(head))
    try await channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(bytes: [1, 2, 3, 4, 5])))
    try await channel.writeInbound(HTTPServerRequestPart.end(nil))
    await application.hasBegun()
    return (channel, finished)
  }

  @Test func `a request stays counted until the application is done with it, though its peer has gone`() async throws {
    let (control, application) = (makeControl(), PausedApplication())
    let (channel, finished) = try await call(application, control)
    #expect(control.statistics.heldByteCount == 5)
    try await channel.close()
    await channel.testingEventLoop.run()
    #expect(control.statistics.openConnectionCount == 0)
    #expect(control.statistics.heldByteCount == 5)
    application.goOn()
    try await finished.get()
    #expect(control.statistics.heldByteCount == 0)
    #expect(control.knownPeerCount == 0)
  }

  @Test func `a request stays counted when its peer has heard that the answer takes too long`() async throws {
    let (control, application) = (makeControl(), PausedApplication())
    let (channel, finished) = try await call(application, control)
    await channel.testingEventLoop.advanceTime(by: .seconds(31))
    guard case .head(let head) = try await channel.waitForOutboundWrite(as: HTTPServerResponsePart.self) else { throw Unexpected() }
    #expect(head.status == .serviceUnavailable)
    #expect(control.statistics.heldByteCount == 5)
    application.goOn()
    try await channel.closeFuture.get()
    try await finished.get()
    #expect(control.statistics.heldByteCount == 0)
  }

  @Test func `who asks and does not take the answers makes nothing grow`() async throws {
    let control = makeControl()
    let channel = try await connect(control)
    try await channel.testingEventLoop.executeInContext {
      let gate = Gate()
      let pass = try #require(control.admit(nil))
      let handler = HTTPRequestHandler(application: EchoApplication(), pass: pass, work: ConnectionWork(channel: channel))
      try channel.pipeline.syncOperations.addHandlers([gate, handler])
      for _ in 0..<100 {
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/v1/health")
        channel.pipeline.fireChannelRead(HTTPServerRequestPart.head(head))
        channel.pipeline.fireChannelRead(HTTPServerRequestPart.end(nil))
      }
      #expect(gate.headCount == 1)
      gate.open()
      #expect(gate.headCount == 100)
    }
    try await channel.close()
  }

  @Test(arguments: [false, true])
  func `a long answer leaves a part at a time, and is counted until all of it has been taken`(shutsDown: Bool) async throws {
    let control = makeControl()
    let channel = try await connect(control)
    let body = ByteBuffer(bytes: [UInt8](repeating: 7, count: 150_000))
    let parts = try await channel.testingEventLoop.executeInContext {
      let gate = Gate()
      let pass = try #require(control.admit(nil))
      let handler = HTTPRequestHandler(application: EchoApplication(), pass: pass, work: ConnectionWork(channel: channel))
      try channel.pipeline.syncOperations.addHandlers([gate, handler])
      let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/v1/call", headers: ["content-length": "150000"])
      channel.pipeline.fireChannelRead(HTTPServerRequestPart.head(head))
      channel.pipeline.fireChannelRead(HTTPServerRequestPart.body(body))
      channel.pipeline.fireChannelRead(HTTPServerRequestPart.end(nil))
      return gate.parts.stream
    }
    var taken: [Int] = []
    for await count in parts {
      taken.append(count)
      // Who shuts the server down cuts nobody off in the middle.
      if shutsDown, taken.count == 1 {
        try await channel.testingEventLoop.executeInContext {
          channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
      }
      await channel.testingEventLoop.run()
      #expect(control.statistics.heldByteCount == 150_000)
      let written = try await channel.testingEventLoop.executeInContext {
        let gate = try channel.pipeline.syncOperations.handler(type: Gate.self)
        let byteCount = gate.bodyByteCount
        gate.letThrough()
        return byteCount
      }
      #expect(written == taken.reduce(0, +))
      if taken.reduce(0, +) == 150_000 { break }
    }
    #expect(taken == [65_536, 65_536, 18_928])
    #expect(control.statistics.heldByteCount == 0)
    if shutsDown { try await channel.closeFuture.get() } else { try await channel.close() }
  }

  // MARK: Streams

  /// A stream behind the guard and the decoder, whose greeting has been taken.
  private func openStream(
    _ application: any MailboxApplication, _ control: AdmissionControl
  ) async throws -> (channel: NIOAsyncTestingChannel, finished: EventLoopFuture<Void>) {
    let channel = try await connect(control)
    let finished = try await channel.testingEventLoop.executeInContext {
      let pass = try #require(control.admit(nil))
      channel.closeFuture.assumeIsolated().whenComplete { _ in pass.leave() }
      let work = ConnectionWork(channel: channel)
      let connectionGuard = ConnectionGuard(pass: pass)
      connectionGuard.streamBegan()
      try channel.pipeline.syncOperations.addHandlers([
        connectionGuard,
        ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: pass.limits.maximumStreamMessageByteCount)),
        StreamHandler(
          application: application, pass: pass, connectionGuard: connectionGuard, plaintextTap: nil, work: work, channel: channel),
      ])
      return work.finished
    }
    let greeting = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(greeting.data == ByteBuffer(bytes: EchoSession.greeting))
    return (channel, finished)
  }

  private func frame(_ first: UInt8, count: Int) -> [UInt8] {
    [first, 0x80 | 126, UInt8(count >> 8), UInt8(count & 255), 0, 0, 0, 0] + [UInt8](repeating: 1, count: count)
  }

  private func send(_ bytes: [UInt8], to channel: NIOAsyncTestingChannel) async throws {
    try await channel.testingEventLoop.executeInContext {
      channel.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
      channel.pipeline.fireChannelReadComplete()
    }
  }

  @Test func `parts of frames and fragments of messages are counted, and given back at the end`() async throws {
    let control = makeControl()
    let (channel, finished) = try await openStream(EchoApplication(), control)
    try await send(Array(frame(0x02, count: 300).prefix(100)), to: channel)
    #expect(control.statistics.heldByteCount == 100)
    try await send(Array(frame(0x02, count: 300).dropFirst(100)), to: channel)
    #expect(control.statistics.heldByteCount == 300)
    try await send(frame(0x00, count: 200), to: channel)
    #expect(control.statistics.heldByteCount == 500)
    try await send(frame(0x80, count: 200), to: channel)
    let echo = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(echo.data.readableBytes == 700)
    await channel.testingEventLoop.run()
    #expect(control.statistics.heldByteCount == 0)
    try await send(frame(0x02, count: 150) + frame(0x00, count: 150).prefix(50), to: channel)
    #expect(control.statistics.heldByteCount == 200)
    try await channel.close()
    try await finished.get()
    #expect(control.statistics.heldByteCount == 0)
  }

  @Test func `a stream that finds no room is told to come again, and drops what comes`() async throws {
    var limits = ServerLimits()
    limits.maximumHeldByteCount = 2_000
    let control = makeControl(limits)
    let (channel, finished) = try await openStream(EchoApplication(), control)
    // Of one peer no more than is still free.
    try await send(frame(0x02, count: 450), to: channel)
    try await send(frame(0x00, count: 450), to: channel)
    let close = try await channel.waitForOutboundWrite(as: WebSocketFrame.self)
    #expect(close.opcode == .connectionClose)
    #expect(close.data == ByteBuffer(bytes: [0x03, 0xf5]))
    #expect(control.statistics.refusedForMemoryCount == 1)
    try await finished.get()
    #expect(control.statistics.heldByteCount == 0)
  }

  @Test func `messages that wait, and the one that the application has, are counted`() async throws {
    let (control, application) = (makeControl(), PausedApplication())
    let (channel, finished) = try await openStream(application, control)
    for _ in 0..<3 { try await send(frame(0x82, count: 200), to: channel) }
    await application.hasBegun()
    #expect(control.statistics.heldByteCount == 600)
    try await channel.close()
    await channel.testingEventLoop.run()
    #expect(control.statistics.heldByteCount == 200)
    application.goOn()
    try await finished.get()
    #expect(control.statistics.heldByteCount == 0)
  }
}

private struct Unexpected: Error {}

/// Answers when it is told to.
private final class PausedApplication: MailboxApplication, StreamSession {
  private let begun = AsyncStream<Void>.makeStream()
  private let permitted = AsyncStream<Void>.makeStream()

  func hasBegun() async { _ = await begun.stream.first { _ in true } }

  func goOn() { permitted.continuation.yield() }

  private func wait() async {
    begun.continuation.yield()
    _ = await permitted.stream.first { _ in true }
  }

  func call(_ request: [UInt8]) async -> CallAnswer {
    await wait()
    return .reply([1])
  }

  func identityStatement() async -> [UInt8] { [] }
  func openStream() async -> any StreamSession { self }

  func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput] { [.proved, .send(EchoSession.greeting)] }

  func receive(_ message: [UInt8]) async -> [StreamOutput] {
    await wait()
    return []
  }

  func wake() async -> [StreamOutput] { [] }
  func closed() async {}
}

/// Lets nothing through until it is opened, as a socket whose peer does not read.
private final class Gate: ChannelOutboundHandler {
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private(set) var headCount = 0
  private(set) var bodyByteCount = 0
  /// The lengths of the parts of bodies.
  let parts = AsyncStream<Int>.makeStream()
  private var isOpen = false
  private var promises: [EventLoopPromise<Void>] = []

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch Self.unwrapOutboundIn(data) {
    case .head: headCount += 1
    case .body(let part):
      bodyByteCount += part.readableBytes
      parts.continuation.yield(part.readableBytes)
    case .end: break
    }
    guard let promise else { return }
    if isOpen { promise.succeed(()) } else { promises.append(promise) }
  }

  func open() {
    isOpen = true
    letThrough()
  }

  /// What has been written so far is taken.
  func letThrough() {
    // What is written in answer waits for the next time.
    let waiting = promises
    promises = []
    for promise in waiting { promise.succeed(()) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    for promise in promises { promise.fail(ChannelError.ioOnClosedChannel) }
  }
}
