import NIOCore
import NIOHTTP1

/// One connection's account with `AdmissionControl`. Used on the connection's event loop only, once it is made.
final class ConnectionPass {
  let peer: Peer
  /// The limits at the moment of acceptance; this connection keeps them.
  let limits: ServerLimits
  private let control: AdmissionControl
  private var heldByteCount = 0
  private var hasLeft = false
  /// Why a stream that was asked for is not opened; the plain HTTP side then answers for it.
  private(set) var streamRefusal: Refusal?

  /// An answer that says when to come back.
  struct Refusal: Equatable {
    var status: HTTPResponseStatus
    /// Whole seconds, at least 1 (RFC 9110 §10.2.3).
    var retryAfter: Int
  }

  init(control: AdmissionControl, peer: Peer, limits: ServerLimits) {
    self.control = control
    self.peer = peer
    self.limits = limits
  }

  /// The answer of a server that is busy.
  var busy: Refusal {
    Refusal(status: .serviceUnavailable, retryAfter: max(1, Int(limits.busyRetryInterval.components.seconds)))
  }

  /// A request has begun.
  ///
  /// - Returns: why it is refused, or nil.
  func requestBegan() -> Refusal? { control.waitForRequest(of: self).map(Self.tooMany) }

  /// A request is about to be done, and costs so many units.
  ///
  /// - Returns: why it is refused, or nil.
  func workBegins(_ weight: Int) -> Refusal? { control.waitForWork(weight, of: self).map(Self.tooMany) }

  /// A report is about to be given to the operator.
  ///
  /// - Returns: why it is refused, or nil.
  func takeReport() -> Refusal? { control.waitForReport(of: self).map(Self.tooMany) }

  /// A report was not taken after all.
  func giveBackReport() { control.giveBackReport(of: self) }

  /// Whether a stream may be opened; otherwise `streamRefusal` says why.
  func mayOpenStream() -> Bool {
    streamRefusal = control.waitForStream(of: self).map(Self.tooMany)
    return streamRefusal == nil
  }

  func streamFailed() { control.streamFailed(of: self) }

  /// Counts bytes that are about to be held.
  func hold(_ byteCount: Int) -> Bool {
    guard !hasLeft, control.hold(byteCount, for: self) else { return false }
    heldByteCount += byteCount
    return true
  }

  /// Bytes are held no more; also after the end of the connection.
  func release(_ byteCount: Int) {
    let byteCount = min(byteCount, heldByteCount)
    heldByteCount -= byteCount
    control.release(byteCount, of: self)
  }

  /// The connection is over. What is held for it stays counted until its holder lets go: the application may still work on it.
  func leave() {
    guard !hasLeft else { return }
    hasLeft = true
    control.leave(self)
  }

  private static func tooMany(_ microseconds: UInt64) -> Refusal {
    Refusal(status: .tooManyRequests, retryAfter: Int(clamping: microseconds / 1_000_000) + 1)
  }
}
