import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

/// Names and rows for the checks, random from a seed.
struct Samples: Sendable {
  static let today = Day(number: 20_000)
  static let expires = today.adding(30)

  let random: SeededRandom

  init(seed: UInt64 = 7) { random = SeededRandom(seed: seed) }

  func name() -> StoredName { .random(using: random) }

  func place() -> StoredPlace { .random(using: random) }

  func token() -> SpentToken { SpentToken(name: name(), expires: Self.expires) }

  func newMailbox(token: SpentToken) -> NewMailbox {
    NewMailbox(place: place(), token: token, ownerKey: .random(using: random), sealKey: .random(using: random))
  }

  func newLog() -> NewLog {
    NewLog(place: place(), writeKey: name(), administrators: [name(), name()], creation: name(), token: token())
  }

  /// Registers a mailbox that takes one delivery key.
  func mailbox(in store: any MailboxStore) async throws -> DeliveryTarget {
    let target = DeliveryTarget(mailbox: place(), deliveryKey: name())
    var mailbox = newMailbox(token: token())
    mailbox.place = target.mailbox
    try requireEqual(try await store.register(mailbox, today: Self.today), .done, "a token registers a mailbox")
    try await store.setDeliveryKeys([target.deliveryKey, name()], of: target.mailbox)
    return target
  }

  func copy(
    to target: DeliveryTarget, _ sealed: [UInt8] = [1, 2, 3], grant: DeliveryGrant? = nil, receipt: StoredName? = nil,
    expires: Day = Samples.expires
  ) -> SealedCopy {
    SealedCopy(target: target, grantVersion: grant?.version, receipt: receipt, sealed: sealed, expires: expires)
  }

  func log(in store: any MailboxStore) async throws -> NewLog {
    let log = newLog()
    try requireEqual(try await store.createLog(log, today: Self.today), .done, "a new log is made")
    return log
  }

  func append(
    to log: NewLog, slot: UInt64, _ entry: [UInt8], writeKey: StoredName? = nil, rotation: StoredRotation? = nil,
    groupInfo: [UInt8] = [], copies: [SealedCopy] = [], expires: Day = Samples.expires
  ) -> StoredAppend {
    StoredAppend(
      log: log.place, slot: slot, writeKey: writeKey ?? log.writeKey, entry: entry, expires: expires, rotation: rotation,
      groupInfo: groupInfo, copies: copies)
  }
}

extension MailboxStore {
  /// Everything that waits in a mailbox, read page by page.
  func readAll(_ mailbox: StoredPlace, today: Day = Samples.today) async throws -> [StoredEnvelope] {
    var envelopes: [StoredEnvelope] = []
    while true {
      let page = try await read(
        mailbox, after: envelopes.last?.sequence ?? 0, page: PageLimit(count: 7, byteCount: 1 << 20), today: today)
      if page.isEmpty { return envelopes }
      envelopes += page
    }
  }
}
