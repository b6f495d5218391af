import SottoKit
import SottoProtocol
import Testing

@testable import ConversationEngine

@Suite struct NameLookupTests {
  private func contact(_ byte: UInt8, _ name: String, claims claimed: String, confirmed: Bool = true) -> Contact {
    Contact(
      identity: IdentityID(trusted: [UInt8](repeating: byte, count: 32)), name: name, claimedName: claimed,
      isConfirmed: confirmed, isVerified: false, conversation: conversation(byte))
  }

  private func conversation(_ byte: UInt8) -> ConversationID { ConversationID(trusted: [UInt8](repeating: byte, count: 16)) }

  private func summary(
    _ byte: UInt8, _ title: String, _ kind: ConversationContext.Kind = .group,
    _ state: ConversationSummary.State = .active
  ) -> ConversationSummary {
    ConversationSummary(
      id: conversation(byte), kind: kind, title: title, state: state, members: [], epoch: 0, isPostQuantum: true,
      invited: [], waitingCount: 0)
  }

  @Test func `an exact name wins over one in other letters, and one's own name for somebody over theirs`() throws {
    let people = [contact(1, "bob", claims: "Robert"), contact(2, "Bob", claims: "Bob"), contact(3, "Eve", claims: "bob")]
    #expect(try NameLookup.contact("Bob", in: people) == people[1])
    #expect(try NameLookup.contact("bob", in: people) == people[0])
    #expect(try NameLookup.contact("robert", in: people) == people[0])
    #expect(try NameLookup.contact("EVE", in: people) == people[2])
  }

  @Test func `a name that fits two or none is refused`() {
    let people = [contact(1, "Bob", claims: ""), contact(2, "Bob", claims: "")]
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("Bob", in: people) }
    #expect(throws: SottoError.noSuchContact) { try NameLookup.contact("Alice", in: people) }
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("BOB", in: people) }
  }

  @Test func `a conversation is found by its title, an ended one last`() throws {
    let all = [summary(1, "Choir", .group, .ended), summary(2, "Choir"), summary(3, "Old", .group, .ended)]
    #expect(try NameLookup.conversation("Choir", in: all, contacts: []) == all[1])
    #expect(try NameLookup.conversation("old", in: all, contacts: []) == all[2])
    #expect(try NameLookup.group("Old", in: all) == all[2])
    #expect(throws: SottoError.noSuchConversation) { try NameLookup.conversation("None", in: all, contacts: []) }
    #expect(throws: SottoError.noSuchGroup) { try NameLookup.group("None", in: all) }
  }

  @Test func `a contact without a conversation says why`() {
    let people = [contact(1, "Bob", claims: "Robert", confirmed: false), contact(2, "Eve", claims: "")]
    #expect(throws: SottoError.unconfirmed) { try NameLookup.conversation("Bob", in: [], contacts: people) }
    #expect(throws: SottoError.notYetConnected) { try NameLookup.conversation("Eve", in: [], contacts: people) }
  }

  @Test func `a contact is written to by the name they claim, too`() throws {
    let people = [contact(1, "Bob", claims: "Robert")]
    let all = [summary(1, "Bob", .direct)]
    #expect(try NameLookup.conversation("Robert", in: all, contacts: people) == all[0])
  }
}
