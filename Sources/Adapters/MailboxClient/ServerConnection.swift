import NIOHTTP1

/// A client's way to one server, carrying bytes that it does not understand: calls over one connection, and streams
/// over connections of their own, so that the server cannot tell by the connection who sends and who receives.
///
/// It never tries a call twice if the first one may have been processed, and leaves all else to its caller: when to try
/// again, and what the bytes mean.
public final class ServerConnection: Sendable {
  private let dialer: Dialer
  private let lane: CallLane

  /// Connects to nothing yet: each function does when it has something to send.
  public init(endpoint: ServerEndpoint, limits: ClientLimits = ClientLimits()) {
    dialer = Dialer(endpoint: endpoint, limits: limits)
    lane = CallLane(dialer: dialer)
  }

  /// Sends one request and returns the server's reply.
  ///
  /// - Throws: `.unreachable`, `.refusedTLS`, `.messageTooLarge` and `.shutDown` mean that the request was certainly not
  ///   processed, `.malformedRefused` that it was refused; after `.outcomeUnknown` and `.unacceptableReply` it may have
  ///   been; `.busy` and `.serverError` for any other answer.
  public func call(_ request: [UInt8]) async throws(ClientError) -> [UInt8] {
    let limit = dialer.limits.maximumRequestByteCount
    guard request.count <= limit else { throw .messageTooLarge(byteCount: request.count, limit: limit) }
    return try Self.body(of: try await lane.call(request))
  }

  /// Sends one request over a connection that carries nothing before and nothing after it.
  ///
  /// - Throws: as `call` does.
  public func callAlone(_ request: [UInt8]) async throws(ClientError) -> [UInt8] {
    let limit = dialer.limits.maximumRequestByteCount
    guard request.count <= limit else { throw .messageTooLarge(byteCount: request.count, limit: limit) }
    let lane = CallLane(dialer: dialer)
    let reply: Result<HTTPConnection.Reply, ClientError>
    do { reply = .success(try await lane.call(request)) } catch { reply = .failure(error) }
    await lane.shutDown()
    return try Self.body(of: try reply.get())
  }

  /// Opens a stream on a connection of its own.
  ///
  /// - Throws: `.unreachable`, `.refusedTLS`, `.busy`, `.serverError` if the server offers no such stream.
  public func openStream() async throws(ClientError) -> ServerStream {
    try await ServerStream.open(dialer)
  }

  /// Closes the connection of the calls; streams are closed by those who opened them.
  public func shutDown() async {
    await lane.shutDown()
  }

  /// Fetches the server's signed identity statement over a connection used for nothing else.
  ///
  /// This connection takes any key, so the answer proves nothing by itself: the caller verifies the statement's
  /// signature, and that it names the key that the server showed.
  ///
  /// - Throws: as `call` does.
  public func fetchIdentityStatement() async throws(ClientError) -> IdentityAnswer {
    try await Self.fetchIdentityStatement(
      host: dialer.endpoint.host, port: dialer.endpoint.port, limits: dialer.limits)
  }

  /// Fetches the identity statement of a server of which nothing but the address is known; see the method above.
  public static func fetchIdentityStatement(
    host: String, port: Int, limits: ClientLimits = ClientLimits()
  ) async throws(ClientError) -> IdentityAnswer {
    let endpoint = ServerEndpoint(host: host, port: port, pinnedSPKI: { _ in true })
    let (statement, hash) = try await fetch("/v1/identity", from: endpoint, limits: limits)
    guard let hash else { throw .refusedTLS }
    return IdentityAnswer(statement: statement, leafSPKIHash: hash)
  }

  /// Fetches the proof that a server behind a proxy gives to a nonce, over a connection used for nothing else.
  ///
  /// - Parameters:
  ///   - endpoint: judged by its certificate.
  ///   - nonce: as it stands in the request: characters of base64url.
  /// - Returns: the proof, not yet verified.
  /// - Throws: as `call` does.
  public static func fetchIdentityProof(
    _ endpoint: ServerEndpoint, nonce: String, limits: ClientLimits = ClientLimits()
  ) async throws(ClientError) -> [UInt8] {
    try await fetch("/v1/identity?nonce=\(nonce)", from: endpoint, limits: limits).body
  }

  private static func fetch(
    _ path: String, from endpoint: ServerEndpoint, limits: ClientLimits
  ) async throws(ClientError) -> (body: [UInt8], leafSPKIHash: [UInt8]?) {
    let connection = try await Dialer(endpoint: endpoint, limits: limits).connect {
      try HTTPConnection.configure($0, limits: limits)
    }
    defer { connection.result.close() }
    let headers = HTTPHeaders([("host", endpoint.authority), ("connection", "close")])
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
    let reply = try await connection.result.exchange(head, body: [])
    return (try body(of: reply), connection.leafSPKIHash)
  }

  private static func body(of reply: HTTPConnection.Reply) throws(ClientError) -> [UInt8] {
    switch reply.head.status {
    case .ok: return reply.body
    case .badRequest: throw .malformedRefused
    default: throw ClientError(refusal: reply.head)
    }
  }
}

/// What a server says of itself before anything is known about it.
public struct IdentityAnswer: Sendable, Equatable {
  /// The statement, not yet verified.
  public let statement: [UInt8]
  /// The SHA-256 hash of the public key that the server showed in the TLS handshake.
  public let leafSPKIHash: [UInt8]
}
