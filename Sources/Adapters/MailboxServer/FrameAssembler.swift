import NIOCore
import NIOWebSocket

/// Turns the frames of a WebSocket peer into whole binary messages and control frames (RFC 6455 §5), and refuses
/// whatever this protocol has no use for: text, unmasked or extended frames, and fragments without measure.
struct FrameAssembler {
  enum Event: Equatable {
    /// More fragments must come.
    case incomplete
    case message([UInt8])
    case ping(ByteBuffer)
    case pong
    case close
  }

  /// The peer broke the protocol; each case has its close code (RFC 6455 §7.4.1).
  enum Refusal: Error {
    case protocolError
    case unacceptableData
    case messageTooLarge
  }

  /// Fragments that one message may have: enough for proxies that split, too few to waste our time with.
  private static let maximumFragmentCount = 64

  private let maximumMessageByteCount: Int
  private var fragments: [UInt8] = []
  private var fragmentCount = 0

  /// Bytes of a message that is not whole yet.
  var heldByteCount: Int { fragments.count }

  init(maximumMessageByteCount: Int) {
    self.maximumMessageByteCount = maximumMessageByteCount
  }

  /// Drops what there is of a message.
  mutating func end() {
    fragments = []
  }

  mutating func receive(_ frame: WebSocketFrame) throws(Refusal) -> Event {
    // RFC 6455 §5.1: a server closes the connection upon an unmasked frame.
    guard frame.maskKey != nil, frame.reservedBits.isEmpty else { throw .protocolError }
    switch frame.opcode {
    case .ping: return .ping(frame.unmaskedData)
    case .pong: return .pong
    case .connectionClose: return .close
    case .text: throw .unacceptableData
    case .binary:
      guard fragmentCount == 0 else { throw .protocolError }
      return try append(frame)
    case .continuation:
      guard fragmentCount > 0 else { throw .protocolError }
      return try append(frame)
    default: throw .protocolError
    }
  }

  private mutating func append(_ frame: WebSocketFrame) throws(Refusal) -> Event {
    guard frame.length <= maximumMessageByteCount - fragments.count else { throw .messageTooLarge }
    guard fragmentCount < Self.maximumFragmentCount else { throw .protocolError }
    guard frame.fin || frame.length > 0 else { throw .protocolError }
    fragments.append(contentsOf: frame.unmaskedData.readableBytesView)
    fragmentCount += 1
    guard frame.fin else { return .incomplete }
    let message = fragments
    fragments = []
    fragmentCount = 0
    return .message(message)
  }
}
