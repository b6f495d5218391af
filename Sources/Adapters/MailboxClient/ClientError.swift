/// Why a call or a stream did not go well. None of the cases carries what was sent, or to whom.
public enum ClientError: Error, Equatable, Sendable {
  /// The server was not reached, or the connection broke before the request had left: it certainly was not processed.
  case unreachable
  /// The request has left and no whole answer came: it may or may not have been processed.
  case outcomeUnknown
  /// The server could not show a TLS key that the pin accepts, or does not speak TLS 1.3; nothing was sent.
  case refusedTLS
  /// The server answered with this HTTP status, which is neither 200 nor 400.
  case serverError(status: Int)
  /// The server found what we sent malformed (status 400, or a close code of a stream) and closed the connection.
  case malformedRefused
  /// The message is larger than the limits allow; nothing was sent.
  case messageTooLarge(byteCount: Int, limit: Int)
  /// The server's answer breaks HTTP, WebSocket or the limits; the request may have been processed.
  case unacceptableReply
  /// The stream is closed, or has been lost.
  case streamClosed
  /// `ServerConnection.shutDown` was called; nothing was sent.
  case shutDown
}
