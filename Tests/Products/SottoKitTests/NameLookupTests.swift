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
    let people = [contact(1, "bob", claims: "Robert"), contact(2, "Bob", claims: "B"), contact(3, "Eve", claims: "bob")]
    #expect(try NameLookup.contact("Bob", in: people) == people[1])
    #expect(try NameLookup.contact("bob", in: people) == people[0])
    #expect(try NameLookup.contact("robert", in: people) == people[0])
    #expect(try NameLookup.contact("EVE", in: people) == people[2])
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("BOB", in: people) }
  }

  @Test func `who takes the name of a contact gets nothing that was meant for them`() throws {
    let bob = contact(1, "Bob", claims: "Robert")
    let named = contact(2, "Eve", claims: "bob")
    #expect(try NameLookup.contact("bob", in: [bob, named]) == bob)
    // Nobody has named this one, so what they claim stands for a name.
    let unnamed = contact(3, "bob", claims: "bob")
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("bob", in: [bob, unnamed]) }
    #expect(try NameLookup.contact("Bob", in: [bob, unnamed]) == bob)
    let same = contact(4, "Bob", claims: "Bob")
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("bob", in: [same, unnamed]) }
    #expect(throws: SottoError.ambiguousName) { try NameLookup.contact("Bob", in: [same, unnamed]) }
    #expect(throws: SottoError.ambiguousName) {
      try NameLookup.contact("Zoe", in: [contact(5, "Ann", claims: "Zoe"), contact(6, "Eve", claims: "zoe")])
    }

    let all = [summary(1, "Bob", .direct), summary(2, "Eve", .direct), summary(3, "bob", .direct)]
    #expect(try NameLookup.conversation("bob", in: all, contacts: [bob, named]) == all[0])
    #expect(throws: SottoError.ambiguousName) { try NameLookup.conversation("bob", in: all, contacts: [bob, unnamed]) }
    // Also when nothing can be sent to the one who was meant.
    #expect(throws: SottoError.ambiguousName) {
      try NameLookup.conversation("bob", in: [all[2]], contacts: [contact(1, "Bob", claims: "Robert", confirmed: false), unnamed])
    }
    let group = summary(7, "bob")
    #expect(throws: SottoError.ambiguousName) { try NameLookup.conversation("bob", in: all + [group], contacts: [bob]) }
    #expect(try NameLookup.conversation("Bob", in: all + [group], contacts: [bob]) == all[0])
  }

  @Test func `an identity is a name that nobody can take`() throws {
    let identity = String(repeating: "0a", count: 32)
    let people = [contact(9, identity, claims: identity), contact(10, "Bob", claims: "Bob"), contact(11, "Bob", claims: "Bob")]
    #expect(try NameLookup.contact(identity.uppercased(), in: people) == people[1])
    let all = [summary(9, identity, .direct), summary(10, "Bob", .direct)]
    #expect(try NameLookup.conversation(identity, in: all, contacts: people) == all[1])
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
