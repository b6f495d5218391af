package import ConversationEngine
import CryptoSuite
import SottoProtocol

/// What must be true of a world once nothing is under way any more.
extension SimulatedWorld {
  /// Ends all trouble, lets everybody say yes to what waits for them, and has everybody send two last texts everywhere, so that what is
  /// missing is noticed.
  package func settle() async throws {
    heal()
    try await run()
    for _ in 0..<2 {
      for device in devices {
        try confirmAll(device.index)
        for invitation in device.engine?.groupInvitations ?? [] {
          try act(device.index) { (engine, now) throws(EngineError) in try engine.acceptGroup(invitation.id, now: now) }
        }
      }
      try await run()
    }
    for round in 1...2 {
      for device in devices {
        for conversation in device.engine?.conversations ?? [] where conversation.state == .active {
          try send("\(Ledger.canary) last \(round) of \(device.name)", from: device.index, to: conversation.id)
        }
      }
      try await run()
    }
  }

  /// Confirms all contacts of a device.
  package func confirmAll(_ index: Int) throws {
    for contact in devices[index].engine?.contacts ?? [] where !contact.isConfirmed {
      try act(index) { (engine, now) throws(EngineError) in try engine.confirm(contact.identity, petname: nil, now: now) }
    }
  }

  /// Sends a text and remembers who is to have it.
  package func send(_ text: String, from author: Int, to conversation: ConversationID) throws {
    let present = devices[author].engine?.standing(in: conversation)?.devices ?? []
    let removals = devices.map { removalCount(of: $0, in: conversation) }
    let id: MessageID?
    do {
      id = try act(author) { (engine, now) throws(EngineError) in try engine.send(text: text, to: conversation, now: now) }
    } catch EngineError.unconfirmed { return }
    guard let id else { return }
    note("\(devices[author].name) writes \"\(text)\"")
    let readers = devices.filter { device in
      device.index != author && isActive(device.index, in: conversation) && device.engine?.device.map { present.contains($0) } ?? false
    }
    ledger.texts.append(
      Ledger.Text(
        author: author, authorRemovals: removals[author], conversation: conversation, id: id, text: text,
        readers: readers.map { ($0.index, removals[$0.index]) }))
  }

  private func removalCount(of device: SimulatedDevice, in conversation: ConversationID) -> Int {
    device.events.filter { $0 == .removed(conversation) }.count
  }

  /// Everything that is not as it must be, in words; empty for a good world.
  package func problems() throws -> [String] {
    var problems = Array(ledger.failures.prefix(3))
    var histories: [[ConversationID: [HistoryEntry]]] = []
    for device in devices {
      guard let engine = device.engine else {
        problems.append("\(device.name) is down")
        histories.append([:])
        continue
      }
      var history: [ConversationID: [HistoryEntry]] = [:]
      for summary in engine.conversations { history[summary.id] = try engine.history(of: summary.id, after: nil, limit: 100_000) }
      histories.append(history)
      if engine.taskCount > 0 { problems.append("\(device.name) has \(engine.taskCount) tasks left") }
      // To who was removed, things may still be under way that nobody can open any more.
      let mayHold =
        ledger.isPoisoned.contains(device.index)
        || device.events.contains { if case .removed = $0 { true } else { false } }
      if engine.heldFrameCount > 0, !mayHold { problems.append("\(device.name) holds \(engine.heldFrameCount) frames") }
    }
    problems += standingProblems()
    problems += textProblems(histories)
    if ledger.leakCount > 0 { problems.append("the server saw \(ledger.leakCount) plaintexts") }
    return problems
  }

  private func standingProblems() -> [String] {
    var problems: [String] = []
    var ids: [ConversationID] = []
    for device in devices {
      for summary in device.engine?.conversations ?? [] where !ids.contains(summary.id) { ids.append(summary.id) }
    }
    for (number, id) in ids.enumerated() {
      var members: [(name: String, device: PublicKey32?, standing: ConversationEngine.Standing)] = []
      for device in devices {
        guard let engine = device.engine, let summary = engine.conversations.first(where: { $0.id == id }),
          let standing = engine.standing(in: id)
        else { continue }
        let label = "\(device.name) in conversation \(number) (\(summary.title))"
        switch summary.state {
        case .ended:
          if standing.holdsKeys { problems.append("\(label) has ended and holds keys") }
          continue
        case .leaving:
          if !ledger.lackEntries.contains(device.index) { problems.append("\(label) has not been let go") }
        case .active: break
        }
        members.append((label, engine.device, standing))
        if standing.missingCount > 0 { problems.append("\(label) misses \(standing.missingCount) messages") }
        if standing.intentCount > 0 { problems.append("\(label) has \(standing.intentCount) intents left") }
      }
      // In a full mailbox the news of one's removal has no place.
      let newest = members.max { $0.standing.epoch < $1.standing.epoch }?.standing.devices ?? []
      members.removeAll { member in
        guard let device = member.device, let index = devices.firstIndex(where: { $0.engine?.device == device }) else { return false }
        return ledger.lackEntries.contains(index) && !newest.contains(device)
      }
      if isSplit(id) { continue }
      guard let first = members.first else { continue }
      for member in members.dropFirst() {
        if member.standing.epoch != first.standing.epoch {
          problems.append("\(member.name) is in epoch \(member.standing.epoch), \(first.name) in \(first.standing.epoch)")
        } else if member.standing.epochAuthenticator != first.standing.epochAuthenticator {
          problems.append("\(member.name) and \(first.name) have forked")
        }
      }
      let present = Set(members.compactMap(\.device))
      for member in members where Set(member.standing.devices) != present {
        problems.append("\(member.name) has a roster of \(member.standing.devices.count), there are \(present.count)")
      }
    }
    return problems
  }

  /// Who could not read a commit and was away until a later one removed somebody has no key to come back by (docs/protocol.md §10).
  private func isSplit(_ id: ConversationID) -> Bool {
    guard ledger.unreadable.contains(id) else { return false }
    let generations = devices.filter { isActive($0.index, in: id) }.compactMap { $0.engine?.standing(in: id)?.generation }
    return Set(generations).count > 1
  }

  private func textProblems(_ histories: [[ConversationID: [HistoryEntry]]]) -> [String] {
    var problems: [String] = []
    for sent in ledger.texts where !isSplit(sent.conversation) {
      let own = histories[sent.author][sent.conversation]?.filter { $0.id == sent.id && $0.kind == .text(sent.text) } ?? []
      if own.count != 1 { problems.append("\"\(sent.text)\" stands \(own.count) times at its author") }
      // What waited when its author was removed does not go out.
      guard isActive(sent.author, in: sent.conversation),
        removalCount(of: devices[sent.author], in: sent.conversation) == sent.authorRemovals
      else { continue }
      for (reader, removals) in sent.readers where isActive(reader, in: sent.conversation) {
        guard removalCount(of: devices[reader], in: sent.conversation) == removals else { continue }
        let count = histories[reader][sent.conversation]?.filter { $0.id == sent.id }.count ?? 0
        if count != 1 { problems.append("\(devices[reader].name) has \"\(sent.text)\" of \(devices[sent.author].name) \(count) times") }
      }
    }
    for author in devices {
      for (conversation, history) in histories[author.index] where !isSplit(conversation) {
        let own = history.filter { entry in
          if case .text = entry.kind { entry.author == author.engine?.identity } else { false }
        }
        for entry in own { problems += deliveryProblems(of: entry, by: author, in: conversation, histories) }
        problems += orderProblems(own.map(\.id), by: author, in: conversation, histories)
        for entry in history where !isExplained(entry, in: conversation, histories) {
          problems.append("\(author.name) has \(entry.kind) that nobody wrote")
        }
      }
    }
    return problems
  }

  private func isExplained(_ entry: HistoryEntry, in conversation: ConversationID, _ histories: [[ConversationID: [HistoryEntry]]]) -> Bool
  {
    switch entry.kind {
    case .memberAdded, .memberRemoved, .memberLeft, .deviceReturned: return true
    case .unknown: return false
    case .declined: return ledger.identities[entry.author].map(ledger.refusers.contains) ?? false
    case .notInvited: return false
    case .mayHaveExpired, .notFetched, .notTaken: return ledger.allowsExpiry
    case .lost:
      // Of who is gone nobody can ask.
      guard let author = ledger.identities[entry.author] else { return false }
      return removalCount(of: devices[author], in: conversation) > 0 || !isActive(author, in: conversation)
    case .text, .attachment:
      guard let author = ledger.identities[entry.author] else { return false }
      return histories[author].values.contains { $0.contains { $0.id == entry.id && $0.kind == entry.kind } }
    }
  }

  private func deliveryProblems(
    of entry: HistoryEntry, by author: SimulatedDevice, in conversation: ConversationID, _ histories: [[ConversationID: [HistoryEntry]]]
  ) -> [String] {
    var problems: [String] = []
    if entry.delivery != .sent, isActive(author.index, in: conversation), removalCount(of: author, in: conversation) == 0 {
      problems.append("\(author.name) still waits with \(entry.kind)")
    }
    let named = ledger.named[entry.id] ?? []
    for reader in devices where reader.index != author.index {
      let found = histories[reader.index][conversation]?.filter { $0.id == entry.id } ?? []
      let isNamed = reader.engine?.mailbox(at: server.address.serverKey).map { named.contains($0) } ?? false
      if found.contains(where: { $0.author != author.engine?.identity || $0.kind != entry.kind }) {
        problems.append("\(reader.name) has \(entry.kind) changed")
      }
      // What was held back behind a full mailbox, and asked for in the end, was never sent there by itself.
      let isMeant = reader.engine?.device.map { author.engine?.isMeant(entry.id, for: $0) ?? false } ?? false
      if !isNamed, !found.isEmpty, !isMeant { problems.append("\(reader.name) has \(entry.kind), which was not sent there") }
      if isNamed, isActive(reader.index, in: conversation), found.isEmpty, isActive(author.index, in: conversation) {
        if removalCount(of: reader, in: conversation) == 0, removalCount(of: author, in: conversation) == 0 {
          problems.append("\(reader.name) lacks \(entry.kind) of \(author.name)")
        }
      }
      if found.count > 1 { problems.append("\(reader.name) has \(entry.kind) \(found.count) times") }
    }
    return problems
  }

  private func orderProblems(
    _ ids: [MessageID], by author: SimulatedDevice, in conversation: ConversationID, _ histories: [[ConversationID: [HistoryEntry]]]
  ) -> [String] {
    var problems: [String] = []
    for reader in devices where reader.index != author.index {
      // What had to be asked for comes later than what followed it.
      let isRepaired = reader.events.contains { event in
        switch event {
        case .gap(conversation, _, let count): count > 0
        case .rejoined(conversation), .removed(conversation): true
        default: false
        }
      }
      guard !isRepaired, let history = histories[reader.index][conversation] else { continue }
      let places = ids.compactMap { id in history.firstIndex { $0.id == id } }
      if places != places.sorted() { problems.append("\(reader.name) has texts of \(author.name) in another order") }
    }
    return problems
  }

  package func isActive(_ index: Int, in conversation: ConversationID) -> Bool {
    devices[index].engine?.conversations.first { $0.id == conversation }?.state == .active
  }
}
