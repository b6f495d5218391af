import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol

/// Rows for the tests of the store alone.
struct Workload: Sendable {
  static let today = Day(number: 20_000)
  static let expires = today.adding(30)

  let random: SeededRandom

  func target(in store: some MailboxStore) async throws -> DeliveryTarget {
    let target = DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random))
    try await Self.register(target, in: store, random: random)
    return target
  }

  static func register(_ target: DeliveryTarget, in store: some MailboxStore, random: SeededRandom) async throws {
    let token = SpentToken(name: .random(using: random), expires: expires)
    let mailbox = NewMailbox(place: target.mailbox, token: token, ownerKey: .random(using: random), sealKey: .random(using: random))
    guard try await store.register(mailbox, today: today) == .done else { throw StoreFailure.unavailable }
    try await store.setDeliveryKeys([target.deliveryKey], of: target.mailbox)
  }

  func log(in store: some MailboxStore) async throws -> NewLog {
    let log = NewLog(
      place: .random(using: random), writeKey: .random(using: random), administrators: [], creation: .random(using: random),
      token: SpentToken(name: .random(using: random), expires: Self.expires))
    guard try await store.createLog(log, today: Self.today) == .done else { throw StoreFailure.unavailable }
    return log
  }

  static func copy(to target: DeliveryTarget, _ sealed: [UInt8], receipt: StoredName? = nil, expires: Day = Self.expires) -> SealedCopy {
    SealedCopy(target: target, receipt: receipt, sealed: sealed, expires: expires)
  }

  static func readAll(_ target: DeliveryTarget, in store: some MailboxStore) async throws -> [[UInt8]] {
    let page = PageLimit(count: 100_000, byteCount: 1 << 30)
    return try await store.read(target.mailbox, after: 0, page: page, today: today).map(\.sealed)
  }
}
