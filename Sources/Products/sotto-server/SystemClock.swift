import Foundation
import MailboxEngine

/// The system's clock.
struct SystemClock: ServerClock {
  func secondsSince1970() -> UInt64 { UInt64(max(0, Date().timeIntervalSince1970)) }
}
