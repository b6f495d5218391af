import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import MailboxClient

/// A client without a network: any bytes that a server sends, in any cuts, to one connection of calls or to one stream.
enum ClientTarget {
  enum Step: UInt8, CaseIterable {
    /// A connection for calls, in place of the one before.
    case dial
    /// A stream is asked for.
    case open
    /// A call of so many bytes.
    case call
    /// Bytes come in one read.
    case send
    /// A count, and bytes that come so many at a time.
    case dribble
    /// The server agrees to the stream.
    case agree
    /// The first byte of a frame, and its payload.
    case frame
    /// Somebody waits for the next message.
    case next
    /// The task that waits is cancelled.
    case cancel
    /// A message of the client's.
    case say
    /// The client ends the stream.
    case close
    /// Seconds pass.
    case wait
    /// The server stops reading, or goes on.
    case read
    /// The server goes.
    case leave
  }

  private static let maxStepCount = 40

  static func check(_ input: [UInt8]) throws(BrokenProperty) { _ = try run(input) }

  /// - Returns: how many replies and messages the client took.
  static func run(_ input: [UInt8]) throws(BrokenProperty) -> Int {
    let loop = EmbeddedEventLoop()
    var client: ClientSide?
    var count = 0
    do throws(BrokenProperty) {
      for (step, bytes) in Steps.read(input, of: Step.self, maxCount: maxStepCount) {
        switch step {
        case .dial, .open:
          count += try client?.finish() ?? 0
          client = try ClientSide(asStream: step == .open, loop: loop)
        default: client?.take(step, bytes)
        }
        try client?.settle()
      }
      return try count + (client?.finish() ?? 0)
    } catch {
      client?.abandon()
      throw error
    }
  }

  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    func step(_ step: Step, _ bytes: [UInt8] = []) -> [UInt8] { Steps.write(step, bytes) }
    func text(_ text: String) -> [UInt8] { Array(text.utf8) }
    let good = text("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")
    let call = step(.dial) + step(.call, [9])
    let stream = step(.open) + step(.agree)
    return [
      ("reply", call + step(.send, good) + step(.call, [0]) + step(.dribble, [4] + good)),
      ("chunked", call + step(.dribble, [5] + text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))),
      ("until-close", call + step(.send, text("HTTP/1.1 200 OK\r\n\r\nabc")) + step(.leave)),
      ("busy", call + step(.send, text("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n"))),
      ("continue", call + step(.send, text("HTTP/1.1 100 Continue\r\n\r\n") + good)), ("unasked", step(.dial) + step(.send, good)),
      ("two-answers", call + step(.send, good + good) + step(.call, [1])),
      (
        "too-large",
        call
          + (0..<3).flatMap { _ in
            step(.send, text("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n") + [UInt8](repeating: 1, count: 2_000))
          }
      ),
      ("silent", call + step(.wait, [31])), ("garbage", call + step(.send, [UInt8](0..<64))),
      ("switching", call + step(.send, text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"))),
      ("cut", call + step(.send, Array(good.prefix(20))) + step(.leave)),
      ("unread", step(.dial) + step(.read, [0]) + step(.call, [9]) + step(.leave)),
      ("stream", stream + step(.frame, [0x82, 1, 2]) + step(.next) + step(.next) + step(.frame, [0x82, 3]) + step(.say, [4])),
      ("greeting", step(.open) + step(.send, ClientSide.agreement + [0x82, 1, 5]) + step(.next)),
      ("fragments", stream + step(.next) + step(.frame, [0x02, 1]) + step(.frame, [0x89, 7]) + step(.frame, [0x80, 2])),
      (
        "no-reader",
        stream + (0..<6).flatMap { _ in step(.frame, [0x82] + [UInt8](repeating: 1, count: 900)) } + step(.wait, [200]) + step(.next)
      ),
      ("close", stream + step(.next) + step(.frame, [0x88, 0x03, 0xf1]) + step(.next)),
      ("closed-by-us", stream + step(.next) + step(.close) + step(.frame, [0x82, 1]) + step(.wait, [3])),
      ("cancelled", stream + step(.next) + step(.cancel) + step(.frame, [0x82, 1]) + step(.next)),
      ("masked", stream + step(.send, [0x82, 0x81, 1, 2, 3, 4, 5])), ("text-frame", stream + step(.frame, [0x81, 65])),
      ("huge-frame", stream + step(.send, [0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255])),
      ("stream-refused", step(.open) + step(.send, text("HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n"))),
      (
        "wrong-accept",
        step(.open) + step(.send, text(String(decoding: ClientSide.agreement, as: UTF8.self).replacing("s3pP", with: "AAAA")))
      ),
      ("stream-silent", stream + step(.next) + step(.wait, [95])),
      ("pings", stream + step(.send, (0..<30).flatMap { _ in [0x89, 1, 7] as [UInt8] })),
    ]
  }
}

/// One connection of a client, and what has to be true of it.
private final class ClientSide {
  /// The key and the answer to it that RFC 6455 §1.3 has as its example.
  private static let requestKey = "dGhlIHNhbXBsZSBub25jZQ=="
  static let agreement = Array(
    """
    HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: sotto.1\r\n\r\n
    """.utf8)

  private static let limits: ClientLimits = {
    var limits = ClientLimits()
    limits.maximumReplyByteCount = 4 << 10
    limits.maximumStreamMessageByteCount = 2 << 10
    limits.maximumWaitingByteCount = 2 << 10
    return limits
  }()

  private enum Kind {
    case calls(HTTPConnection)
    case stream
  }

  /// What came of something that was asked for, and how often.
  fileprivate final class Outcome {
    var count = 0
    var fault: String?
  }

  private let channel: EmbeddedChannel
  private let wire = NetworkWire()
  private let loop: EmbeddedEventLoop
  private let limits = ClientSide.limits
  private var calls: HTTPConnection?
  private var stream: StreamHandler?
  private var outcomes: [Outcome] = []
  private var callIsPending = false
  private var arriving = CircularBuffer<[UInt8]>()
  private var largestRead = 0
  private var spoken: [UInt8] = []
  private var hasSaidLast = false
  private var takenCount = 0

  init(asStream: Bool, loop: EmbeddedEventLoop) throws(BrokenProperty) {
    self.loop = loop
    channel = EmbeddedChannel(handler: wire, loop: loop)
    do {
      if asStream {
        let outcome = expect()
        try ServerStream.configure(channel, authority: "a", limits: limits, requestKey: Self.requestKey).assumeIsolated().whenComplete {
          result in
          outcome.count += 1
          switch result {
          case .success(.upgraded(let handler)): self.stream = handler.value
          case .success(.refused(let refusal)):
            let second = self.expect()
            refusal.assumeIsolated().whenComplete { _ in second.count += 1 }
          case .failure: self.channel.close(promise: nil)
          }
        }
      } else {
        calls = try HTTPConnection.configure(channel, limits: limits)
      }
      try channel.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 1)).wait()
    } catch { throw BrokenProperty("a connection cannot be made") }
  }

  private func expect() -> Outcome {
    let outcome = Outcome()
    outcomes.append(outcome)
    return outcome
  }

  func take(_ step: ClientTarget.Step, _ bytes: [UInt8]) {
    switch step {
    case .dial, .open: break
    case .call: call(byteCount: Int(bytes.first ?? 0) * 16)
    case .send: arrive(bytes)
    case .dribble:
      let size = Int(bytes.first ?? 0) % 64 + 1
      let rest = Array(bytes.dropFirst())
      for start in stride(from: 0, to: rest.count, by: size) { arrive(Array(rest[start...].prefix(size))) }
    case .agree: arrive(Self.agreement)
    case .frame: arrive(WebSocketBytes.frame(bytes.first ?? 0x82, Array(bytes.dropFirst()), isMasked: false))
    case .next: next()
    case .cancel: stream?.cancelReaders()
    case .say:
      guard let stream else { return }
      let outcome = expect()
      let promise = loop.makePromise(of: Void.self)
      promise.futureResult.assumeIsolated().whenComplete { outcome.take($0) }
      stream.send(bytes, promise: promise)
    case .close: stream?.close()
    case .wait: for _ in 0..<8 { loop.advanceTime(by: .milliseconds(Int64(bytes.first ?? 1) * 125)) }
    case .read:
      wire.peerReads = bytes.first ?? 0 != 0
      wire.letGo()
    case .leave: channel.close(promise: nil)
    }
  }

  private func arrive(_ bytes: [UInt8]) {
    if !bytes.isEmpty { arriving.append(bytes) }
  }

  private func call(byteCount: Int) {
    // Calls of one connection are made one after the other; one that is not kept alive is not used again.
    guard let calls, !callIsPending, channel.isActive else { return }
    callIsPending = true
    let outcome = expect()
    let promise = loop.makePromise(of: HTTPConnection.Reply.self)
    promise.futureResult.assumeIsolated().whenComplete { result in
      self.callIsPending = false
      outcome.take(result)
      guard case .success(let reply) = result else { return }
      self.takenCount += 1
      if reply.body.count > self.limits.maximumReplyByteCount { outcome.fault = "a reply is longer than replies may be" }
      if reply.head.status.code < 200 { outcome.fault = "what is no answer is taken for one" }
      if case .busy(let seconds?) = ClientError(refusal: reply.head), seconds < 0 { outcome.fault = "there is nothing to wait for" }
      if !reply.keepsAlive { self.channel.close(promise: nil) }
    }
    let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/v1/call", headers: ["content-length": String(byteCount)])
    calls.handler.value.start(head, body: [UInt8](repeating: 1, count: byteCount), promise: promise)
  }

  private func next() {
    guard let stream else { return }
    let outcome = expect()
    let promise = loop.makePromise(of: [UInt8]?.self)
    promise.futureResult.assumeIsolated().whenComplete { result in
      outcome.take(result)
      guard case .success(let message?) = result else { return }
      self.takenCount += 1
      if message.count > self.limits.maximumStreamMessageByteCount { outcome.fault = "a message is longer than messages may be" }
    }
    stream.next(promise)
  }

  /// Lets happen what can happen now, and looks at everything.
  func settle() throws(BrokenProperty) {
    while let next = arriving.first, wire.give(next, to: channel) {
      arriving.removeFirst()
      largestRead = max(largestRead, next.count)
      loop.run()
    }
    loop.run()
    if !channel.isActive { arriving.removeAll() }
    spoken += wire.takeTaken()
    if let stream {
      let bound = limits.maximumWaitingByteCount + limits.maximumStreamMessageByteCount + largestRead
      try BrokenProperty.unless(stream.waitingByteCount <= bound, "more waits for a reader than may: \(stream.waitingByteCount)")
      try checkSpeech()
    }
    for outcome in outcomes {
      try BrokenProperty.unless(outcome.count <= 1, "something has two outcomes")
      if let fault = outcome.fault { throw BrokenProperty(fault) }
    }
  }

  /// What the client says is what RFC 6455 wants of one.
  private func checkSpeech() throws(BrokenProperty) {
    let end: [UInt8] = [13, 10, 13, 10]
    if spoken.starts(with: Array("GET ".utf8)), let start = spoken.indices.first(where: { spoken[$0...].starts(with: end) }) {
      spoken.removeFirst(start + end.count)
    }
    while let (opcode, payload) = try WebSocketBytes.takeFrame(from: &spoken, masked: true) {
      try BrokenProperty.unless(!hasSaidLast, "something is said after the close frame")
      try BrokenProperty.unless([2, 8, 10].contains(opcode), "a frame is of a kind that the protocol does not know")
      try BrokenProperty.unless(opcode == 2 || payload.count <= 125, "a pong is too long")
      hasSaidLast = opcode == 8
    }
  }

  /// The connection ends: everything that was asked for has an outcome, and nothing is left.
  ///
  /// - Returns: how many replies and messages were taken.
  func finish() throws(BrokenProperty) -> Int {
    abandon()
    try settle()
    try BrokenProperty.unless(outcomes.allSatisfy { $0.count == 1 }, "something that was asked for has no outcome")
    return takenCount
  }

  func abandon() {
    channel.close(promise: nil)
    for _ in 0..<20 { loop.advanceTime(by: .seconds(30)) }
    stream = nil
    calls = nil
  }
}

extension ClientSide.Outcome {
  fileprivate func take<Value>(_ result: Result<Value, any Error>) {
    count += 1
    // Whoever asked reads these errors, and others as something that they did not mean.
    if case .failure(let error) = result, !(error is ClientError), !(error is ChannelError) { fault = "an error is of another kind" }
  }
}
