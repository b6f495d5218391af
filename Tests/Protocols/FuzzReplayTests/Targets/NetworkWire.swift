import MailboxServer
import NIOCore
import NIOEmbedded
import NIOHTTP1

/// The network side's bounds, under a name that does not collide with the engine's.
typealias NetworkLimits = ServerLimits

/// The socket of a connection as its pipeline sees it: it gives bytes only when they are asked for, and takes them only
/// while the peer reads.
final class NetworkWire: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private struct Written {
    var bytes: ByteBuffer
    var promise: EventLoopPromise<Void>?
  }

  /// Whether the peer reads.
  var peerReads = true
  private var readIsWanted = false
  private var written = CircularBuffer<Written>()
  private var flushedCount = 0
  private var taken: [UInt8] = []
  /// Bytes that were written and that the peer has not taken.
  private(set) var heldByteCount = 0
  private var isClosed = false

  func read(context: ChannelHandlerContext) {
    readIsWanted = true
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !isClosed else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    let bytes = Self.unwrapOutboundIn(data)
    heldByteCount += bytes.readableBytes
    written.append(Written(bytes: bytes, promise: promise))
  }

  func flush(context: ChannelHandlerContext) {
    flushedCount = written.count
    letGo()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    dropWritten()
    context.close(mode: mode, promise: promise)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    dropWritten()
  }

  /// Lets the peer take what it will.
  func letGo() {
    while peerReads, flushedCount > 0, let next = written.popFirst() {
      flushedCount -= 1
      heldByteCount -= next.bytes.readableBytes
      taken.append(contentsOf: next.bytes.readableBytesView)
      next.promise?.succeed(())
    }
  }

  /// What the peer has read since the last time.
  func takeTaken() -> [UInt8] {
    defer { taken = [] }
    return taken
  }

  /// Gives the pipeline bytes, if it wants some.
  func give(_ bytes: [UInt8], to channel: EmbeddedChannel) -> Bool {
    guard channel.isActive, readIsWanted || channel.readsByItself else { return false }
    readIsWanted = false
    channel.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
    channel.pipeline.fireChannelReadComplete()
    return true
  }

  private func dropWritten() {
    isClosed = true
    while let next = written.popFirst() {
      heldByteCount -= next.bytes.readableBytes
      next.promise?.fail(ChannelError.ioOnClosedChannel)
    }
  }
}

extension EmbeddedChannel {
  fileprivate var readsByItself: Bool {
    for (option, value) in options where option is ChannelOptions.Types.AutoReadOption { return value as? Bool ?? true }
    return true
  }
}

/// Frames of RFC 6455, for the side that is tested to read.
enum WebSocketBytes {
  /// - Parameters:
  ///   - first: the first byte: flags and opcode.
  ///   - isMasked: whether it is a client's.
  static func frame(_ first: UInt8, _ payload: [UInt8], isMasked: Bool) -> [UInt8] {
    let mask: UInt8 = isMasked ? 0x80 : 0
    var bytes = [first]
    switch payload.count {
    case ..<126: bytes.append(mask | UInt8(payload.count))
    case ..<65_536: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    default: bytes += [mask | 127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
    }
    guard isMasked else { return bytes + payload }
    let key: [UInt8] = [1, 2, 3, 4]
    return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
  }

  /// Takes one whole frame from the start of `bytes`; nil when there is none yet.
  static func takeFrame(from bytes: inout [UInt8], masked: Bool) throws(BrokenProperty) -> (opcode: UInt8, payload: [UInt8])? {
    guard bytes.count >= 2 else { return nil }
    try BrokenProperty.unless(bytes[0] & 0xf0 == 0x80, "a frame is in pieces, or has reserved bits")
    try BrokenProperty.unless((bytes[1] & 0x80 != 0) == masked, "a frame is masked that must not be, or the other way round")
    var header = 2
    var count = Int(bytes[1] & 0x7f)
    let lengthByteCount = count == 126 ? 2 : count == 127 ? 8 : 0
    if lengthByteCount > 0 {
      guard bytes.count >= 2 + lengthByteCount else { return nil }
      count = bytes[2..<2 + lengthByteCount].reduce(0) { $0 << 8 | Int($1) }
      header += lengthByteCount
    }
    let key = masked ? 4 : 0
    guard bytes.count >= header + key + count else { return nil }
    var payload = Array(bytes[(header + key)..<(header + key + count)])
    if masked { for index in payload.indices { payload[index] ^= bytes[header + index % 4] } }
    let opcode = bytes[0] & 0x0f
    bytes.removeFirst(header + key + count)
    return (opcode, payload)
  }
}
