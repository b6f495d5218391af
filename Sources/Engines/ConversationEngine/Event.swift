public import SottoProtocol

/// What a person would want to hear of.
public enum Event: Sendable, Hashable {
  /// The device has its mailbox at this server.
  case registered(ServerAddress)
  /// The voucher of a registration link was refused: used, expired, or not of this server.
  case registrationRefused(ServerAddress)
  /// This server signs no more tokens for this device in the present period; what needs one waits for the next.
  case quotaUsedUp(ServerAddress)
  /// This server takes nothing new at present: it has no room, as many mailboxes as it takes, or has handed out the vouchers of its day.
  /// What waits for that is asked for again by itself. Told once, until it has taken it, somebody has it asked again (`askAgain`), or no
  /// answer comes to who asks.
  case serverFull(ServerAddress)
  /// A conversation's log takes no entry until older ones expire: members stay as they are meanwhile.
  case logFull(ConversationID)
  /// The link of `invite` can be handed over.
  case invitationReady(OfferID, link: String)
  /// The server would not take the invitation (quota).
  case invitationFailed(OfferID)
  /// Somebody used an invitation of ours; the name is what they call themselves, unconfirmed.
  case contactAppeared(IdentityID, ConversationID)
  /// The contact's own name arrived or changed.
  case contactNamed(IdentityID, name: String)
  /// A link that we accepted has led to a conversation.
  case accepted(IdentityID, ConversationID)
  /// A link that we accepted is used, withdrawn or expired.
  case invitationRefused(LinkID)
  case message(ConversationID, HistoryEntry)
  /// Somebody asks us into a group.
  case groupInvitation(MessageID, from: IdentityID, title: String)
  /// Somebody whom we asked into a group does not want to join; the group's history says so too.
  case groupRefused(MessageID, by: IdentityID)
  /// Somebody could not be asked into a group: the server would not give the voucher that lets them come. The group's history says so too.
  case groupInvitationFailed(MessageID, to: IdentityID)
  /// We cannot join a group after all: its server does not let this device in, or its mailbox there has as many delivery keys as it may. The
  /// invitation that was accepted waits for an answer again.
  case consentFailed(MessageID)
  case joined(ConversationID)
  /// The roster of a conversation changed.
  case membersChanged(ConversationID, added: [IdentityID], removed: [IdentityID])
  /// We are no longer in it.
  case removed(ConversationID)
  /// A message of ours is on the server for all who could be reached; `missed` is how many mailboxes are gone or refuse it, `waiting` how
  /// many are full: there it is tried again by itself.
  case sent(ConversationID, MessageID, missed: Int, waiting: Int)
  /// Nothing was fetched from this server since then (milliseconds since 1970), for longer than it keeps what waits: something may be gone.
  /// The histories of its conversations say so too.
  case mayHaveExpired(ServerAddress, since: UInt64)
  /// Messages that were sent to us never came, and the author was asked for them.
  case gap(ConversationID, author: IdentityID, count: Int)
  /// This device had lost its place and came back by itself.
  case rejoined(ConversationID)
}

/// Why a server does not do what it is asked for a while; what concerns most comes first.
public enum HoldUp: CaseIterable, Sendable {
  /// It has no room, or has handed out all that it does for now.
  case serverFull
  /// A conversation's log takes no entry until older ones expire.
  case logFull
  /// It signs no more tokens for this device in the present period.
  case quotaUsedUp
}

/// An invitation or consent of ours that somebody may use: SHA-256 of its capability.
public typealias OfferID = KeyHash
/// An invitation of somebody else's that we are accepting: SHA-256 of its capability.
public typealias LinkID = KeyHash

/// One entry of a conversation's history.
public struct HistoryEntry: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case text(String)
    /// A file, which can be fetched from the conversation's server for as long as the server keeps it.
    case attachment(Attachment)
    /// Of a later version of the program; shown by its fallback.
    case unknown(fallback: String)
    case memberAdded(IdentityID)
    case memberRemoved(IdentityID)
    case memberLeft(IdentityID)
    /// A device of this person had lost its place and took it again by itself.
    case deviceReturned(IdentityID)
    /// So many messages of this author cannot be had any more.
    case lost(count: UInt64)
    /// We fetched nothing from then (milliseconds since 1970) until now, for longer than the server keeps what waits.
    case mayHaveExpired(since: UInt64)
    /// So many messages of ours are older than the server keeps them, and so many devices of this person have not said that they have them.
    case notFetched(count: UInt64, deviceCount: UInt64)
    /// So many messages of ours did not reach a device of this person: its mailbox was full for too long, or is gone.
    case notTaken(count: UInt64)
    /// This person, whom we asked into the group, does not want to join.
    case declined
    /// This person could not be asked into the group: its server gave no voucher for them.
    case notInvited
  }

  public enum Delivery: UInt8, Hashable, Sendable {
    case received = 0
    case waiting = 1
    /// On the server, for all who could be reached.
    case sent = 2
  }

  public var position: UInt64
  public var id: MessageID
  public var author: IdentityID
  /// Milliseconds since 1970: the author's clock.
  public var sentAt: UInt64
  public var kind: Kind
  public var delivery: Delivery
}

/// A person whom this device knows.
public struct Contact: Hashable, Sendable {
  public var identity: IdentityID
  /// What this device's owner calls them.
  public var name: String
  /// What they call themselves; unverified.
  public var claimedName: String
  /// A human has said that this is who they mean; nothing is sent before.
  public var isConfirmed: Bool
  /// The safety numbers were compared.
  public var isVerified: Bool
  /// The conversation of the two, once there is one.
  public var conversation: ConversationID?
}

/// A conversation, as a person would list it.
public struct ConversationSummary: Hashable, Sendable {
  public enum State: UInt8, Hashable, Sendable {
    case active = 1
    /// We left; an administrator's device has yet to take us out.
    case leaving = 2
    /// We were removed, or left.
    case ended = 3
  }

  public struct Member: Hashable, Sendable {
    public var identity: IdentityID
    public var name: String
    public var role: Role
    public var deviceCount: Int
    public var isSelf: Bool
  }

  public var id: ConversationID
  public var kind: ConversationContext.Kind
  /// A group's title, or the other's name.
  public var title: String
  public var state: State
  public var members: [Member]
  public var epoch: UInt64
  /// The cipher suite is a post-quantum hybrid.
  public var isPostQuantum: Bool
  /// People whose consent to join is awaited.
  public var invited: [IdentityID]
  /// What waits to be sent.
  public var waitingCount: Int
}

/// An invitation of this person's that nobody has used.
public struct PendingInvitation: Hashable, Sendable {
  public var id: OfferID
  /// What this device's owner calls who is invited, or empty.
  public var name: String
  /// Nil until the server holds what belongs to it.
  public var link: String?
  /// Milliseconds since 1970; nobody can use it afterwards.
  public var expires: UInt64
}

/// Somebody's invitation to a group, waiting for this device's owner.
public struct PendingGroupInvitation: Hashable, Sendable {
  public var id: MessageID
  public var from: IdentityID
  public var title: String
}

/// Why the engine did not do what it was asked.
public enum EngineError: Error, Equatable, Sendable {
  case store(DeviceStoreError)
  case noSuchContact
  case noSuchConversation
  case noSuchInvitation
  /// The contact is not confirmed.
  case unconfirmed
  /// The conversation has ended, or we are leaving it.
  case notActive
  /// Not permitted to this device's owner by the conversation's roles.
  case notPermitted
  case alreadyMember
  case notMember
  /// The text or name is empty or too long.
  case badLength(byteCount: Int, limit: Int)
  case tooManyDevices(limit: Int)
  /// The only owner of a group with others in it cannot leave.
  case lastOwner
  /// This invitation was made by this very person.
  case ownInvitation
  /// No mailbox is registered at that server yet.
  case noMailbox
  /// A cryptographic operation failed on this device.
  case cryptography
  /// What the store holds was not written by this version, or is damaged.
  case damagedState
}
