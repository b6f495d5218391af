import CryptoSuite
import SottoProtocol
import Testing
import WireFormat

@testable import ConversationEngine

/// What a device remembers of what others have, and of what servers have no more.
@Suite struct ReceiptsTests {
  private func again<Value: WireCodable & Equatable>(_ value: Value) throws -> Value {
    let read = try Value(decoding: value.encoded)
    #expect(read == value)
    return read
  }

  @Test func `nobody is believed to have more than there is, and who is heard of again can be missed again`() throws {
    var receipts = Receipts(heard: 3)
    receipts.hear(2, bound: 9)
    #expect(receipts.heard == 3)
    receipts.isMissed = true
    receipts.hear(3, bound: 9)
    #expect(receipts.isMissed)
    receipts.hear(UInt64.max, bound: 9)
    #expect(try again(receipts).heard == 9)
    #expect(!receipts.isMissed)
  }

  @Test func `a device is told once of what came, at the earliest time that was set`() throws {
    var receipts = Receipts(heard: 0)
    receipts.owe(1, by: 500)
    receipts.owe(2, by: 900)
    #expect(try again(receipts).tellAt == 500)
    receipts.noteTold(2, now: 450)
    #expect(receipts.tellAt == 0)
    #expect(receipts.wasTold(within: 100, of: 549) && !receipts.wasTold(within: 100, of: 550))
    #expect(!receipts.wasTold(within: 100, of: 449))
    // It knows already.
    receipts.owe(2, by: 700)
    #expect(receipts.tellAt == 0)
    receipts.owe(3, by: 700)
    #expect(receipts.tellAt == 700)
    receipts.planTelling(at: 600)
    #expect(receipts.tellAt == 600)
    receipts.giveUp(through: 7)
    receipts.giveUp(through: 5)
    #expect(try again(receipts).givenUpThrough == 7)
  }

  @Test func `what was sent on a day has expired 31 days later, with all that was sent before`() throws {
    var days = SentDays()
    for (sequence, day) in [(1, 100), (2, 100), (5, 101), (6, 120)] as [(UInt64, UInt64)] { days.note(sequence, day: day) }
    let none = days.expire(today: 130)
    #expect(!none && days.expiredSequence == 0)
    _ = try again(days)
    let first = days.expire(today: 131)
    #expect(first && days.expiredSequence == 2)
    let second = days.expire(today: 140)
    #expect(second && days.expiredSequence == 5)
    let third = days.expire(today: 140)
    #expect(!third)
    let last = days.expire(today: 10_000)
    #expect(last && days.expiredSequence == 6)
  }

  @Test func `a clock that was ahead keeps nothing from expiring, and any days fit`() throws {
    var days = SentDays()
    days.note(1, day: 50_000)
    days.note(2, day: 100)
    let expired = days.expire(today: 131)
    #expect(expired && days.expiredSequence == 2)
    for day in 200..<500 as Range<UInt64> { days.note(day, day: day) }
    _ = try again(days)
    let all = days.expire(today: 600)
    #expect(all && days.expiredSequence == 499)
  }

  @Test func `a clock that is behind for a while makes nothing old`() throws {
    var days = SentDays()
    days.note(1, day: 500)
    let behind = days.expire(today: 400)
    days.note(2, day: 400)
    let then = days.expire(today: 530)
    #expect(!behind && !then && days.expiredSequence == 0)
    let later = days.expire(today: 531)
    #expect(later && days.expiredSequence == 2)
  }

  @Test func `pauses double up to twelve hours, and messages that are too many to be listed wait as a range`() throws {
    let random = SeededRandom(seed: 5)
    var redelivery = Redelivery(
      conversation: .random(using: random), device: .random(using: random), identity: .random(using: random), sequence: 300, now: 1_000)
    #expect(redelivery.pause == 30_000...60_000)
    redelivery.noteFull(now: 2_000)
    #expect(redelivery.pause == 60_000...120_000)
    #expect(redelivery.earliest == 62_000)
    for _ in 0..<100 { redelivery.noteFull(now: 3_000) }
    #expect(redelivery.pause == 21_600_000...43_200_000)
    redelivery.add(299)
    redelivery.add(300)
    for sequence in 301...600 as ClosedRange<UInt64> { redelivery.add(sequence) }
    #expect(redelivery.sequences == Array(299...554))
    #expect(redelivery.highest == 600 && redelivery.holds(600) && !redelivery.holds(601) && !redelivery.holds(298))
    let read = try Redelivery(decoding: redelivery.encoded)
    #expect(read.encoded == redelivery.encoded)
    redelivery.remove(through: 550)
    redelivery.removeFirst()
    #expect(redelivery.sequences == [552, 553, 554] && redelivery.highest == 600)
    // What comes later stays behind those of the range.
    redelivery.add(602)
    #expect(redelivery.sequences == [552, 553, 554] && redelivery.highest == 602)
    #expect(redelivery.fullCount == 0)
    #expect(!redelivery.isOver(at: 1_000 + Redelivery.patience - 1) && redelivery.isOver(at: 1_000 + Redelivery.patience))
    redelivery.noteTaken(now: 9_000)
    #expect(!redelivery.isOver(at: 9_000 + Redelivery.patience - 1) && redelivery.isOver(at: 9_000 + Redelivery.patience))
    for _ in 0..<2 { redelivery.removeFirst() }
    #expect(redelivery.sequences == Array(555...602) && redelivery.highest == 602)
    redelivery.remove(through: 600)
    #expect(redelivery.sequences == [601, 602])
    redelivery.remove(through: 700)
    #expect(redelivery.sequences.isEmpty)
  }

  @Test func `a server's record of version 2 is read, without the times that it did not have`() throws {
    let random = SeededRandom(seed: 6)
    let address = try #require(ServerAddress(host: "example.org", port: 1, serverKey: .random(using: random)))
    var record = ServerRecord(
      address: address, mailbox: .random(using: random), ownerKey: SignatureAlgorithm.ed25519.generateKey(using: random),
      sealKey: FirstContact.suite.generateKeyPair(using: random))
    record.isRegistered = true
    record.statementSequence = 7
    let old = [2] + record.encoded.dropFirst().dropLast(24)
    let read = try ServerRecord(decoding: old)
    #expect(read.statementSequence == 7 && read.caughtUpAt == 0 && read.refillAt == 0)
    #expect(read.encoded == record.encoded)
    let three = try ServerRecord(decoding: [3] + record.encoded.dropFirst().dropLast(8))
    #expect(three.encoded == record.encoded)
  }
}
