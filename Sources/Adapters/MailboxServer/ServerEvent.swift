/// What the network side tells an operator's figures. No case can carry an address, a name or a byte of anybody's.
public enum ServerEvent: Sendable, Equatable {
  case connectionOpened
  case connectionClosed
  case streamOpened
  case streamClosed
  /// Something was refused or cut because of one of the server's bounds.
  case refused(ServerBound)
}

/// The bounds that a peer can run into, as an operator's figures name them.
public enum ServerBound: String, CaseIterable, Sendable {
  /// A request with a larger body than its route takes.
  case requestSize = "request_size"
  /// A connection that did not finish its handshake or its first request in time.
  case handshakeTime = "handshake_time"
  /// A connection beyond all places, or beyond a peer's share or pace of them.
  case connections = "connections"
  /// A request or a stream of a peer that asks too often.
  case pace = "pace"
  /// A report to the operator from an address that had sent its share of the day, or that there was no room for.
  case reports = "reports"
  /// Bytes that did not fit into the memory for bodies, replies and messages.
  case memory = "memory"
  /// A request that the application did not answer in time.
  case answerTime = "answer_time"
  /// A stream whose peer did not prove in time to be its owner.
  case attachTime = "attach_time"
  /// A request whose body did not come in time, or a connection that idled too long.
  case idleTime = "idle_time"
  /// A stream whose peer did not answer pings.
  case silentStream = "silent_stream"
}

/// Hears of events on event loops: it must not block.
public typealias ServerObserver = @Sendable (ServerEvent) -> Void
