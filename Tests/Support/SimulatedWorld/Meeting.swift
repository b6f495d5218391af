package import ConversationEngine
import SottoProtocol

/// How people of a world come together, for scenarios that begin after that.
extension SimulatedWorld {
  /// One invites, the other accepts, the first confirms.
  ///
  /// - Returns: their conversation.
  @discardableResult
  package func introduce(_ inviter: Int, _ accepter: Int) async throws -> ConversationID {
    let link = try await invitation(of: inviter)
    try accept(link, by: accepter)
    try await run()
    try confirmAll(inviter)
    try await run()
    return try direct(inviter, accepter)
  }

  /// A link that is ready.
  package func invitation(of inviter: Int) async throws -> String {
    try await run()
    try act(inviter) { (engine, now) throws(EngineError) in try engine.invite(petname: nil, now: now) }
    try await run()
    guard !devices[inviter].links.isEmpty else { throw WorldFailure("no link") }
    return devices[inviter].links.removeFirst().link
  }

  package func accept(_ link: String, by accepter: Int) throws {
    let link = try InvitationLink(link)
    try act(accepter) { (engine, now) throws(EngineError) in try engine.accept(link, now: now) }
  }

  /// The conversation of two people, as the first has it.
  package func direct(_ one: Int, _ other: Int) throws -> ConversationID {
    let identity = devices[other].identity
    guard let id = devices[one].engine?.contacts.first(where: { $0.identity == identity })?.conversation else {
      throw WorldFailure("\(devices[one].name) has no conversation with \(devices[other].name)")
    }
    return id
  }

  /// A group of one with others who know them; everybody accepts.
  package func makeGroup(_ title: String, owner: Int, members: [Int]) async throws -> ConversationID {
    let identities = members.map { devices[$0].identity }
    let id = try act(owner) { (engine, now) throws(EngineError) in try engine.createGroup(title: title, inviting: identities, now: now) }
    guard let id else { throw WorldFailure("no group") }
    try await run()
    for member in members { try acceptAll(member) }
    try await run()
    return id
  }

  package func acceptAll(_ index: Int) throws {
    for invitation in devices[index].engine?.groupInvitations ?? [] {
      try act(index) { (engine, now) throws(EngineError) in try engine.acceptGroup(invitation.id, now: now) }
    }
  }

  /// The texts of a conversation as a device shows them: "Ada: hello".
  package func texts(_ index: Int, in conversation: ConversationID) throws -> [String] {
    let history = try devices[index].engine?.history(of: conversation, after: nil, limit: 10_000) ?? []
    return history.compactMap { entry in
      guard case .text(let text) = entry.kind else { return nil }
      let author = ledger.identities[entry.author].map { devices[$0].name } ?? "?"
      return "\(author): \(text)"
    }
  }
}
