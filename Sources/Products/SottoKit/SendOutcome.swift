/// Whom a message has not reached, though it lies at the server for all others.
public struct SendOutcome: Equatable, Sendable {
  /// Mailboxes that are gone, or refuse what comes from this conversation.
  public var missedCount: Int
  /// Full mailboxes: it is tried again there by itself, for as long as a server keeps messages.
  public var waitingCount: Int

  public init(missedCount: Int, waitingCount: Int) {
    self.missedCount = missedCount
    self.waitingCount = waitingCount
  }
}
