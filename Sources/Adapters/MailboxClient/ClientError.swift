import NIOHTTP1

/// Why a call or a stream did not go well. None of the cases carries what was sent, or to whom.
public enum ClientError: Error, Equatable, Sendable {
  /// The server was not reached, or the connection broke before the request had left: it certainly was not processed.
  case unreachable
  /// The request has left and no whole answer came: it may or may not have been processed.
  case outcomeUnknown
  /// The server could not show a TLS key that the pin accepts, or does not speak TLS 1.3; nothing was sent.
  case refusedTLS
  /// The server has too much to do, or finds that we ask too often (status 503 or 429): not before so many seconds, where
  /// it says when. What was asked may have been processed.
  case busy(retryAfterSeconds: Int?)
  /// The server answered with this HTTP status, which is none of 200, 400, 429 and 503.
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

extension ClientError {
  /// What an answer means that is neither 200 nor 400.
  init(refusal head: HTTPResponseHead) {
    switch head.status {
    case .tooManyRequests, .serviceUnavailable:
      // In seconds (RFC 9110 §10.2.3); our server names no dates.
      self = .busy(retryAfterSeconds: head.headers.first(name: "retry-after").flatMap { Int($0) })
    default: self = .serverError(status: Int(head.status.code))
    }
  }
}
