import CryptoSuite
import MLS
import SottoProtocol
public import WireFormat

/// The person and this device of theirs.
struct ProfileRecord: Sendable, WireCodable {
  static let version: UInt8 = 1

  var name: MemberName
  var log: DeviceLog
  /// Ed25519; the leaf's signature key in every conversation.
  var deviceKey: SigningKey
  /// The next task's id.
  var nextTaskID: UInt64 = 1
  /// The server at which this person began: where their invitations lead and their groups live.
  var home: PublicKey32?

  init(name: MemberName, log: DeviceLog, deviceKey: SigningKey) {
    self.name = name
    self.log = log
    self.deviceKey = deviceKey
  }

  init(from reader: inout ByteReader) throws(WireError) {
    try reader.expectVersion(Self.version)
    name = try reader.read()
    do { log = try DeviceLog(verifying: try reader.readVector()) } catch { throw .invalidValue(0) }
    deviceKey = try reader.readSigningKey()
    nextTaskID = try reader.readUInt64()
    home = try reader.readOptional()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.write(name)
    writer.writeVector(log.encoded)
    writer.writeSigningKey(deviceKey)
    writer.write(nextTaskID)
    writer.writeOptional(home)
  }
}

/// This device's mailbox at one server.
struct ServerRecord: Sendable, WireCodable {
  /// Version 1 had no issuer keys and no tokens, version 2 none of the times, version 3 not the last of them, version 4 one issuer key
  /// for each quarter.
  static let version: UInt8 = 5

  var address: ServerAddress
  var mailbox: MailboxID
  /// Ed25519; used for nothing but this mailbox.
  var ownerKey: SigningKey
  /// X25519; the server seals every copy to it.
  var sealKey: HPKEKeyPair
  var isRegistered = false
  /// Of the identity statements seen.
  var statementSequence: UInt64 = 0
  /// Hashes of the delivery keys that were given out.
  var deliveryKeys: [KeyHash] = []
  /// What the server's newest statement names, the newest quarter first; empty when it has to be fetched.
  var issuerKeys: [IssuerKeys] = []
  /// Common ones, signed and not spent. None is in a task at the same time.
  var tokens: [OwnedToken] = []
  /// When everything that waited there had been fetched last; milliseconds since 1970, 0 for never.
  var caughtUpAt: UInt64 = 0
  /// When the next tokens are asked for; milliseconds since 1970.
  var refillAt: UInt64 = 0
  /// Until when nobody is said not to have fetched what was sent by way of it: after an absence, others need time to tell us; milliseconds
  /// since 1970.
  var judgeAt: UInt64 = 0

  init(address: ServerAddress, mailbox: MailboxID, ownerKey: SigningKey, sealKey: HPKEKeyPair) {
    self.address = address
    self.mailbox = mailbox
    self.ownerKey = ownerKey
    self.sealKey = sealKey
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let version = try reader.readUInt8()
    guard (1...Self.version).contains(version) else { throw .invalidValue(UInt64(version)) }
    address = try reader.read()
    mailbox = try reader.read()
    ownerKey = try reader.readSigningKey()
    sealKey = try reader.readKeyPair()
    isRegistered = try reader.readBool()
    statementSequence = try reader.readUInt64()
    deliveryKeys = try reader.readList(maxCount: SottoProtocol.Limits.deliveryKeyCount)
    guard version >= 2 else { return }
    if version >= 5 {
      issuerKeys = try reader.readList(maxCount: SottoProtocol.Limits.statementQuarterCount)
    } else {
      _ = try reader.readList(of: IssuerKey.self, maxCount: SottoProtocol.Limits.statementQuarterCount)
    }
    tokens = try reader.readList()
    guard version >= 3 else { return }
    caughtUpAt = try reader.readUInt64()
    refillAt = try reader.readUInt64()
    guard version >= 4 else { return }
    judgeAt = try reader.readUInt64()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.write(address)
    writer.write(mailbox)
    writer.writeSigningKey(ownerKey)
    writer.writeKeyPair(sealKey)
    writer.writeBool(isRegistered)
    writer.write(statementSequence)
    writer.writeList(deliveryKeys)
    writer.writeList(issuerKeys)
    writer.writeList(tokens)
    writer.write(caughtUpAt)
    writer.write(refillAt)
    writer.write(judgeAt)
  }
}

/// A person whom this device knows.
struct ContactRecord: Sendable, WireCodable {
  static let version: UInt8 = 1

  /// The longest device log seen of them.
  var log: DeviceLog
  var petname: String
  var claimedName: String
  var isConfirmed: Bool
  var isVerified = false
  var conversation: ConversationID?

  init(log: DeviceLog, petname: String, claimedName: String, isConfirmed: Bool, conversation: ConversationID?) {
    self.log = log
    self.petname = petname
    self.claimedName = claimedName
    self.isConfirmed = isConfirmed
    self.conversation = conversation
  }

  init(from reader: inout ByteReader) throws(WireError) {
    try reader.expectVersion(Self.version)
    do { log = try DeviceLog(verifying: try reader.readVector()) } catch { throw .invalidValue(0) }
    petname = String(decoding: try reader.readVector(), as: UTF8.self)
    claimedName = String(decoding: try reader.readVector(), as: UTF8.self)
    isConfirmed = try reader.readBool()
    isVerified = try reader.readBool()
    conversation = try reader.readOptional()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.writeVector(log.encoded)
    writer.writeVector(Array(petname.utf8))
    writer.writeVector(Array(claimedName.utf8))
    writer.writeBool(isConfirmed)
    writer.writeBool(isVerified)
    writer.writeOptional(conversation)
  }
}

/// Something that lets one other device add this one: an invitation, or the consent to a group. Erased with its first use.
struct OfferRecord: Sendable, WireCodable {
  static let version: UInt8 = 1

  enum Purpose: Sendable, Hashable {
    /// `petname` is what the inviter calls who is invited, or empty.
    case invitation(petname: String)
    /// Into the group that this person invited us to.
    case consent(inviter: IdentityID)
  }

  var purpose: Purpose
  var server: ServerAddress
  var seed: Secret
  var keyPackage: KeyPackageBundle
  var contactKey: HPKEKeyPair
  /// This leaf's key for the conversation's handle log.
  var administratorKey: SigningKey
  /// Lets who has no mailbox register one; zeros until the server gave it.
  var voucher: Permission
  /// The bundle as it is uploaded; empty for one that travels in a message.
  var blob: [UInt8] = []

  var secrets: InvitationSecrets { InvitationSecrets(seed: seed) }

  init(
    purpose: Purpose, server: ServerAddress, seed: Secret, keyPackage: KeyPackageBundle, contactKey: HPKEKeyPair,
    administratorKey: SigningKey
  ) {
    self.purpose = purpose
    self.server = server
    self.seed = seed
    self.keyPackage = keyPackage
    self.contactKey = contactKey
    self.administratorKey = administratorKey
    voucher = Permission(trusted: [UInt8](repeating: 0, count: Permission.byteCount))
  }

  init(from reader: inout ByteReader) throws(WireError) {
    try reader.expectVersion(Self.version)
    let kind = try reader.readUInt8()
    switch kind {
    case 1: purpose = .invitation(petname: String(decoding: try reader.readVector(), as: UTF8.self))
    case 2: purpose = .consent(inviter: try reader.read())
    default: throw .invalidValue(UInt64(kind))
    }
    server = try reader.read()
    seed = Secret(try reader.readVector())
    keyPackage = try KeyPackageBundle(from: &reader)
    contactKey = try reader.readKeyPair()
    administratorKey = try reader.readSigningKey()
    voucher = try reader.read()
    blob = try reader.readVector(limit: SottoProtocol.Limits.blobByteCount)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    switch purpose {
    case .invitation(let petname):
      writer.write(UInt8(1))
      writer.writeVector(Array(petname.utf8))
    case .consent(let inviter):
      writer.write(UInt8(2))
      writer.write(inviter)
    }
    writer.write(server)
    writer.writeVector(seed.exposedBytes)
    keyPackage.encode(into: &writer)
    writer.writeKeyPair(contactKey)
    writer.writeSigningKey(administratorKey)
    writer.write(voucher)
    writer.writeVector(blob)
  }
}

/// Somebody's invitation into a group, until this device's owner decides.
struct GroupInvitationRecord: Sendable, WireCodable {
  var from: IdentityID
  var conversation: ConversationID
  var invitation: GroupInvitation

  init(from: IdentityID, conversation: ConversationID, invitation: GroupInvitation) {
    self.from = from
    self.conversation = conversation
    self.invitation = invitation
  }

  init(from reader: inout ByteReader) throws(WireError) {
    from = try reader.read()
    conversation = try reader.read()
    invitation = try reader.read()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(from)
    writer.write(conversation)
    writer.write(invitation)
  }
}

/// A message of ours, kept to be sent again to those who were to have it.
struct SentContent: Sendable, WireCodable {
  var content: Content
  /// The devices to which it was ever encrypted: who came later may not ask for it.
  var recipients: [PublicKey32]

  init(content: Content, recipients: [PublicKey32]) {
    self.content = content
    self.recipients = recipients
  }

  init(from reader: inout ByteReader) throws(WireError) {
    var nested = try reader.readNested()
    content = try nested.read()
    try nested.finish()
    recipients = try reader.readList()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeVector(content.encoded)
    writer.writeList(recipients)
  }
}

/// A frame that nothing here can open yet: its commit or Welcome is still on the way.
struct HeldFrame: Sendable, WireCodable {
  var server: ServerAddress
  var envelope: Envelope
  /// Milliseconds since 1970.
  var heldSince: UInt64

  init(server: ServerAddress, envelope: Envelope, heldSince: UInt64) {
    self.server = server
    self.envelope = envelope
    self.heldSince = heldSince
  }

  init(from reader: inout ByteReader) throws(WireError) {
    server = try reader.read()
    envelope = try reader.read()
    heldSince = try reader.readUInt64()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(server)
    writer.write(envelope)
    writer.write(heldSince)
  }

  /// Its record's name: the same frame is held once.
  var name: [UInt8] { Array(HashAlgorithm.sha256.hash(encoded.dropLast(8)).prefix(16)) }
}

extension HistoryEntry: WireCodable {
  public init(from reader: inout ByteReader) throws(WireError) {
    position = try reader.readUInt64()
    id = try reader.read()
    author = try reader.read()
    sentAt = try reader.readUInt64()
    let value = try reader.readUInt8()
    guard let delivery = Delivery(rawValue: value) else { throw .invalidValue(UInt64(value)) }
    self.delivery = delivery
    let type = try reader.readUInt8()
    switch type {
    case 1: kind = .text(String(decoding: try reader.readVector(), as: UTF8.self))
    case 2: kind = .unknown(fallback: String(decoding: try reader.readVector(), as: UTF8.self))
    case 3: kind = .memberAdded(try reader.read())
    case 4: kind = .memberRemoved(try reader.read())
    case 5: kind = .memberLeft(try reader.read())
    case 6: kind = .lost(count: try reader.readUInt64())
    case 7: kind = .deviceReturned(try reader.read())
    case 8: kind = .attachment(try reader.read())
    case 9: kind = .mayHaveExpired(since: try reader.readUInt64())
    case 10: kind = .notFetched(count: try reader.readUInt64(), deviceCount: try reader.readUInt64())
    case 11: kind = .notTaken(count: try reader.readUInt64())
    case 12: kind = .declined
    case 13: kind = .notInvited
    default: throw .invalidValue(UInt64(type))
    }
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(position)
    writer.write(id)
    writer.write(author)
    writer.write(sentAt)
    writer.write(delivery.rawValue)
    switch kind {
    case .text(let text):
      writer.write(UInt8(1))
      writer.writeVector(Array(text.utf8))
    case .unknown(let fallback):
      writer.write(UInt8(2))
      writer.writeVector(Array(fallback.utf8))
    case .memberAdded(let identity):
      writer.write(UInt8(3))
      writer.write(identity)
    case .memberRemoved(let identity):
      writer.write(UInt8(4))
      writer.write(identity)
    case .memberLeft(let identity):
      writer.write(UInt8(5))
      writer.write(identity)
    case .lost(let count):
      writer.write(UInt8(6))
      writer.write(count)
    case .deviceReturned(let identity):
      writer.write(UInt8(7))
      writer.write(identity)
    case .attachment(let attachment):
      writer.write(UInt8(8))
      writer.write(attachment)
    case .mayHaveExpired(let since):
      writer.write(UInt8(9))
      writer.write(since)
    case .notFetched(let count, let deviceCount):
      writer.write(UInt8(10))
      writer.write(count)
      writer.write(deviceCount)
    case .notTaken(let count):
      writer.write(UInt8(11))
      writer.write(count)
    case .declined: writer.write(UInt8(12))
    case .notInvited: writer.write(UInt8(13))
    }
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  mutating func expectVersion(_ version: UInt8) throws(WireError) {
    let found = try readUInt8()
    guard found == version else { throw .invalidValue(UInt64(found)) }
  }

  @_lifetime(self: copy self)
  mutating func readBool() throws(WireError) -> Bool {
    let value = try readUInt8()
    guard value <= 1 else { throw .invalidValue(UInt64(value)) }
    return value == 1
  }

  @_lifetime(self: copy self)
  mutating func readSigningKey() throws(WireError) -> SigningKey {
    let bytes = try readVector(limit: 128)
    do { return try SigningKey(.ed25519, privateKey: Secret(bytes)) } catch { throw .invalidValue(UInt64(bytes.count)) }
  }

  @_lifetime(self: copy self)
  mutating func readKeyPair() throws(WireError) -> HPKEKeyPair {
    let secret = Secret(try readVector(limit: 4_096))
    return HPKEKeyPair(privateKey: secret, publicKey: try readVector(limit: 4_096))
  }
}

extension ByteWriter {
  mutating func writeBool(_ value: Bool) { write(UInt8(value ? 1 : 0)) }

  mutating func writeSigningKey(_ key: SigningKey) { writeVector(key.privateBytes.exposedBytes) }

  mutating func writeKeyPair(_ pair: HPKEKeyPair) {
    writeVector(pair.privateKey.exposedBytes)
    writeVector(pair.publicKey)
  }
}
