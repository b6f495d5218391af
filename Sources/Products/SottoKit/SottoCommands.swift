import ConversationEngine
import SottoProtocol

// What a person does. Each change is durable when its function returns; those that wait say so.
extension Sotto {
  // MARK: - People

  /// Makes an invitation for one person, and returns its link once the server holds what belongs to it.
  ///
  /// Where it throws `.server`, `.serverFull`, `.timedOut` or `.cancelled`, the invitation stays queued: `invitations` has its link later.
  ///
  /// - Parameter name: what you call the person; they still have to be confirmed.
  /// - Throws: `.invitationNotTaken`, `.serverFull`, `.server`, `.timedOut`.
  public func invite(as name: String? = nil, timeout: Duration = .seconds(30)) async throws(SottoError) -> String {
    connect()
    let offer = try change { engine, now throws(EngineError) in try engine.invite(petname: name, now: now) }
    return try await wait(timeout) { (sotto, events) throws(SottoError) -> String? in
      for event in events {
        switch event {
        case .invitationReady(offer, let link): return link
        case .invitationFailed(offer): throw .invitationNotTaken
        default: break
        }
      }
      let home = try sotto.query { $0.home }
      try sotto.requireReachable(home)
      try sotto.requireProgress { $0 == home }
      return nil
    }
  }

  /// Invitations that nobody has used yet, with their links as far as the server has what belongs to them.
  public func invitations() throws(SottoError) -> [PendingInvitation] { try query { $0.invitations(now: Self.milliseconds()) } }

  /// Accepts an invitation, and returns who made it, and the conversation with them, once it stands.
  ///
  /// - Throws: `.link`, `.ownInvitation`, `.invitationRefused`, `.serverFull`, `.server`, `.timedOut`.
  @discardableResult
  public func accept(
    _ invitation: String, timeout: Duration = .seconds(30)
  ) async throws(SottoError) -> (contact: IdentityID, conversation: ConversationID) {
    let link: InvitationLink
    do { link = try InvitationLink(invitation) } catch { throw .link(error) }
    connect()
    // A server that nobody here has met proves itself before anything of this profile goes there.
    let id = try change { engine, now throws(EngineError) in try engine.accept(link, now: now) }
    return try await wait(timeout) { (sotto, events) throws(SottoError) in
      for event in events {
        switch event {
        case .accepted(let contact, let conversation): return (contact, conversation)
        case .invitationRefused(id): throw .invitationRefused
        case .registrationRefused: throw .registrationRefused
        default: break
        }
      }
      try sotto.requireReachable(link.server.serverKey)
      try sotto.requireProgress { $0 == link.server.serverKey }
      return nil
    }
  }

  /// The people this profile knows, by name.
  public func contacts() throws(SottoError) -> [Contact] { try query { $0.contacts } }

  /// Says that a contact is who they are meant to be; nothing is sent to them before.
  ///
  /// - Parameter name: what you call them from now on; nil leaves the name.
  public func confirm(_ contact: IdentityID, as name: String? = nil) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.confirm(contact, petname: name, now: now) }
  }

  /// What you and a contact compare, face to face or by voice, to know that nobody stands between you.
  public func safetyNumber(with contact: IdentityID) throws(SottoError) -> SafetyNumber {
    try query { $0.safetyNumber(with: contact) }
  }

  /// Remembers whether the safety numbers were compared.
  public func setVerified(_ contact: IdentityID, _ isVerified: Bool) throws(SottoError) {
    try change { engine, _ throws(EngineError) in try engine.setVerified(contact, isVerified) }
  }

  // MARK: - Conversations

  public func conversations() throws(SottoError) -> [ConversationSummary] { try query { $0.conversations } }

  /// Queues a text and sends it when the server is reached.
  ///
  /// - Returns: what `.sent` will name.
  @discardableResult
  public func send(_ text: String, to conversation: ConversationID) throws(SottoError) -> MessageID {
    try change { engine, now throws(EngineError) in try engine.send(text: text, to: conversation, now: now) }
  }

  /// Sends a text, and returns when it lies at the server for everyone in the conversation who could be reached.
  ///
  /// - Returns: whom it has not reached.
  /// - Throws: `.server`, `.serverFull` and `.timedOut`: then it stays queued.
  @discardableResult
  public func deliver(
    _ text: String, to conversation: ConversationID, timeout: Duration = .seconds(30)
  ) async throws(SottoError) -> SendOutcome {
    connect()
    return try await waitUntilSent(try send(text, to: conversation), in: conversation, timeout: timeout)
  }

  /// Called without a pause after the message was queued, so that what is said of it is heard.
  func waitUntilSent(
    _ id: MessageID, in conversation: ConversationID, timeout: Duration
  ) async throws(SottoError) -> SendOutcome {
    let server = try query { engine throws(EngineError) in try engine.server(of: conversation) }
    return try await wait(timeout) { (sotto, events) throws(SottoError) -> SendOutcome? in
      for case .sent(conversation, id, let missed, let waiting) in events {
        return SendOutcome(missedCount: missed, waitingCount: waiting)
      }
      try sotto.requireReachable(server)
      try sotto.requireProgress { $0 == server }
      return nil
    }
  }

  /// Entries of a conversation, oldest first.
  ///
  /// - Parameter position: only those above it; nil from the first.
  public func history(
    of conversation: ConversationID, after position: UInt64? = nil, limit: Int = 200
  ) throws(SottoError) -> [HistoryEntry] {
    try query { engine throws(EngineError) in try engine.history(of: conversation, after: position, limit: limit) }
  }

  /// Sends fresh keys of this device to a conversation, after which a copy of its old ones opens nothing new.
  public func updateKeys(_ conversation: ConversationID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.updateKeys(conversation, now: now) }
  }

  // MARK: - Groups

  /// Makes a group and asks contacts into it; each joins when they have accepted.
  @discardableResult
  public func createGroup(title: String, inviting contacts: [IdentityID] = []) throws(SottoError) -> ConversationID {
    try change { engine, now throws(EngineError) in try engine.createGroup(title: title, inviting: contacts, now: now) }
  }

  /// Asks a contact into a group.
  public func add(_ contact: IdentityID, to group: ConversationID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.add(contact, to: group, now: now) }
  }

  /// Takes a member out; what is sent afterwards they cannot read.
  public func remove(_ member: IdentityID, from group: ConversationID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.remove(member, from: group, now: now) }
  }

  /// Leaves a group.
  public func leave(_ group: ConversationID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.leave(group, now: now) }
  }

  /// Invitations into groups that wait for an answer.
  public func groupInvitations() throws(SottoError) -> [PendingGroupInvitation] { try query { $0.groupInvitations } }

  /// Accepts an invitation into a group; an administrator's device then adds this one. If that turns out to be impossible, `.consentFailed`
  /// says so, and the invitation waits for an answer again.
  public func acceptGroup(_ invitation: MessageID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.acceptGroup(invitation, now: now) }
  }

  /// Declines an invitation into a group.
  public func refuseGroup(_ invitation: MessageID) throws(SottoError) {
    try change { engine, now throws(EngineError) in try engine.refuseGroup(invitation, now: now) }
  }

  // MARK: - This person

  /// This person's identity.
  public func identity() throws(SottoError) -> IdentityID { try query { $0.identity } }

  /// What this person calls themselves.
  public func name() throws(SottoError) -> String { try query { $0.name } }

  /// What somebody is called here.
  public func displayName(of identity: IdentityID) throws(SottoError) -> String {
    try query { $0.displayName(of: identity) }
  }

  /// Whether anything waits to be sent.
  public func hasUnsentWork() throws(SottoError) -> Bool { try query { $0.hasWork } }

  /// This moment, to tell what is queued from now on from what waited before.
  public func workMark() throws(SottoError) -> WorkMark { try query { $0.workMark } }

  /// Whether something that was queued since then is not done, also if a server holds it up for long.
  ///
  /// - Parameter conversation: whose members were to be changed since.
  public func hasUnsentWork(since mark: WorkMark, changing conversation: ConversationID? = nil) throws(SottoError) -> Bool {
    try query { $0.hasWork(since: mark, changing: conversation) }
  }
}
