public import SottoProtocol

/// A token on its way into the list of those that are spent; its signature has been checked.
public struct SpentToken: Hashable, Sendable {
  public var name: StoredName
  /// When no key accepts it any more, and it can be forgotten.
  public var expires: Day

  public init(name: StoredName, expires: Day) {
    self.name = name
    self.expires = expires
  }
}

/// What became of something that costs a token.
public enum SpendOutcome: Hashable, Sendable {
  /// It is there: made now, or by the same request before, which then spends nothing.
  case done
  /// Something else has its name; the token is not spent.
  case refused
  /// The token was spent on something else.
  case tokenSpent
}

/// A mailbox to be made.
public struct NewMailbox: Sendable {
  public var place: StoredPlace
  public var token: SpentToken
  public var ownerKey: PublicKey32
  public var sealKey: PublicKey32

  public init(place: StoredPlace, token: SpentToken, ownerKey: PublicKey32, sealKey: PublicKey32) {
    self.place = place
    self.token = token
    self.ownerKey = ownerKey
    self.sealKey = sealKey
  }
}

/// A mailbox, and the delivery key that a sender showed for it.
public struct DeliveryTarget: Hashable, Sendable {
  public var mailbox: StoredPlace
  public var deliveryKey: StoredName

  public init(mailbox: StoredPlace, deliveryKey: StoredName) {
    self.mailbox = mailbox
    self.deliveryKey = deliveryKey
  }
}

/// What a delivery key grants to who shows it.
public struct DeliveryGrant: Hashable, Sendable {
  /// The key to seal a copy with.
  public var sealKey: PublicKey32
  /// Which state of the mailbox the store has looked at: means something to that store alone.
  public var version: UInt64

  public init(sealKey: PublicKey32, version: UInt64 = 0) {
    self.sealKey = sealKey
    self.version = version
  }
}

/// One copy on its way into a mailbox.
public struct SealedCopy: Sendable {
  public var target: DeliveryTarget
  /// That of the grant; nil where nothing was looked up before.
  public var grantVersion: UInt64?
  /// When the mailbox has seen it, the copy is accepted and not written. Nil for copies of a log entry, which stands once.
  public var receipt: StoredName?
  public var sealed: [UInt8]
  public var expires: Day

  public init(target: DeliveryTarget, grantVersion: UInt64? = nil, receipt: StoredName?, sealed: [UInt8], expires: Day) {
    self.target = target
    self.grantVersion = grantVersion
    self.receipt = receipt
    self.sealed = sealed
    self.expires = expires
  }
}

/// What became of one copy.
public enum CopyOutcome: Hashable, Sendable {
  /// It is written.
  case accepted
  /// The mailbox had seen it before.
  case repeated
  /// No such mailbox, or no such delivery key.
  case refused
  /// The mailbox is full.
  case full

  /// What the sender hears.
  public var answer: RecipientAnswer {
    switch self {
    case .accepted, .repeated: .accepted
    case .refused: .refused
    case .full: .full
    }
  }
}

/// An envelope that waits.
public struct StoredEnvelope: Hashable, Sendable {
  public var sequence: UInt64
  public var sealed: [UInt8]

  public init(sequence: UInt64, sealed: [UInt8]) {
    self.sequence = sequence
    self.sealed = sealed
  }
}

/// How much one page may hold; its first element is exempt from the bytes.
public struct PageLimit: Hashable, Sendable {
  public var count: Int
  public var byteCount: Int

  public init(count: Int, byteCount: Int) {
    self.count = count
    self.byteCount = byteCount
  }
}

/// Key-package blobs to be laid out.
public struct Publication: Sendable {
  public struct Blob: Sendable {
    public var name: StoredName
    public var bytes: [UInt8]

    public init(name: StoredName, bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  public var capability: StoredPlace
  /// The same for the same mailbox and capability; not the mailbox's name.
  public var publisher: StoredName
  public var blobs: [Blob]
  public var expires: Day
  /// Whose quota is used.
  public var mailbox: StoredPlace
  /// Blobs that the mailbox may publish in one period.
  public var quota: Int
  /// Blobs, taken ones included, that a capability may have.
  public var capabilityQuota: Int

  public init(
    capability: StoredPlace, publisher: StoredName, blobs: [Blob], expires: Day, mailbox: StoredPlace, quota: Int,
    capabilityQuota: Int
  ) {
    self.capability = capability
    self.publisher = publisher
    self.blobs = blobs
    self.expires = expires
    self.mailbox = mailbox
    self.quota = quota
    self.capabilityQuota = capabilityQuota
  }
}

/// A handle log to be made.
public struct NewLog: Sendable {
  public var place: StoredPlace
  public var writeKey: StoredName
  public var administrators: [StoredName]
  /// The same for the same request.
  public var creation: StoredName
  public var token: SpentToken

  public init(place: StoredPlace, writeKey: StoredName, administrators: [StoredName], creation: StoredName, token: SpentToken) {
    self.place = place
    self.writeKey = writeKey
    self.administrators = administrators
    self.creation = creation
    self.token = token
  }
}

/// A change of a log's keys whose signature has been checked; whether the signer may is for the store to see.
public struct StoredRotation: Sendable {
  public var writeKey: StoredName
  public var administrators: [StoredName]
  public var signer: StoredName

  public init(writeKey: StoredName, administrators: [StoredName], signer: StoredName) {
    self.writeKey = writeKey
    self.administrators = administrators
    self.signer = signer
  }
}

/// An append to a log with its fan-out.
public struct StoredAppend: Sendable {
  public var log: StoredPlace
  public var slot: UInt64
  public var writeKey: StoredName
  public var entry: [UInt8]
  public var expires: Day
  public var rotation: StoredRotation?
  /// Replaces the log's GroupInfo unless it is empty.
  public var groupInfo: [UInt8]
  public var copies: [SealedCopy]

  public init(
    log: StoredPlace, slot: UInt64, writeKey: StoredName, entry: [UInt8], expires: Day, rotation: StoredRotation?,
    groupInfo: [UInt8], copies: [SealedCopy]
  ) {
    self.log = log
    self.slot = slot
    self.writeKey = writeKey
    self.entry = entry
    self.expires = expires
    self.rotation = rotation
    self.groupInfo = groupInfo
    self.copies = copies
  }
}

/// What became of an append. The first that applies, in the order of the cases after `appended`, is the outcome.
public enum AppendOutcome: Hashable, Sendable {
  /// It stands, and this became of the copies, in order.
  case appended([CopyOutcome])
  /// The same bytes stand in that slot already, whatever the write key is by now.
  case duplicate
  /// No such log, another write key, or a rotation by somebody who is no administrator.
  case refused
  /// The slot is not the next one.
  case conflict(nextSlot: UInt64)
  /// The log holds as many entries, or bytes of them, as `ServerLimits` allow.
  case full
}

/// What became of a rotation without an entry.
public enum RotateOutcome: Hashable, Sendable {
  /// The keys are changed, or this rotation had changed them at this slot before: then it has no second effect.
  case rotated
  /// No such log, or the signer is no administrator.
  case refused
  case conflict(nextSlot: UInt64)
}

/// A part of a log.
public struct LogPage: Hashable, Sendable {
  /// What an entry takes in an answer beside its frame: the slot and the frame's length.
  public static let entryOverheadByteCount = 12

  /// The oldest slot that has not expired; `nextSlot` when none is left.
  public var firstSlot: UInt64
  public var nextSlot: UInt64
  public var entries: [LogEntry]

  public init(firstSlot: UInt64, nextSlot: UInt64, entries: [LogEntry]) {
    self.firstSlot = firstSlot
    self.nextSlot = nextSlot
    self.entries = entries
  }
}
