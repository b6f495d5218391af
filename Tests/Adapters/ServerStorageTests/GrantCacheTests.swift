import CryptoSuite
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

struct GrantCacheTests {
  private let random = SeededRandom(seed: 11)

  private func target() -> DeliveryTarget {
    DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random))
  }

  private func grant(version: UInt64) -> DeliveryGrant { DeliveryGrant(sealKey: .random(using: random), version: version) }

  @Test func `a grant is of one mailbox, one key and one version`() {
    let cache = GrantCache()
    let (known, other) = (target(), target())
    let granted = grant(version: 5)
    cache.note(granted, for: known)
    #expect(cache.grant(for: known, version: 5) == granted)
    #expect(cache.grant(for: known, version: 6) == nil && cache.grant(for: known, version: 4) == nil)
    #expect(cache.grant(for: DeliveryTarget(mailbox: known.mailbox, deliveryKey: other.deliveryKey), version: 5) == nil)
    #expect(cache.grant(for: DeliveryTarget(mailbox: other.mailbox, deliveryKey: known.deliveryKey), version: 5) == nil)
    let newer = grant(version: 6)
    cache.note(newer, for: known)
    #expect(cache.grant(for: known, version: 6) == newer && cache.grant(for: known, version: 5) == nil)
  }

  @Test func `what is used stays, and the rest goes`() {
    let cache = GrantCache(generationCount: 10)
    let used = target()
    cache.note(grant(version: 0), for: used)
    let others = (0..<100).map { _ in target() }
    for other in others {
      cache.note(grant(version: 0), for: other)
      #expect(cache.grant(for: used, version: 0) != nil)
      #expect(cache.count <= 20)
    }
    #expect(cache.grant(for: others[0], version: 0) == nil)
  }

  @Test func `who sends again has no record opened, until it changes`() async throws {
    let server = try TemporaryServer()
    let store = try server.openStore()
    let workload = Workload(random: random)
    let (one, two) = (try await workload.target(in: store), try await workload.target(in: store))
    let stranger = DeliveryTarget(mailbox: one.mailbox, deliveryKey: two.deliveryKey)
    let before = try await store.grants(for: [one, stranger, two])
    #expect(before[0] != nil && before[1] == nil && before[2] != nil)
    #expect(store.knownGrants.count == 2, "what is refused is not remembered")
    // Without the row nothing could be found any more.
    let name = one.mailbox.name.data
    let row = try await store.pool.write { db in
      let sealed = try Data.fetchOne(db, sql: "SELECT sealed FROM mailboxes WHERE name = ?", arguments: [name])
      try db.execute(sql: "DELETE FROM mailboxes WHERE name = ?", arguments: [name])
      return sealed
    }
    #expect(try await store.grants(for: [two, stranger, one]) == [before[2], nil, before[0]])
    try await store.pool.write { try $0.execute(sql: "INSERT INTO mailboxes VALUES (?, ?)", arguments: [name, row]) }

    try await store.setDeliveryKeys([stranger.deliveryKey], of: one.mailbox)
    let after = try await store.grants(for: [one, stranger])
    #expect(after[0] == nil && after[1] != nil)
    try store.close()
  }
}
