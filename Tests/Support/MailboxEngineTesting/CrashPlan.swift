public import MailboxEngine

/// Where a simulated disk fails: at the nth write from now.
///
/// A transaction that changes k rows is k + 1 writes, of which the last is the commit record. What fails before the
/// commit record is durable leaves no trace; what fails after it is there when the store is opened again.
public struct CrashPlan: Hashable, Sendable {
  /// Counts from 1.
  public var write: Int
  /// What the interrupted operation throws.
  public var failure: StoreFailure
  /// Whether the write is still made durable; matters for a commit record only.
  public var isDurable: Bool
  /// Whether the store goes on after the failure, instead of being down until `reopen()`.
  public var staysUp: Bool

  public init(atWrite write: Int, failure: StoreFailure, isDurable: Bool = false, staysUp: Bool = false) {
    precondition(write >= 1, "writes count from 1")
    precondition(failure == .outcomeUnknown || !isDurable, "what is unavailable was certainly not applied")
    self.write = write
    self.failure = failure
    self.isDurable = isDurable
    self.staysUp = staysUp
  }

  /// Every way in which the nth write can fail.
  public static func all(atWrite write: Int) -> [CrashPlan] {
    [
      CrashPlan(atWrite: write, failure: .unavailable), CrashPlan(atWrite: write, failure: .outcomeUnknown),
      CrashPlan(atWrite: write, failure: .outcomeUnknown, isDurable: true),
    ]
  }
}
