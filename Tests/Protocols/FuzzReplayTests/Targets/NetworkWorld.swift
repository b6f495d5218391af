import CryptoSuite
import Metering
import NIOCore
import NIOEmbedded
import NIOHTTP1
import SottoProtocol
import WireFormat

@testable import MailboxServer

/// A server's side of some connections, and what has to be true of them at any moment.
final class NetworkWorld {
  private let loop = EmbeddedEventLoop()
  private let executor = InlineExecutor()
  private let keys: MailboxTarget.Keys
  private let limits = NetworkWorld.limits
  private let control: AdmissionControl
  private let application: NetworkApplication
  private var connections: [NetworkConnection] = []
  private var current = 0
  private var applicationWorks = true

  /// Small, so that an input of a few hundred bytes runs into each.
  private static let limits: ServerLimits = {
    var limits = ServerLimits()
    limits.maximumConnectionCount = 6
    limits.maximumConnectionCountPerPeer = 4
    limits.newConnections = Allowance(burst: 8, perMinute: 30)
    limits.requests = Allowance(burst: 400, perMinute: 600)
    limits.failedStreams = Allowance(burst: 2, perMinute: 6)
    limits.streamFrames = Allowance(burst: 16, perMinute: 600)
    limits.maximumHeldByteCount = 32 << 10
    limits.maximumRequestByteCount = 4 << 10
    limits.maximumStreamMessageByteCount = 4 << 10
    limits.maximumHeaderByteCount = 1 << 10
    return limits
  }()

  init() throws(BrokenProperty) {
    guard let keys = try? MailboxTarget.Keys() else { throw BrokenProperty("a fixed key is refused") }
    let made = try executor.run { () async -> Result<MailboxTarget.Server, BrokenProperty> in
      do throws(BrokenProperty) { return .success(try await MailboxTarget.Server(keys)) } catch { return .failure(error) }
    }
    self.keys = keys
    application = NetworkApplication(engine: try made.get().engine, limits: limits)
    control = AdmissionControl(
      limits: limits, descriptorCount: 10_000, now: { [loop] in 1_000_000 + loop.now.uptimeNanoseconds / 1_000 })
  }

  // MARK: Steps

  func take(_ step: NetworkTarget.Step, _ bytes: [UInt8]) throws(BrokenProperty) {
    if step == .connect { return try connect(bytes.first ?? 0) }
    guard !connections.isEmpty else { return }
    let connection = connections[current]
    switch step {
    case .connect: break
    case .choose: current = Int(bytes.first ?? 0) % connections.count
    case .send: connection.arrive(bytes)
    case .dribble:
      let size = Int(bytes.first ?? 0) % 64 + 1
      let rest = Array(bytes.dropFirst())
      for start in stride(from: 0, to: rest.count, by: size) { connection.arrive(Array(rest[start...].prefix(size))) }
    case .call: connection.arrive(Array("POST /v1/call HTTP/1.1\r\ncontent-length: \(bytes.count)\r\n\r\n".utf8) + bytes)
    case .upgrade: connection.arrive(Array(Self.upgradeRequest.utf8))
    case .attach: if let message = connection.attachMessage() { connection.arriveMessage(message) }
    case .acknowledge: connection.arriveMessage(OwnerMessage.acknowledge(cursor: connection.speech.cursor).encoded)
    case .message: connection.arriveMessage(bytes)
    case .frame: connection.arrive(WebSocketBytes.frame(bytes.first ?? 0x82, Array(bytes.dropFirst()), isMasked: true))
    case .wait: try wait(seconds: Int(bytes.first ?? 1))
    case .read: connection.peerReads(bytes.first ?? 0 != 0)
    case .work: applicationWorks = bytes.first ?? 0 != 0
    case .leave: connection.channel.close(promise: nil)
    case .quiesce: connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
  }

  private static let upgradeRequest = """
    GET /v1/stream HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: sotto.1\r\n\r\n
    """

  private func connect(_ address: UInt8) throws(BrokenProperty) {
    guard connections.count < 12 else { return }
    let setup = MailboxChannel(
      application: application, control: control, tls: nil, observer: { _ in }, plaintextTap: nil, executor: executor)
    connections.append(try NetworkConnection(setup, from: address % 4, keys: keys, limits: limits, loop: loop))
    current = connections.count - 1
  }

  private func wait(seconds: Int) throws(BrokenProperty) {
    for _ in 0..<min(seconds, 8) {
      loop.advanceTime(by: .milliseconds(Int64(seconds) * 1_000 / Int64(min(seconds, 8))))
      try settle()
    }
  }

  // MARK: Properties

  /// Lets happen what can happen now, and looks at everything.
  func settle() throws(BrokenProperty) {
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for connection in connections where try connection.move() { hasMoved = true }
      if applicationWorks && executor.drain() { hasMoved = true }
      loop.run()
    }
    if let complaint = application.complaint { throw BrokenProperty(complaint) }
    let held = control.statistics.heldByteCount
    try BrokenProperty.unless((0...limits.maximumHeldByteCount / 2).contains(held), "more bytes are held than may be: \(held)")
    try BrokenProperty.unless(control.statistics.openConnectionCount <= limits.maximumConnectionCount, "there are too many connections")
    for connection in connections { try connection.check(applicationWorks: applicationWorks) }
  }

  /// Peers fall silent: the server ends every connection by itself, and nothing is left of any.
  ///
  /// - Returns: how many answers and stream messages the peers have read in all.
  func finish() throws(BrokenProperty) -> (answers: Int, messages: Int) {
    applicationWorks = true
    try settle()
    for _ in 0..<20 {
      loop.advanceTime(by: .seconds(30))
      try settle()
    }
    for connection in connections {
      try BrokenProperty.unless(!connection.channel.isActive, "a connection of a silent peer is not ended")
      try BrokenProperty.unless(connection.isOver, "a connection is ended and not over")
    }
    try BrokenProperty.unless(application.openSessionCount == 0, "a session does not hear of its end")
    let statistics = control.statistics
    try BrokenProperty.unless(statistics.heldByteCount == 0, "bytes stay counted that nobody holds: \(statistics.heldByteCount)")
    try BrokenProperty.unless(statistics.openConnectionCount == 0, "a connection stays counted that is closed")
    try BrokenProperty.unless(control.knownPeerCount == 0, "a peer is remembered that has gone")
    let read = connections.reduce((0, 0)) { ($0.0 + $1.speech.answerCount, $0.1 + $1.speech.messageCount) }
    let channels = connections.map { WeakChannel($0.channel) }
    for connection in connections { connection.end() }
    connections = []
    loop.run()
    try BrokenProperty.unless(channels.allSatisfy { $0.channel == nil }, "something keeps a connection that is over")
    return read
  }

  /// Something is wrong already: ends everything without looking.
  func abandon() {
    for connection in connections { connection.end() }
    executor.drain()
    for _ in 0..<20 { loop.advanceTime(by: .seconds(60)) }
  }
}

private struct WeakChannel {
  weak var channel: EmbeddedChannel?

  init(_ channel: EmbeddedChannel) { self.channel = channel }
}

/// One connection of a `NetworkWorld`, from its peer's side.
final class NetworkConnection {
  let channel: EmbeddedChannel
  private let wire = NetworkWire()
  private let twin: RequestTwin
  private let keys: MailboxTarget.Keys
  private let limits: ServerLimits
  private var arriving = CircularBuffer<[UInt8]>()
  private var largestRead = 0
  private(set) var speech: NetworkSpeech
  private(set) var isOver = false

  fileprivate init(
    _ setup: MailboxChannel, from address: UInt8, keys: MailboxTarget.Keys, limits: ServerLimits, loop: EmbeddedEventLoop
  ) throws(BrokenProperty) {
    channel = EmbeddedChannel(handler: wire, loop: loop)
    twin = RequestTwin(limits: limits, loop: loop)
    self.keys = keys
    self.limits = limits
    speech = NetworkSpeech(keys)
    do {
      channel.remoteAddress = try SocketAddress(ipAddress: "192.0.2.\(address)", port: 1)
      try setup.configure(channel).assumeIsolated().whenComplete { [weak self] _ in self?.isOver = true }
      try channel.connect(to: SocketAddress(ipAddress: "192.0.2.\(address)", port: 1)).wait()
    } catch { throw BrokenProperty("a connection cannot be made") }
  }

  func arrive(_ bytes: [UInt8]) {
    if !bytes.isEmpty { arriving.append(bytes) }
  }

  func arriveMessage(_ bytes: [UInt8]) { arrive(WebSocketBytes.frame(0x82, bytes, isMasked: true)) }

  func peerReads(_ reads: Bool) {
    wire.peerReads = reads
    wire.letGo()
  }

  func attachMessage() -> [UInt8]? {
    guard let (serverKey, nonce) = speech.hello else { return nil }
    let content = OwnerMessage.attachContent(serverKey: serverKey, nonce: nonce, mailbox: keys.mailbox)
    guard let bytes = try? keys.owner.sign(content), let signature = Signature64(bytes) else { return nil }
    return OwnerMessage.attach(mailbox: keys.mailbox, signature: signature).encoded
  }

  /// Gives the server the next bytes, if it wants them.
  func move() throws(BrokenProperty) -> Bool {
    defer { if !channel.isActive { arriving.removeAll() } }
    var hasMoved = false
    if let next = arriving.first, wire.give(next, to: channel) {
      arriving.removeFirst()
      largestRead = max(largestRead, next.count)
      if !speech.isStream { twin.take(next) }
      hasMoved = true
    }
    try speech.take(wire.takeTaken())
    return hasMoved
  }

  func check(applicationWorks: Bool) throws(BrokenProperty) {
    // Bodies and messages are counted by the server; heads are short, and pongs are no more than what was read.
    let bound = limits.maximumHeldByteCount / 2 + largestRead + 1_024
    try BrokenProperty.unless(wire.heldByteCount <= bound, "more waits for a peer than may: \(wire.heldByteCount)")
    guard !speech.isStream else { return }
    try BrokenProperty.unless(speech.answerCount <= twin.headCount + twin.faultCount, "there are more answers than requests")
    guard channel.isActive, applicationWorks, wire.peerReads, !speech.hasSaidLast, arriving.isEmpty else { return }
    try BrokenProperty.unless(twin.faultCount == 0, "what is no HTTP has no answer")
    try BrokenProperty.unless(speech.answerCount == twin.endCount, "a request has no answer")
  }

  func end() {
    channel.close(promise: nil)
    twin.end()
  }
}

/// Reads the same requests as the server, beside it, and counts them.
private final class RequestTwin {
  private final class Counter: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    var headCount = 0
    var endCount = 0
    var faultCount = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch Self.unwrapInboundIn(data) {
      case .head: headCount += 1
      case .body: break
      case .end: endCount += 1
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { faultCount = 1 }
  }

  private let channel: EmbeddedChannel
  private let counter = Counter()

  var headCount: Int { counter.headCount }
  var endCount: Int { counter.endCount }
  var faultCount: Int { counter.faultCount }

  init(limits: ServerLimits, loop: EmbeddedEventLoop) {
    var decoderLimits = NIOHTTPDecoderLimitConfiguration()
    decoderLimits.maxHeaderListSize = limits.maximumHeaderByteCount
    decoderLimits.maxHeaderFieldSize = limits.maximumHeaderByteCount
    let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoderLimits)
    channel = EmbeddedChannel(handlers: [ByteToMessageHandler(decoder), counter], loop: loop)
  }

  func take(_ bytes: [UInt8]) {
    channel.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
    channel.pipeline.fireChannelReadComplete()
  }

  func end() { channel.close(promise: nil) }
}
