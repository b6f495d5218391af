import CryptoSuite
import Dispatch
import Foundation
import GRDB
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import ServerStorage

struct KnownGrantsTests {
  private let random = SeededRandom(seed: 11)
  private let grants = KnownGrants()
  private let sealKey = PublicKey32.random(using: SeededRandom(seed: 12))

  private func target() -> DeliveryTarget {
    DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random))
  }

  private func record(_ keys: [StoredName]) -> MailboxRecord {
    var record = MailboxRecord(ownerKey: .random(using: random), sealKey: .random(using: random))
    record.setDeliveryKeys(keys.map(\.short))
    return record
  }

  /// What a reader does who finds that a key is granted.
  private func learn(_ target: DeliveryTarget) -> DeliveryGrant {
    let grant = DeliveryGrant(sealKey: sealKey, version: grants.version(of: target.mailbox.name))
    grants.note(grant, for: target)
    return grant
  }

  private func known(_ target: DeliveryTarget) -> DeliveryGrant? {
    grants.grant(for: target, version: grants.version(of: target.mailbox.name))
  }

  // MARK: Versions

  @Test func `a change shows at once, and again when its transaction has ended`() {
    let (one, other) = (target(), target())
    let (name, otherVersion) = (one.mailbox.name, grants.version(of: other.mailbox.name))
    let before = grants.version(of: name)
    grants.change(name, to: record([]))
    // A reader that begins now may still find the record as it was.
    let meanwhile = grants.version(of: name)
    grants.endTransaction(isCommitted: false)
    let after = grants.version(of: name)
    #expect(before != meanwhile && meanwhile != after && before != after)
    grants.endTransaction(isCommitted: true)
    #expect(grants.version(of: name) == after)
    #expect(grants.version(of: other.mailbox.name) == otherVersion, "the change of one is no change of others")
  }

  // MARK: Grants

  @Test func `a grant is of one mailbox, one key and one version`() {
    let (one, other) = (target(), target())
    let granted = learn(one)
    #expect(known(one) == granted)
    #expect(grants.grant(for: one, version: granted.version + 1) == nil)
    #expect(known(DeliveryTarget(mailbox: one.mailbox, deliveryKey: other.deliveryKey)) == nil)
    #expect(known(DeliveryTarget(mailbox: other.mailbox, deliveryKey: one.deliveryKey)) == nil)
  }

  @Test func `what a changed record says is known as soon as it stands`() {
    let one = target()
    let (kept, withdrawn) = (one, DeliveryTarget(mailbox: one.mailbox, deliveryKey: .random(using: random)))
    (_, _) = (learn(kept), learn(withdrawn))
    let new = record([kept.deliveryKey])
    grants.change(one.mailbox.name, to: new)
    #expect(known(kept) == nil && known(withdrawn) == nil, "it does not stand yet")
    // A reader that has found the old record leaves what it says, for now.
    (_, _) = (learn(kept), learn(withdrawn))
    grants.endTransaction(isCommitted: true)
    #expect(known(kept)?.sealKey == new.sealKey)
    #expect(known(withdrawn) == nil)
    #expect(grants.count == 1)
  }

  @Test(arguments: [false, true])
  func `of a transaction that was taken back, whole or in part, nothing is known`(isCommitted: Bool) {
    let one = target()
    _ = learn(one)
    grants.change(one.mailbox.name, to: record([one.deliveryKey]))
    if isCommitted { grants.undo() }
    grants.endTransaction(isCommitted: isCommitted)
    #expect(known(one) == nil)
    // The next one is another's.
    let granted = learn(one)
    grants.endTransaction(isCommitted: true)
    #expect(known(one) == granted)
    grants.change(one.mailbox.name, to: record([one.deliveryKey]))
    grants.endTransaction(isCommitted: true)
    #expect(known(one) != nil)
  }

  @Test func `what a reader has found too early is not remembered`() {
    let one = target()
    let early = DeliveryGrant(sealKey: .random(using: random), version: grants.version(of: one.mailbox.name))
    grants.change(one.mailbox.name, to: record([]))
    grants.endTransaction(isCommitted: true)
    grants.note(early, for: one)
    #expect(grants.count == 0 && known(one) == nil)
  }

  @Test func `what is used stays, and the rest goes`() {
    let grants = KnownGrants(generationCount: 10)
    func learn(_ target: DeliveryTarget) { grants.note(DeliveryGrant(sealKey: .random(using: random)), for: target) }
    let used = target()
    learn(used)
    let others = (0..<100).map { _ in target() }
    for other in others {
      learn(other)
      #expect(grants.grant(for: used, version: 0) != nil)
      #expect(grants.count <= 20)
    }
    #expect(grants.grant(for: others[0], version: 0) == nil)
    // By the clock, too: also of one mailbox, of which another key is used.
    let unused = DeliveryTarget(mailbox: used.mailbox, deliveryKey: .random(using: random))
    learn(unused)
    let start = ContinuousClock.now
    for minute in 0...60 {
      grants.age(now: start + .seconds(60 * minute))
      #expect(grants.grant(for: used, version: 0) != nil)
      if minute < 30 { #expect(grants.count > 1) }
    }
    #expect(grants.grant(for: unused, version: 0) == nil)
    for minute in 61...120 { grants.age(now: start + .seconds(60 * minute)) }
    #expect(grants.count == 0)
  }

  @Test func `of a mailbox with very many keys the next lookup says what a change has made of them`() {
    let mailbox = StoredPlace.random(using: random)
    let targets = (0..<65).map { _ in DeliveryTarget(mailbox: mailbox, deliveryKey: .random(using: random)) }
    for target in targets { _ = learn(target) }
    #expect(grants.count == 65)
    grants.change(mailbox.name, to: record(targets.map(\.deliveryKey)))
    grants.endTransaction(isCommitted: true)
    #expect(grants.count == 0)
    // As of one that grants nothing any more.
    _ = learn(targets[0])
    grants.change(mailbox.name, to: record([]))
    grants.endTransaction(isCommitted: true)
    #expect(grants.count == 0)
  }

  // MARK: In the store

  /// Takes a mailbox's row away while something is asked: without it nothing can be found.
  private func withoutRow<Value>(of target: DeliveryTarget, _ store: SQLiteMailboxStore, _ body: () async throws -> Value) async throws
    -> Value
  {
    let name = target.mailbox.name.data
    let row = try await store.pool.write { db in
      let sealed = try Data.fetchOne(db, sql: "SELECT sealed FROM mailboxes WHERE name = ?", arguments: [name])
      try db.execute(sql: "DELETE FROM mailboxes WHERE name = ?", arguments: [name])
      return sealed
    }
    let value = try await body()
    try await store.pool.write { try $0.execute(sql: "INSERT INTO mailboxes VALUES (?, ?)", arguments: [name, row]) }
    return value
  }

  @Test func `a change that was taken back is not known, though others of its transaction stand`() async throws {
    let server = try TemporaryServer()
    let store = try server.openStore()
    let one = try await Workload(random: random).target(in: store)
    #expect(try await store.grants(for: [one])[0] != nil)
    // The disk refuses larger records.
    try await store.pool.write {
      try $0.execute(
        sql: """
          CREATE TRIGGER refusal AFTER UPDATE ON mailboxes WHEN length(NEW.sealed) > 3000
          BEGIN SELECT RAISE(ABORT, 'too large'); END
          """)
    }
    let gate = DispatchSemaphore(value: 0)
    store.pool.asyncWriteWithoutTransaction { _ in gate.wait() }
    // Both in the next transaction: the key is withdrawn, and the change that would bring it back fails.
    let more = (0..<65).map { _ in StoredName.random(using: random) }
    let withdrawal = Task { try await store.setDeliveryKeys([], of: one.mailbox) }
    while store.waitingWriteCount < 1 { await Task.yield() }
    let failing = Task { try await store.setDeliveryKeys(Set(more + [one.deliveryKey]), of: one.mailbox) }
    while store.waitingWriteCount < 2 { await Task.yield() }
    gate.signal()
    try await withdrawal.value
    await #expect(throws: StoreFailure.self) { try await failing.value }
    #expect(try await store.grants(for: [one]) == [nil])
    try store.close()
  }

  @Test func `who sends again has no record opened, also when it has changed`() async throws {
    let server = try TemporaryServer()
    let store = try server.openStore()
    let workload = Workload(random: random)
    let (one, two) = (try await workload.target(in: store), try await workload.target(in: store))
    let stranger = DeliveryTarget(mailbox: one.mailbox, deliveryKey: two.deliveryKey)
    let before = try await store.grants(for: [one, stranger, two, one])
    #expect(before[0] != nil && before[1] == nil && before[2] != nil && before[3] == before[0])
    #expect(store.knownGrants.count == 2, "what is refused is not remembered")
    #expect(try await withoutRow(of: one, store) { try await store.grants(for: [two, stranger, one]) } == [before[2], nil, before[0]])

    try await store.setDeliveryKeys([one.deliveryKey, stranger.deliveryKey], of: one.mailbox)
    let renewed = try await withoutRow(of: one, store) { try await store.grants(for: [one]) }
    #expect(renewed[0]?.sealKey == before[0]?.sealKey && renewed[0]?.version != before[0]?.version)

    try await store.setDeliveryKeys([stranger.deliveryKey], of: one.mailbox)
    let after = try await store.grants(for: [one, stranger])
    #expect(after[0] == nil && after[1] != nil)
    // A grant of before is looked at again.
    var copy = Workload.copy(to: one, [1])
    copy.grantVersion = renewed[0]?.version
    #expect(try await store.append([copy], today: Workload.today) == [.refused])
    try store.close()
  }
}
