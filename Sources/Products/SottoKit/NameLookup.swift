import ConversationEngine

/// Finds what a person means by a name.
///
/// What this device's owner calls somebody comes before what anybody calls themselves, and a name that fits two is refused,
/// so that nothing goes to the wrong one. People change their own names whenever they like, so upper and lower case decide
/// only for a name that the owner has certainly given, and between groups.
public enum NameLookup {
  /// A contact by name, or by the identity in hexadecimal, which nobody else can take.
  ///
  /// - Throws: `.noSuchContact`, `.ambiguousName`.
  public static func contact(_ name: String, in contacts: [Contact]) throws(SottoError) -> Contact {
    if let contact = contacts.first(where: { isIdentity($0, name) }) { return contact }
    if let contact = try single(contacts.filter { fits($0.name, name) }, meaning: name) { return contact }
    if let contact = try claimant(name, in: contacts) { return contact }
    throw .noSuchContact
  }

  /// A conversation by the name or identity of its contact or the title of its group.
  ///
  /// - Throws: `.noSuchConversation`, `.ambiguousName`; `.unconfirmed` for a contact who awaits confirmation.
  public static func conversation(
    _ name: String, in conversations: [ConversationSummary], contacts: [Contact]
  ) throws(SottoError) -> ConversationSummary {
    if let contact = contacts.first(where: { isIdentity($0, name) }) { return try conversation(with: contact, in: conversations) }
    let called = contacts.filter { fits($0.name, name) }
    // Those that have ended are found too, but stand back behind the ones that go on.
    let groups = conversations.filter { $0.kind == .group && $0.state != .ended && fits($0.title, name) }
    if !called.isEmpty {
      // A group's title is chosen by others: it makes a name ambiguous, but takes it from nobody.
      guard groups.isEmpty || called.contains(where: { $0.name == name && isGiven($0) && !groups.contains { $0.title == name } })
      else { throw .ambiguousName }
      if let contact = try single(called, meaning: name) { return try conversation(with: contact, in: conversations) }
    }
    if let found = try titled(name, in: groups) { return found }
    if let contact = try claimant(name, in: contacts) { return try conversation(with: contact, in: conversations) }
    // Groups that have ended, and talks with somebody who is no contact.
    for state in [ConversationSummary.State.active, .leaving, .ended] {
      if let found = try titled(name, in: conversations.filter { $0.state == state }) { return found }
    }
    throw .noSuchConversation
  }

  /// A group by its title.
  ///
  /// - Throws: `.noSuchGroup`, `.ambiguousName`.
  public static func group(
    _ title: String, in conversations: [ConversationSummary]
  ) throws(SottoError) -> ConversationSummary {
    let groups = conversations.filter { $0.kind == .group }
    if let found = try titled(title, in: groups.filter { $0.state != .ended }) { return found }
    if let found = try titled(title, in: groups) { return found }
    throw .noSuchGroup
  }

  /// An invitation to a group, by the group's title.
  ///
  /// - Throws: `.noSuchInvitation`, `.ambiguousName`.
  public static func invitation(
    _ title: String, in invitations: [PendingGroupInvitation]
  ) throws(SottoError) -> PendingGroupInvitation {
    guard let found = try exactFirst(title, in: invitations, title: { $0.title }) else { throw .noSuchInvitation }
    return found
  }

  // MARK: - What fits

  private static func fits(_ one: String, _ other: String) -> Bool { one.lowercased() == other.lowercased() }

  /// The owner has certainly given this name. One that is also what the contact claims may be theirs alone.
  private static func isGiven(_ contact: Contact) -> Bool { contact.name != contact.claimedName }

  private static func isIdentity(_ contact: Contact, _ name: String) -> Bool {
    let digits = Array("0123456789abcdef")
    return String(contact.identity.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }) == name.lowercased()
  }

  /// The one of those called so here.
  private static func single(_ called: [Contact], meaning name: String) throws(SottoError) -> Contact? {
    guard called.count > 1 else { return called.first }
    let exact = called.filter { $0.name == name }
    guard exact.count == 1, let contact = exact.first, isGiven(contact) else { throw .ambiguousName }
    return contact
  }

  /// The one who calls themselves so; asked only when nobody is called so here.
  private static func claimant(_ name: String, in contacts: [Contact]) throws(SottoError) -> Contact? {
    let claimants = contacts.filter { fits($0.claimedName, name) }
    guard claimants.count < 2 else { throw .ambiguousName }
    return claimants.first
  }

  private static func conversation(
    with contact: Contact, in conversations: [ConversationSummary]
  ) throws(SottoError) -> ConversationSummary {
    if let found = conversations.first(where: { $0.id == contact.conversation }) { return found }
    throw contact.isConfirmed ? .notYetConnected : .unconfirmed
  }

  private static func titled(
    _ title: String, in conversations: [ConversationSummary]
  ) throws(SottoError) -> ConversationSummary? {
    try exactFirst(title, in: conversations, title: { $0.title })
  }

  private static func exactFirst<Item>(
    _ name: String, in items: [Item], title: (Item) -> String
  ) throws(SottoError) -> Item? {
    for found in [items.filter { title($0) == name }, items.filter { fits(title($0), name) }] where !found.isEmpty {
      guard found.count == 1 else { throw .ambiguousName }
      return found.first
    }
    return nil
  }
}
