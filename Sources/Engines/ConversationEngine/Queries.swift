import CryptoSuite
import MLS
public import SottoProtocol
import WireFormat

extension ConversationEngine {
  /// This person.
  public var identity: IdentityID { state.profile.log.identity }

  /// What this person calls themselves.
  public var name: String { state.profile.name.text }

  /// Servers at which this device has a mailbox, whose streams are to be kept open.
  public var servers: [ServerAddress] {
    state.servers.values.filter(\.isRegistered).map(\.address).sorted { $0.serverKey.bytes.lexicographicallyPrecedes($1.serverKey.bytes) }
  }

  /// The people this device knows, by name.
  public var contacts: [Contact] {
    state.contacts.map { identity, record in
      Contact(
        identity: identity, name: record.displayName, claimedName: record.claimedName, isConfirmed: record.isConfirmed,
        isVerified: record.isVerified, conversation: record.conversation)
    }.sorted { ($0.name, $0.identity.bytes.hex) < ($1.name, $1.identity.bytes.hex) }
  }

  /// The conversations, by title.
  public var conversations: [ConversationSummary] {
    state.conversations.values.map { summary(of: $0) }.sorted { ($0.title, $0.id.bytes.hex) < ($1.title, $1.id.bytes.hex) }
  }

  /// Invitations of this person's that nobody has used and that have not expired; those that end first come first.
  ///
  /// - Parameter now: milliseconds since 1970.
  public func invitations(now: UInt64) -> [PendingInvitation] {
    let waiting = Set(state.tasks.compactMap(\.kind.invitation))
    return state.offers.compactMap { id, offer -> PendingInvitation? in
      guard case .invitation(let petname) = offer.purpose, let expires = offer.expires, now < expires else { return nil }
      return PendingInvitation(id: id, name: petname, link: waiting.contains(id) ? nil : offer.link, expires: expires)
    }.sorted { ($0.expires, $0.id.bytes.hex) < ($1.expires, $1.id.bytes.hex) }
  }

  /// Invitations to groups that wait for this device's owner.
  public var groupInvitations: [PendingGroupInvitation] {
    state.groupInvitations.filter { state.openGroupInvitation($0.key) != nil }
      .map { PendingGroupInvitation(id: $0, from: $1.from, title: $1.invitation.title) }
      .sorted { $0.id.bytes.lexicographicallyPrecedes($1.id.bytes) }
  }

  /// Entries of a conversation's history.
  ///
  /// - Parameters:
  ///   - after: only positions above this one; nil from the first.
  ///   - limit: at most so many, the oldest of those asked for.
  public func history(of conversation: ConversationID, after: UInt64?, limit: Int) throws(EngineError) -> [HistoryEntry] {
    guard state.conversations[conversation] != nil else { throw .noSuchConversation }
    do {
      return try store.history(of: conversation, after: after, limit: limit).map { try HistoryEntry(decoding: $0.value) }
    } catch let error as DeviceStoreError { throw .store(error) } catch { throw .damagedState }
  }

  /// What this person and another compare to know that nobody stands between them.
  public func safetyNumber(with other: IdentityID) -> SafetyNumber { SafetyNumber(identity, other) }

  /// What somebody is called here: by this device's owner, else by themselves, else a short form of the identity.
  public func displayName(of identity: IdentityID) -> String { state.displayName(of: identity) }

  private func summary(of conversation: Conversation) -> ConversationSummary {
    let own = identity
    let members = conversation.identities.map { identity in
      ConversationSummary.Member(
        identity: identity, name: state.displayName(of: identity), role: conversation.context.role(of: identity),
        deviceCount: conversation.devices(of: identity).count, isSelf: identity == own)
    }
    let title: String =
      switch conversation.context.kind {
      case .group: conversation.context.title
      case .direct:
        state.contacts.first { $0.value.conversation == conversation.id }.map { $0.value.displayName } ?? members.first { !$0.isSelf }?.name
          ?? ""
      }
    return ConversationSummary(
      id: conversation.id, kind: conversation.context.kind, title: title, state: conversation.state, members: members,
      epoch: conversation.epoch, isPostQuantum: conversation.group?.cipherSuite.hpke.kem == .xWing,
      invited: conversation.invited.values.sorted {
        $0.bytes.lexicographicallyPrecedes($1.bytes)
      },
      waitingCount: state.tasks.filter { $0.lane == .messages(conversation.id) }.count)
  }
}

extension OfferRecord {
  /// What is handed over, once the server holds what belongs to it.
  var link: String { InvitationLink(server: server, voucher: voucher, secrets: secrets).text }
}

extension TaskRecord.Kind {
  /// The invitation that is not ready before this is done.
  fileprivate var invitation: OfferID? {
    switch self {
    case .vouchers(_, .offer(let id)), .publish(_, let id): id
    default: nil
    }
  }
}

extension ContactRecord {
  var displayName: String { petname.isEmpty ? claimedName : petname }
}

extension DeviceState {
  func displayName(of identity: IdentityID) -> String {
    if identity == profile.log.identity { return profile.name.text }
    if let contact = contacts[identity] { return contact.displayName }
    if let name = conversations.values.compactMap({ $0.names[identity]?.text }).min() { return name }
    return "unknown-\(identity.bytes.hex.prefix(8))"
  }
}

extension [UInt8] {
  /// Lower-case hexadecimal.
  var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
