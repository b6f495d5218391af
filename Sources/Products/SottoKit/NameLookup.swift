import ConversationEngine

/// Finds what a person means by a name.
///
/// An exact match wins, then one that differs in upper and lower case only; a name that fits two is refused, so that
/// nothing goes to the wrong one.
public enum NameLookup {
  /// - Throws: `.noSuchContact`, `.ambiguousName`.
  public static func contact(_ name: String, in contacts: [Contact]) throws(SottoError) -> Contact {
    try only(name, in: contacts, names: { [$0.name, $0.claimedName] }, missing: .noSuchContact)
  }

  /// A conversation by the name of its contact or the title of its group.
  ///
  /// - Throws: `.noSuchConversation`, `.ambiguousName`; `.unconfirmed` for a contact who awaits confirmation.
  public static func conversation(
    _ name: String, in conversations: [ConversationSummary], contacts: [Contact]
  ) throws(SottoError) -> ConversationSummary {
    // Those that have ended are found too, but stand back behind the ones that go on.
    let active = conversations.filter { $0.state != .ended }
    do {
      return try only(name, in: active, names: { [$0.title] }, missing: .noSuchConversation)
    } catch .noSuchConversation {
      if let ended = try? only(
        name, in: conversations, names: { [$0.title] }, missing: .noSuchConversation)
      {
        return ended
      }
      let contact: Contact
      do { contact = try self.contact(name, in: contacts) } catch .noSuchContact { throw .noSuchConversation }
      if let found = conversations.first(where: { $0.id == contact.conversation }) { return found }
      throw contact.isConfirmed ? .notYetConnected : .unconfirmed
    }
  }

  /// A group by its title.
  ///
  /// - Throws: `.noSuchGroup`, `.ambiguousName`.
  public static func group(
    _ title: String, in conversations: [ConversationSummary]
  ) throws(SottoError) -> ConversationSummary {
    let groups = conversations.filter { $0.kind == .group }
    do {
      return try only(title, in: groups.filter { $0.state != .ended }, names: { [$0.title] }, missing: .noSuchGroup)
    } catch .noSuchGroup {
      return try only(title, in: groups, names: { [$0.title] }, missing: .noSuchGroup)
    }
  }

  /// An invitation to a group, by the group's title.
  ///
  /// - Throws: `.noSuchInvitation`, `.ambiguousName`.
  public static func invitation(
    _ title: String, in invitations: [PendingGroupInvitation]
  ) throws(SottoError) -> PendingGroupInvitation {
    try only(title, in: invitations, names: { [$0.title] }, missing: .noSuchInvitation)
  }

  private static func only<Item>(
    _ name: String, in items: [Item], names: (Item) -> [String], missing: SottoError
  ) throws(SottoError) -> Item {
    let wanted = name.lowercased()
    let matches: [(String) -> Bool] = [{ $0 == name }, { $0.lowercased() == wanted }]
    for isMatch in matches {
      // What somebody is called here comes before what they call themselves.
      for depth in 1...2 {
        let found = items.filter { names($0).prefix(depth).contains(where: isMatch) }
        guard found.count < 2 else { throw .ambiguousName }
        if let item = found.first { return item }
      }
    }
    throw missing
  }
}
