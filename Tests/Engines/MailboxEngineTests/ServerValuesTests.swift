import CryptoSuite
import MailboxEngine
import MailboxEngineTesting
import SottoProtocol
import Testing

@testable import MailboxEngine

@Suite struct ServerValuesTests {
  private let random = SeededRandom(seed: 5)

  @Test func `names of different things differ, even of the same bytes`() {
    let names = StoredNames(key: Secret(randomByteCount: 32, using: random), rowKey: Secret(randomByteCount: 32, using: random))
    let short = random.bytes(16)
    let long = random.bytes(32)
    let (mailbox, handle) = (MailboxID(trusted: short), HandleID(trusted: short))
    let hash = KeyHash(trusted: long)
    let all: [StoredName] = [
      names.mailbox(mailbox).name, names.log(handle).name, names.deliveryKey(hash, of: mailbox), names.writeKey(hash, of: handle),
      names.administrator(PublicKey32(trusted: long), of: handle), names.publisher(mailbox, of: hash),
      names.receipt(SendID(trusted: short), at: mailbox), names.voucher(Permission(trusted: long)),
      names.token(TokenID(trusted: long)), names.capability(hash).name,
      names.creation(handle, writeKeyHash: hash, administrators: []),
      names.deliveryKey(hash, of: .random(using: random)), names.receipt(SendID(trusted: short), at: .random(using: random)),
    ]
    #expect(Set(all).count == all.count)
    let others = StoredNames(key: Secret(randomByteCount: 32, using: random), rowKey: Secret(randomByteCount: 32, using: random))
    #expect(names.mailbox(mailbox) != others.mailbox(mailbox))
    #expect(names.mailbox(mailbox) == names.mailbox(MailboxID(trusted: short)))
    let places = [names.mailbox(mailbox), names.log(handle), names.capability(hash), names.mailbox(.random(using: random))]
    #expect(Set(places.map(\.key.exposedBytes) + all.map(\.bytes)).count == places.count + all.count)
    #expect(names.mailbox(mailbox).key == names.mailbox(MailboxID(trusted: short)).key)
    #expect(names.mailbox(mailbox).key != others.mailbox(mailbox).key)
  }

  @Test func `a changed cursor opens nothing`() {
    let seal = CursorSeal(key: Secret(randomByteCount: 32, using: random))
    let mailbox = MailboxID.random(using: random)
    let cursor = seal.seal(77, of: mailbox, random: random)
    #expect(seal.open(cursor, of: mailbox) == 77)
    #expect(seal.open(cursor, of: .random(using: random)) == nil)
    for index in cursor.indices {
      var changed = cursor
      changed[index] ^= 1
      #expect(seal.open(changed, of: mailbox) == nil)
      #expect(seal.open(Array(cursor.prefix(index)), of: mailbox) == nil)
    }
    #expect(seal.seal(77, of: mailbox, random: random) != cursor)
  }

  @Test func `days do not overflow`() {
    #expect(Day(secondsSince1970: 86_399) == Day(number: 0))
    #expect(Day(secondsSince1970: 86_400) == Day(number: 1))
    #expect(Day(secondsSince1970: .max).adding(30) == Day(number: .max))
  }

  @Test func `copies are made in an order of their own`() async throws {
    let pair = HPKESuite(kem: .x25519, hash: .sha256, aead: .aes256GCM).generateKeyPair(using: random)
    let recipients = (0..<24).map { _ in
      Recipient(mailbox: .random(using: random), deliveryKey: .random(using: random))
    }
    let targets = recipients.map { _ in
      DeliveryTarget(mailbox: .random(using: random), deliveryKey: .random(using: random))
    }
    let fanOut = FanOut(
      recipients, targets: targets, grants: recipients.map { _ in DeliveryGrant(sealKey: PublicKey32(trusted: pair.publicKey)) },
      random: random,
      admit: { DeliveryMeter(DeliveryLimits()).admit($0, byteCount: 1, isOwnerPresent: true, at: 0) })
    #expect(Set(fanOut.copies.map(\.target)) == Set(targets))
    #expect(fanOut.copies.map(\.target) != targets)
    let answers = fanOut.copies.map { $0.target == targets[3] ? CopyOutcome.full : .accepted }
    #expect(fanOut.answers(answers) == targets.map { $0 == targets[3] ? .full : .accepted })
  }
}
