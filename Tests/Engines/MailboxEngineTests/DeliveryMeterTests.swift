import CryptoSuite
import MailboxEngineTesting
import Metering
import SottoProtocol
import Testing
import WireFormat

@testable import MailboxEngine

/// What one conversation may bring into a mailbox.
struct DeliveryMeterTests {
  private func send(_ count: Int, _ fixture: EngineFixture, to recipient: Recipient, byteCount: Int = 512) async throws -> [RecipientAnswer]
  {
    var answers: [RecipientAnswer] = []
    for _ in 0..<count {
      let frame = [UInt8](repeating: 1, count: byteCount)
      let answer = try await fixture.call(.send(id: .random(using: fixture.random), frame: frame, recipients: [recipient]))
      guard case .sent(let sent) = answer else { continue }
      answers += sent
    }
    return answers
  }

  @Test func `a member who floods an absent owner's mailbox is stopped, and another conversation is not`() async throws {
    let fixture = try EngineFixture(store: InMemoryMailboxStore())
    var limits = DeliveryLimits()
    limits.pace = Allowance(burst: 20, perMinute: 60)
    limits.share = Allowance(burst: 5, perMinute: 2)
    fixture.engine.replaceDeliveryLimits(with: limits)
    let keys = [Permission.random(using: fixture.random), .random(using: fixture.random)]
    let mailbox = try await fixture.makeMailbox(deliveryKeys: keys)
    let flooded = Recipient(mailbox: mailbox.id, deliveryKey: keys[0])
    #expect(try await send(7, fixture, to: flooded) == [.accepted, .accepted, .accepted, .accepted, .accepted, .full, .full])
    #expect(try await send(1, fixture, to: Recipient(mailbox: mailbox.id, deliveryKey: keys[1])) == [.accepted])
    // With the owner there what comes is taken away at once: only the pace counts.
    let stream = try await fixture.attach(mailbox, acknowledging: true)
    let answers = try await send(30, fixture, to: flooded)
    #expect(answers.filter { $0 == .accepted }.count == 15)
    #expect(answers.last == .full)
    await stream.close()
    fixture.clock.advance(days: 1)
    #expect(try await send(1, fixture, to: flooded) == [.accepted])
  }

  @Test func `what is repeated, finds no room or has no slot costs a delivery key nothing`() async throws {
    let store = InMemoryMailboxStore()
    let fixture = try EngineFixture(store: store)
    var limits = DeliveryLimits()
    limits.pace = Allowance(burst: 3, perMinute: 1)
    limits.share = Allowance(burst: 3, perMinute: 1)
    fixture.engine.replaceDeliveryLimits(with: limits)
    let key = Permission.random(using: fixture.random)
    let mailbox = try await fixture.makeMailbox(deliveryKeys: [key])
    let recipient = Recipient(mailbox: mailbox.id, deliveryKey: key)
    let (handle, writeKey) = (HandleID.random(using: fixture.random), Permission.random(using: fixture.random))
    let administrator = PublicKey32(trusted: SignatureAlgorithm.ed25519.generateKey(using: fixture.random).publicKey)
    let creation = Request.createLog(
      token: try fixture.token(), handle: handle, writeKeyHash: writeKey.hash, administratorKeys: [administrator])
    #expect(try await fixture.call(creation) == .created)
    let frame = [UInt8](repeating: 1, count: 512)
    let repeated = Request.send(id: .random(using: fixture.random), frame: frame, recipients: [recipient])
    for _ in 0..<10 { #expect(try await fixture.call(repeated) == .sent([.accepted])) }
    func append(_ slot: UInt64, _ byte: UInt8) -> Request {
      .append(
        LogAppend(
          handle: handle, slot: slot, writeKey: writeKey, entry: [UInt8](repeating: byte, count: 512), rotation: nil, groupInfo: [],
          recipients: [recipient]))
    }
    for _ in 0..<10 { #expect(try await fixture.call(append(7, 1)) == .conflict(nextSlot: 0)) }
    #expect(try await fixture.call(append(0, 1)) == .appended([.accepted]))
    for _ in 0..<10 { #expect(try await fixture.call(append(0, 1)) == .duplicate) }
    // Three were to be had, and two are used.
    #expect(try await send(3, fixture, to: recipient) == [.accepted, .full, .full])
  }

  @Test func `large frames count by their part of a mailbox`() async throws {
    let fixture = try EngineFixture(store: InMemoryMailboxStore())
    let key = Permission.random(using: fixture.random)
    let mailbox = try await fixture.makeMailbox(deliveryKeys: [key])
    let answers = try await send(
      100, fixture, to: Recipient(mailbox: mailbox.id, deliveryKey: key), byteCount: Limits.frameByteCount)
    let accepted = answers.filter { $0 == .accepted }.count
    // By the pace; a quarter of the mailbox's 64 MiB would be 64.
    #expect((40...64).contains(accepted))
    #expect(answers.last == .full)
  }

  @Test func `a wrong key is refused, flooded or not`() async throws {
    let fixture = try EngineFixture(store: InMemoryMailboxStore())
    var limits = DeliveryLimits()
    limits.pace = Allowance(burst: 1, perMinute: 1)
    fixture.engine.replaceDeliveryLimits(with: limits)
    let mailbox = try await fixture.makeMailbox(deliveryKeys: [.random(using: fixture.random)])
    let stranger = Recipient(mailbox: mailbox.id, deliveryKey: .random(using: fixture.random))
    #expect(try await send(3, fixture, to: stranger) == [.refused, .refused, .refused])
  }

  @Test func `what a request weighs is told from its first byte and length`() {
    #expect(MailboxEngine.weight(of: []) == 1)
    #expect(MailboxEngine.weight(of: [7]) == 1)
    #expect(MailboxEngine.weight(of: [1]) == 50)
    #expect(MailboxEngine.weight(of: [2] + [UInt8](repeating: 0, count: 49_152)) == 49)
    // A page of a log, and a piece of a file of any length: each is a flush.
    #expect(MailboxEngine.weight(of: [5]) == 8)
    #expect(MailboxEngine.weight(of: [34]) == 5)
    #expect(MailboxEngine.weight(of: [34] + [UInt8](repeating: 0, count: Limits.objectPieceByteCount)) == 5)
  }
}
