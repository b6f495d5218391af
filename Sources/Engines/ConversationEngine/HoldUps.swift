public import SottoProtocol

/// What waits until a server has room, tokens or a place in a log again.
extension DeviceState {
  /// Why all of these tasks have to wait.
  ///
  /// - Parameter inFlight: what was handed out; its answer decides.
  /// - Returns: of their reasons the one that concerns most; nil where there are none, or where one does not wait, for it can be done or waits
  ///   for something else.
  func holdUp(of work: [TaskRecord], inFlight: Set<UInt64>) -> HoldUp? {
    guard tasks.contains(where: { $0.heldUp != nil }) else { return nil }
    var heads: [TaskRecord.Lane: TaskRecord] = [:]
    for task in tasks {
      let lane = task.lane
      if heads[lane].map(task.goesBefore) ?? true { heads[lane] = task }
    }
    var reasons: Set<HoldUp> = []
    for task in work {
      guard let holdUp = holdUp(of: task, heads, inFlight) else { return nil }
      reasons.insert(holdUp)
    }
    return HoldUp.allCases.first(where: reasons.contains)
  }

  /// - Parameter heads: what is done next in each lane.
  private func holdUp(of waiting: TaskRecord, _ heads: [TaskRecord.Lane: TaskRecord], _ inFlight: Set<UInt64>) -> HoldUp? {
    var task = waiting
    var seen: Set<UInt64> = []
    while seen.insert(task.id).inserted {
      if inFlight.contains(task.id) { return nil }
      if let head = heads[task.lane], head.id != task.id {
        task = head
      } else if let holdUp = task.heldUp {
        return holdUp
      } else if let after = task.after, let before = tasks.first(where: { $0.id == after }) {
        task = before
      } else if case .createLog = task.kind, lacksTokens(task), let refill = serverKey(of: task).flatMap({ heads[.tokens($0)] }) {
        task = refill
      } else {
        return nil
      }
    }
    return nil
  }

  /// Has what found no room asked for anew, as if it had not been: if there still is none, its owner hears so again. A refill is not: a
  /// server's period does not end earlier for who asks.
  mutating func askAgain(inFlight: Set<UInt64>, now: UInt64) {
    for var task in tasks where !inFlight.contains(task.id) {
      switch task.heldUp {
      case .serverFull, .logFull:
        task.heldUp = nil
        task.notBefore = now
        updateTask(task)
      case .quotaUsedUp, nil: break
      }
    }
  }
}

extension ConversationEngine {
  /// Why nothing goes forward: there is work, and none of it can be done for a while.
  ///
  /// - Parameter isMeant: whether a server is one of those that are asked about.
  /// - Returns: nil while there is none, or something can be done or is under way.
  public func holdUp(at isMeant: (PublicKey32) -> Bool) -> HoldUp? {
    state.holdUp(of: state.tasks.filter { isWork($0) && (state.serverKey(of: $0).map(isMeant) ?? false) }, inFlight: inFlight)
  }

  /// Why something waits, be it work or what may wait long.
  public var holdUps: Set<HoldUp> { Set(state.tasks.compactMap(\.heldUp)) }

  /// Whether a server has refused this device tokens, and is not being asked again just now.
  public func isQuotaUsedUp(at server: PublicKey32) -> Bool {
    state.tasks.contains { $0.lane == .tokens(server) && $0.heldUp == .quotaUsedUp && !inFlight.contains($0.id) }
  }

  /// Has what found no room asked for again now, although a server has named a later time: for a person who asks, once each time.
  public mutating func askAgain(now: UInt64) throws(EngineError) {
    let inFlight = inFlight
    try transact { (state) throws(EngineError) in state.askAgain(inFlight: inFlight, now: now) }
  }
}
