import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// Something to do on the network that must not be forgotten (docs/protocol.md §11). Erased when done.
struct TaskRecord: Sendable, WireCodable {
  /// A record's first byte is its version, and tells what holds the task up: 1 for the first of these.
  private static let holdUps: [HoldUp?] = [nil, .serverFull, .logFull, .quotaUsedUp]

  /// Tasks of one lane are done one after the other, in the order of their ids.
  enum Lane: Hashable, Sendable {
    /// A mailbox's own affairs: registration, delivery keys, publishing.
    case server(PublicKey32)
    /// Nothing but what waits for a token waits for these.
    case tokens(PublicKey32)
    case identity(PublicKey32)
    case link(LinkID)
    /// The voucher of an invitation to a group, which a server may not hand out before tomorrow; a mailbox's other affairs do not wait.
    case groupVoucher(MessageID)
    /// A conversation's commits.
    case log(ConversationID)
    /// A conversation's messages to all.
    case messages(ConversationID)
    /// A Welcome waits for nobody but its reader, and nobody waits for it.
    case welcome(SendID)
    case leave(ConversationID)
    /// The consent to join a group may have to wait for the group's server; no message to the inviter, at another one, waits with it.
    case consent(MessageID)
    /// What goes to one device of a conversation only, which may have to wait long.
    case requests(ConversationID, PublicKey32)
    case resends(ConversationID, PublicKey32)
    /// What a full mailbox has yet to take: its device's alone, and in order.
    case redelivery(ConversationID, PublicKey32)
  }

  enum Kind: Sendable {
    /// Has tokens signed for a voucher; nil before they are blinded.
    case redeem(server: PublicKey32, voucher: Permission, batch: TokenBatch?)
    /// The entry token that is shown, again and again, until the answer comes; nil before there is one.
    case register(server: PublicKey32, token: Token?)
    /// Has more common tokens signed, against this mailbox's quota.
    case refill(server: PublicKey32, batch: TokenBatch?)
    /// Learns with which keys the server signs.
    case identify(server: PublicKey32)
    case delivery(server: PublicKey32)
    case vouchers(server: PublicKey32, for: VoucherPurpose)
    case publish(server: PublicKey32, offer: OfferID)
    case claim(server: ServerAddress, seed: Secret, id: ClaimID)
    case createLog(ConversationID, token: Token?)
    case append(ConversationID)
    case readLog(ConversationID)
    case rejoin(ConversationID)
    /// To see whether we were let go.
    case leave(ConversationID)
    /// The Welcome of a new member.
    case welcome(ConversationID, id: SendID, frame: [UInt8], recipient: Recipient)
    case message(OutgoingMessage)
    /// Messages of ours that one device's mailbox had no room for.
    case redelivery(Redelivery)
    /// Says, in this conversation of two, that this device's owner agrees to join the group of this invitation. Nothing is asked of a server:
    /// the message is queued, and numbered, once the offer's delivery key is in force, so that nobody learns of the key before.
    case consent(ConversationID, invitation: MessageID, offer: OfferID)
  }

  enum VoucherPurpose: Sendable {
    case offer(OfferID)
    case groupInvitation(ConversationID, invitee: IdentityID, id: MessageID)
  }

  var id: UInt64
  var kind: Kind
  /// The task that must be done before.
  var after: UInt64?
  var attempts: UInt32 = 0
  /// How often the server refused it, one time after the other.
  var refusalCount: UInt32 = 0
  /// Why the server did not do it when it was last asked, if that takes a while.
  var heldUp: HoldUp?
  /// Milliseconds since 1970.
  var notBefore: UInt64 = 0

  init(id: UInt64, kind: Kind, after: UInt64?, notBefore: UInt64) {
    self.id = id
    self.kind = kind
    self.after = after
    self.notBefore = notBefore
  }

  var lane: Lane {
    switch kind {
    case .vouchers(_, .groupInvitation(_, _, let id)): .groupVoucher(id)
    case .redeem(let server, _, _), .register(let server, _), .delivery(let server), .vouchers(let server, .offer),
      .publish(let server, _):
      .server(server)
    case .refill(let server, _): .tokens(server)
    case .identify(let server): .identity(server)
    case .claim(_, let seed, _): .link(InvitationSecrets(seed: seed).capabilityHash)
    case .createLog(let id, _), .append(let id), .readLog(let id), .rejoin(let id): .log(id)
    case .leave(let id): .leave(id)
    case .welcome(_, let id, _, _): .welcome(id)
    case .message(let message):
      switch (message.target, message.content.body) {
      case (let device?, .resendRequest): .requests(message.conversation, device)
      case (let device?, _): .resends(message.conversation, device)
      case (nil, _): .messages(message.conversation)
      }
    case .redelivery(let redelivery): .redelivery(redelivery.conversation, redelivery.device)
    case .consent(_, let invitation, _): .consent(invitation)
    }
  }

  /// Whether it is done before another one of its lane. In a log's lane, first it is made, then it is read, then this device finds its way
  /// back, and only then commits.
  func goesBefore(_ other: TaskRecord) -> Bool { (precedence, id) < (other.precedence, other.id) }

  /// Tasks of a lane with a lower one go first.
  private var precedence: Int {
    switch kind {
    case .createLog: 0
    case .readLog: 1
    case .rejoin: 2
    default: 3
    }
  }

  /// The conversation that the task is for; it ends with it.
  var conversation: ConversationID? {
    switch kind {
    case .redeem, .register, .refill, .identify, .delivery, .vouchers(_, .offer), .publish, .claim: nil
    case .vouchers(_, .groupInvitation(let id, _, _)): id
    case .createLog(let id, _), .append(let id), .readLog(let id), .rejoin(let id), .leave(let id), .welcome(let id, _, _, _): id
    case .message(let message): message.conversation
    case .redelivery(let redelivery): redelivery.conversation
    case .consent(let id, _, _): id
    }
  }

  func isWelcome(to id: ConversationID) -> Bool {
    if case .welcome(id, _, _, _) = kind { true } else { false }
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard version > 0, version <= Self.holdUps.count else { throw .invalidValue(UInt64(version)) }
    heldUp = Self.holdUps[Int(version) - 1]
    id = try reader.readUInt64()
    after = try reader.readBool() ? try reader.readUInt64() : nil
    attempts = try reader.readUInt32()
    refusalCount = try reader.readUInt32()
    notBefore = try reader.readUInt64()
    let type = try reader.readUInt8()
    switch type {
    // Before there were vouchers, what registers was shown as it stood in the link.
    case 1: kind = .redeem(server: try reader.read(), voucher: try reader.read(), batch: nil)
    case 2: kind = .delivery(server: try reader.read())
    case 3: kind = .vouchers(server: try reader.read(), for: .offer(try reader.read()))
    case 4:
      kind = .vouchers(
        server: try reader.read(), for: .groupInvitation(try reader.read(), invitee: try reader.read(), id: try reader.read()))
    case 5: kind = .publish(server: try reader.read(), offer: try reader.read())
    case 6: kind = .claim(server: try reader.read(), seed: Secret(try reader.readBytes(32)), id: try reader.read())
    case 7: kind = .createLog(try reader.read(), token: nil)
    case 8: kind = .append(try reader.read())
    case 9: kind = .readLog(try reader.read())
    case 10: kind = .rejoin(try reader.read())
    case 11: kind = .welcome(try reader.read(), id: try reader.read(), frame: try reader.readVector(), recipient: try reader.read())
    case 12: kind = .message(try reader.read())
    case 13: kind = .leave(try reader.read())
    case 14:
      kind = .redeem(server: try reader.read(), voucher: try reader.read(), batch: nil)
      try reader.skipOldTokenBatch()
    case 15: kind = .register(server: try reader.read(), token: try reader.readOptional())
    case 16:
      kind = .refill(server: try reader.read(), batch: nil)
      try reader.skipOldTokenBatch()
    case 17: kind = .identify(server: try reader.read())
    case 18: kind = .createLog(try reader.read(), token: try reader.readOptional())
    case 19: kind = .redelivery(try reader.read())
    case 20: kind = .redeem(server: try reader.read(), voucher: try reader.read(), batch: try reader.readOptional())
    case 21: kind = .refill(server: try reader.read(), batch: try reader.readOptional())
    case 22: kind = .consent(try reader.read(), invitation: try reader.read(), offer: try reader.read())
    default: throw .invalidValue(UInt64(type))
    }
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(UInt8(clamping: 1 + (Self.holdUps.firstIndex(of: heldUp) ?? 0)))
    writer.write(id)
    writer.writeBool(after != nil)
    if let after { writer.write(after) }
    writer.write(attempts)
    writer.write(refusalCount)
    writer.write(notBefore)
    switch kind {
    case .redeem(let server, let voucher, let batch):
      writer.write(UInt8(20))
      writer.write(server)
      writer.write(voucher)
      writer.writeOptional(batch)
    case .register(let server, let token):
      writer.write(UInt8(15))
      writer.write(server)
      writer.writeOptional(token)
    case .refill(let server, let batch):
      writer.write(UInt8(21))
      writer.write(server)
      writer.writeOptional(batch)
    case .identify(let server):
      writer.write(UInt8(17))
      writer.write(server)
    case .delivery(let server):
      writer.write(UInt8(2))
      writer.write(server)
    case .vouchers(let server, .offer(let offer)):
      writer.write(UInt8(3))
      writer.write(server)
      writer.write(offer)
    case .vouchers(let server, .groupInvitation(let conversation, let invitee, let id)):
      writer.write(UInt8(4))
      writer.write(server)
      writer.write(conversation)
      writer.write(invitee)
      writer.write(id)
    case .publish(let server, let offer):
      writer.write(UInt8(5))
      writer.write(server)
      writer.write(offer)
    case .claim(let server, let seed, let id):
      writer.write(UInt8(6))
      writer.write(server)
      writer.writeBytes(seed.exposedBytes)
      writer.write(id)
    case .createLog(let id, let token):
      writer.write(UInt8(18))
      writer.write(id)
      writer.writeOptional(token)
    case .append(let id):
      writer.write(UInt8(8))
      writer.write(id)
    case .readLog(let id):
      writer.write(UInt8(9))
      writer.write(id)
    case .rejoin(let id):
      writer.write(UInt8(10))
      writer.write(id)
    case .welcome(let conversation, let id, let frame, let recipient):
      writer.write(UInt8(11))
      writer.write(conversation)
      writer.write(id)
      writer.writeVector(frame)
      writer.write(recipient)
    case .message(let message):
      writer.write(UInt8(12))
      writer.write(message)
    case .leave(let id):
      writer.write(UInt8(13))
      writer.write(id)
    case .redelivery(let redelivery):
      writer.write(UInt8(19))
      writer.write(redelivery)
    case .consent(let conversation, let invitation, let offer):
      writer.write(UInt8(22))
      writer.write(conversation)
      writer.write(invitation)
      writer.write(offer)
    }
  }
}

/// A message on its way out.
struct OutgoingMessage: Sendable, WireCodable {
  /// The ciphertext that is sent, and sent again, until each recipient was answered for.
  struct Sealed: Sendable, WireCodable {
    var sendID: SendID
    var epoch: UInt64
    var frame: [UInt8]
    var recipients: [Recipient]

    init(sendID: SendID, epoch: UInt64, frame: [UInt8], recipients: [Recipient]) {
      self.sendID = sendID
      self.epoch = epoch
      self.frame = frame
      self.recipients = recipients
    }

    init(from reader: inout ByteReader) throws(WireError) {
      sendID = try reader.read()
      epoch = try reader.readUInt64()
      frame = try reader.readVector()
      recipients = try reader.readList(maxCount: SottoProtocol.Limits.recipientCount)
    }

    func encode(into writer: inout ByteWriter) {
      writer.write(sendID)
      writer.write(epoch)
      writer.writeVector(frame)
      writer.writeList(recipients)
    }
  }

  var conversation: ConversationID
  /// Heads and authenticator are filled in when it is sealed.
  var content: Content
  /// Only this device gets it; nil for all.
  var target: PublicKey32?
  /// Where it stands in the history, if it does.
  var position: UInt64?
  var sealed: Sealed?

  func isSeen(by device: PublicKey32) -> Bool { target == device && content.body == .seen }

  var isResend: Bool { if case .resend = content.body { true } else { false } }

  init(conversation: ConversationID, content: Content, target: PublicKey32?, position: UInt64?) {
    self.conversation = conversation
    self.content = content
    self.target = target
    self.position = position
  }

  init(from reader: inout ByteReader) throws(WireError) {
    conversation = try reader.read()
    var nested = try reader.readNested()
    content = try nested.read()
    try nested.finish()
    target = try reader.readOptional()
    position = try reader.readBool() ? try reader.readUInt64() : nil
    sealed = try reader.readOptional()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(conversation)
    writer.writeVector(content.encoded)
    writer.writeOptional(target)
    writer.writeBool(position != nil)
    if let position { writer.write(position) }
    writer.writeOptional(sealed)
  }
}
