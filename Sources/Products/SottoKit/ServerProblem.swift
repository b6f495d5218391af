import MailboxClient
import SottoProtocol

/// Why a server cannot be used at this moment.
public enum ServerProblem: Error, Equatable, Sendable {
  /// Nobody answers at its address, or the connection broke.
  case unreachable
  /// Who answers cannot prove to be this server: another machine, or somebody in between.
  case notThisServer
  /// The server's signed statement of its keys has expired: its clock, or this device's, is wrong, or it is not maintained.
  case expired
  /// The server does not know this device's mailbox, or not its key.
  case mailboxRefused
  /// The server refused service.
  case refusing
  /// The server has too much to do, or was asked too often; it wants to be asked again after so many seconds, where it
  /// says when.
  case busy(retryAfterSeconds: Int?)
  /// The server does not speak this program's protocol.
  case notUnderstood

  init(_ error: ClientError) {
    self =
      switch error {
      case .unreachable, .outcomeUnknown, .streamClosed, .shutDown: .unreachable
      case .refusedTLS: .notThisServer
      case .serverError: .refusing
      case .busy(let seconds): .busy(retryAfterSeconds: seconds)
      case .malformedRefused, .messageTooLarge, .unacceptableReply: .notUnderstood
      }
  }

  init(_ error: IdentityStatementError) {
    self =
      switch error {
      case .expired: .expired
      case .otherVersion: .notUnderstood
      case .malformed, .otherServer, .badSignature, .rolledBack: .notThisServer
      }
  }
}

/// How things stand with one server.
public struct ServerStatus: Equatable, Sendable {
  public enum State: Equatable, Sendable {
    /// Not asked for yet.
    case idle
    case connecting
    /// Messages arrive; `isCaughtUp` once nothing waits any more.
    case connected(isCaughtUp: Bool)
    /// The next attempt comes by itself.
    case waiting(ServerProblem)
  }

  /// Host and port.
  public var name: String
  public var state: State
}
