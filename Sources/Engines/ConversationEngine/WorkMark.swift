/// A moment in what a device does: what it queues later can be told from what waited before.
public struct WorkMark: Sendable {
  fileprivate let firstTask: UInt64
}

extension ConversationEngine {
  /// This moment.
  public var workMark: WorkMark { WorkMark(firstTask: state.profile.nextTaskID) }

  /// Whether something that was queued since then is not done, also if it is held up for long. Tokens for later do not count; what
  /// came of fetching meanwhile does.
  ///
  /// - Parameter conversation: whose members were to be changed since. That may go out with an entry of the log that waited before, so
  ///   each of them counts.
  public func hasWork(since mark: WorkMark, changing conversation: ConversationID? = nil) -> Bool {
    state.tasks.contains { task in
      guard task.id >= mark.firstTask || conversation.map({ task.lane == .log($0) }) ?? false else { return false }
      switch task.kind {
      case .refill, .identify: return false
      default: return isWork(task) || task.heldUp != nil
      }
    }
  }
}
