/// What the server does with the bytes that the network brings; the network side knows nothing of their meaning.
///
/// One value serves all connections, so its functions are called concurrently.
public protocol MailboxApplication: Sendable {
  /// What a request costs, in the units of `ServerLimits.requests`: 1 for one that is looked up, more for one that
  /// computes. It is asked on an event loop, for bytes that may be anything.
  func weight(of request: [UInt8]) -> Int

  /// Answers one request of `POST /v1/call`.
  ///
  /// The call runs to its end even when the peer has gone in the meantime.
  func call(_ request: [UInt8]) async -> CallAnswer

  /// The signed statement that names the TLS keys of the day, as `GET /v1/identity` hands it out.
  func identityStatement() async -> [UInt8]

  /// Proves the server's identity to who trusts its TLS in another way (docs/protocol.md §3, "Behind a proxy").
  ///
  /// - Parameter nonce: as it stands in the request, not yet checked.
  func identityProof(nonce: String) async -> CallAnswer

  /// Takes a report for the operator, from anybody.
  func report(_ body: [UInt8]) async -> CallAnswer

  /// Says to a person how a report is sent.
  func reportPage() async -> CallAnswer

  /// The file of RFC 9116.
  func securityText() async -> CallAnswer

  /// Makes the session of one WebSocket connection on `/v1/stream`.
  func openStream() async -> any StreamSession
}

extension MailboxApplication {
  public func weight(of request: [UInt8]) -> Int { 1 }
  public func identityProof(nonce: String) async -> CallAnswer { .absent }
  public func report(_ body: [UInt8]) async -> CallAnswer { .absent }
  public func reportPage() async -> CallAnswer { .absent }
  public func securityText() async -> CallAnswer { .absent }
}

/// The answer to one request.
public enum CallAnswer: Sendable, Equatable {
  /// The encoded reply, sent with status 200.
  case reply([UInt8])
  /// Text in UTF-8 for a person, with status 200.
  case text(String)
  /// There is no such thing here: status 404.
  case absent
  /// Not now: status 503.
  case busy
  /// The request was not well formed: status 400, and the connection is closed.
  case malformed
}

/// One stream connection, as the application sees it.
///
/// Events are serialised: the next one is delivered after the previous one has returned and everything that it
/// asked to send has left for the peer. A slow peer therefore holds back its own session and nobody else's.
public protocol StreamSession: Sendable {
  /// The stream is open. `wake` may be called from anywhere, at any time and any number of times: it asks for one
  /// `wake()` event soon; calls before that event begins are merged into it.
  func start(wake: @escaping @Sendable () -> Void) async -> [StreamOutput]

  /// The peer sent one binary message.
  func receive(_ message: [UInt8]) async -> [StreamOutput]

  /// The event that a call of the `wake` closure asked for.
  func wake() async -> [StreamOutput]

  /// The stream is over. This is the last event, and it always comes.
  func closed() async
}

/// What a stream session asks the connection to do, in order.
public enum StreamOutput: Sendable, Equatable {
  /// Sends one binary message.
  case send([UInt8])
  /// The peer has proved to be the stream's owner. Before this it may send very little, and has little time.
  case proved
  /// Closes the stream after what was sent before; `malformed` tells the peer that it broke the protocol.
  case close(malformed: Bool)
}
