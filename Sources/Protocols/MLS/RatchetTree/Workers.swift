/// Runs the independent parts of one long computation, on as many threads as it likes.
///
/// Joining a group verifies a signature for each member (RFC 9420 §12.4.3.1). The library starts no threads of its own, so
/// whoever wants several cores to share that gives it something that does, such as Dispatch's `concurrentPerform`.
public protocol Workers: Sendable {
  /// Calls `work` once with each number below `count`, in any order and on any threads, and returns when all calls have.
  func perform(_ count: Int, _ work: @Sendable (Int) -> Void)
}

/// Does everything on the calling thread, also the signatures of a tree (RFC 9420 §12.4.3.1).
public struct CallingThread: Workers {
  public init() {}

  public func perform(_ count: Int, _ work: @Sendable (Int) -> Void) {
    for part in 0..<count { work(part) }
  }
}
