public import MailboxEngine
import Synchronization

/// A clock that stands still until it is told to go on.
public final class ManualClock: ServerClock {
  private let seconds: Mutex<UInt64>

  public init(secondsSince1970: UInt64 = 20_000 * 86_400) { seconds = Mutex(secondsSince1970) }

  public func secondsSince1970() -> UInt64 { seconds.withLock { $0 } }

  public func advance(days: UInt64) { seconds.withLock { $0 += days * 86_400 } }
}
