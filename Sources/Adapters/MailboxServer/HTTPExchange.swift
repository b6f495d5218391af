import NIOHTTP1

/// The requests and responses of one HTTP/1.1 connection, as a state machine: parts in, one action out.
///
/// A request body is held up to its route's limit and never beyond. Whatever is refused is answered at once and ends
/// the connection; what the peer is still sending then is read and dropped for a while, since closing at once would
/// make its system throw away our answer.
struct HTTPExchange {
  /// What the server offers over plain HTTP.
  enum Route: Equatable {
    case health
    case identity
    /// With the client's nonce, as it stands in the request.
    case identityProof(nonce: String)
    case call
    case report
    case reportPage
    case securityText
  }

  enum Action: Equatable {
    case none
    /// A request has begun; its body must be complete within the body timeout.
    case awaitBody
    /// The request is complete.
    case perform(Route, body: [UInt8])
    /// The request is refused; its response ends the connection.
    case refuse(HTTPResponseStatus)
    case close
  }

  private enum State {
    case idle
    case collecting(Route, body: [UInt8], limit: Int)
    case performing
    /// A last response is on its way.
    case ending(requestIsComplete: Bool, responseIsFlushed: Bool, droppedByteCount: Int)
    case closed
  }

  private static let proofPrefix = "/v1/identity?nonce="
  /// Bytes of a report to the operator: some pages of text.
  static let maximumReportByteCount = 64 << 10

  private let maximumRequestByteCount: Int
  private var state = State.idle
  private var endsAfterResponse = false

  /// Whether the body of a request is being held.
  var isCollecting: Bool {
    if case .collecting = state { true } else { false }
  }

  /// Whether the application works on a request; what follows it on the connection has to wait until then.
  var isPerforming: Bool {
    if case .performing = state { true } else { false }
  }

  /// How much of a refused request is read and dropped before the connection is cut anyway.
  private var maximumDroppedByteCount: Int { maximumRequestByteCount.multipliedReportingOverflow(by: 4).partialValue }

  init(maximumRequestByteCount: Int) {
    self.maximumRequestByteCount = maximumRequestByteCount
  }

  /// - Parameter refusal: the status to refuse the request with, whatever it asks for.
  mutating func receiveHead(_ head: HTTPRequestHead, refusal: HTTPResponseStatus? = nil) -> Action {
    guard case .idle = state else { return .none }
    endsAfterResponse = !head.isKeepAlive
    if let refusal { return refuse(refusal) }
    let route: Route
    switch (head.method, head.uri) {
    case (.GET, "/v1/health"): route = .health
    case (.GET, "/v1/identity"): route = .identity
    case (.GET, let uri) where uri.hasPrefix(Self.proofPrefix):
      route = .identityProof(nonce: String(uri.dropFirst(Self.proofPrefix.count)))
    case (.POST, "/v1/call"): route = .call
    case (.POST, "/v1/report"): route = .report
    case (.GET, "/v1/report"): route = .reportPage
    case (.GET, "/.well-known/security.txt"): route = .securityText
    case (.GET, "/v1/stream"): return refuse(.upgradeRequired)
    default: return refuse(.notFound)
    }
    let limit =
      switch route {
      case .call: maximumRequestByteCount
      case .report: Self.maximumReportByteCount
      default: 0
      }
    if let announced = head.headers.first(name: "content-length").flatMap({ Int($0) }), announced > limit {
      return refuse(.payloadTooLarge)
    }
    state = .collecting(route, body: [], limit: limit)
    return .awaitBody
  }

  mutating func receiveBody(_ bytes: some Collection<UInt8>) -> Action {
    switch state {
    case .collecting(let route, var body, let limit):
      guard bytes.count <= limit - body.count else { return refuse(.payloadTooLarge) }
      state = .closed  // lets `body` grow in place
      body.append(contentsOf: bytes)
      state = .collecting(route, body: body, limit: limit)
      return .none
    case .ending(let requestIsComplete, let responseIsFlushed, let dropped):
      let (count, overflow) = dropped.addingReportingOverflow(bytes.count)
      if overflow || count > maximumDroppedByteCount {
        state = .closed
        return .close
      }
      state = .ending(
        requestIsComplete: requestIsComplete, responseIsFlushed: responseIsFlushed, droppedByteCount: count)
      return .none
    case .idle, .performing, .closed:
      return .none
    }
  }

  /// There is no room for more of the body.
  mutating func bodyDoesNotFit() -> Action {
    guard case .collecting = state else { return .none }
    return refuse(.serviceUnavailable)
  }

  mutating func receiveEnd() -> Action {
    switch state {
    case .collecting(let route, let body, _):
      state = .performing
      return .perform(route, body: body)
    case .ending(_, let responseIsFlushed, let dropped):
      if responseIsFlushed {
        state = .closed
        return .close
      }
      state = .ending(requestIsComplete: true, responseIsFlushed: false, droppedByteCount: dropped)
      return .none
    case .idle, .performing, .closed:
      return .none
    }
  }

  /// The response to the request in progress is about to be written.
  ///
  /// - Parameter closing: whether the connection ends with it in any case.
  /// - Returns: whether the connection lives on after it; nil when there is nobody to answer any more.
  mutating func respond(closing: Bool) -> Bool? {
    guard case .performing = state else { return nil }
    if closing || endsAfterResponse {
      state = .ending(requestIsComplete: true, responseIsFlushed: false, droppedByteCount: 0)
      return false
    }
    state = .idle
    return true
  }

  /// A last response has left for the peer.
  mutating func lastResponseFlushed() -> Action {
    guard case .ending(let requestIsComplete, _, let dropped) = state else { return .none }
    if requestIsComplete {
      state = .closed
      return .close
    }
    state = .ending(requestIsComplete: false, responseIsFlushed: true, droppedByteCount: dropped)
    return .none
  }

  /// What the peer sends is not HTTP: nothing that follows can be understood.
  mutating func inputFailed() -> Action {
    switch state {
    case .idle, .collecting:
      state = .ending(requestIsComplete: true, responseIsFlushed: false, droppedByteCount: 0)
      return .refuse(.badRequest)
    case .performing:
      endsAfterResponse = true
      return .none
    case .ending:
      return receiveEnd()
    case .closed:
      return .none
    }
  }

  /// The server shuts down: only a request that is complete is still answered.
  mutating func quiesce() -> Action {
    switch state {
    case .idle, .collecting:
      state = .closed
      return .close
    case .performing:
      endsAfterResponse = true
      return .none
    case .ending, .closed:
      return .none
    }
  }

  mutating func connectionClosed() {
    state = .closed
  }

  private mutating func refuse(_ status: HTTPResponseStatus) -> Action {
    state = .ending(requestIsComplete: false, responseIsFlushed: false, droppedByteCount: 0)
    return .refuse(status)
  }
}
