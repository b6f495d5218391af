import CryptoSuite
import DeviceStoreTesting
import SottoProtocol
import Testing
import WireFormat

@testable import ConversationEngine

/// Profiles from before there were two kinds of tokens.
@Suite struct OldTokensTests {
  private let random = SeededRandom(seed: 12)
  private let address: ServerAddress

  init() throws { address = try #require(ServerAddress(host: "example.org", port: 1, serverKey: .random(using: random))) }

  private func engine(_ store: InMemoryDeviceStore) throws -> ConversationEngine {
    try ConversationEngine.create(
      name: "Ada", registration: RegistrationLink(server: address, voucher: .random(using: random)), store: store, random: random, now: 0
    ).engine
  }

  @Test func `a server's record of version 4 keeps its tokens, and fetches the keys anew`() throws {
    var record = ServerRecord(
      address: address, mailbox: .random(using: random), ownerKey: SignatureAlgorithm.ed25519.generateKey(using: random),
      sealKey: FirstContact.suite.generateKeyPair(using: random))
    record.caughtUpAt = 7
    record.tokens = [
      OwnedToken(issuer: .random(using: random), token: Token(id: .random(using: random), signature: .random(using: random)))
    ]
    let new = record.encoded
    // Before the times, the tokens and their length there is the list of keys: empty now, of one key then.
    let end = new.count - 24 - (2 + 32 + 288)
    var keys = ByteWriter()
    keys.writeList([IssuerKey.random(using: random)])
    let old = [4] + new[1..<end - 1] + keys.bytes + new[end...]
    let read = try ServerRecord(decoding: old)
    #expect(read.issuerKeys.isEmpty && read.tokens.count == 1 && read.caughtUpAt == 7)
    #expect(read.encoded == new)
  }

  @Test(arguments: [14, 16] as [UInt8])
  func `a batch under one key is dropped, and what wanted it makes another`(type: UInt8) throws {
    let server = PublicKey32.random(using: random)
    let voucher = Permission.random(using: random)
    let empty = TaskRecord(id: 3, kind: .identify(server: server), after: nil, notBefore: 9).encoded
    for hasBatch in [false, true] {
      var writer = ByteWriter()
      writer.writeBytes(Array(empty.dropLast(33)))
      writer.write(type)
      writer.write(server)
      if type == 14 { writer.write(voucher) }
      writer.writeBool(hasBatch)
      if hasBatch {
        writer.write(IssuerKey.random(using: random))
        let number = BlindNumber.random(using: random)
        var token = ByteWriter()
        token.write(TokenID.random(using: random))
        token.write(number)
        token.write(number)
        writer.writeVector(token.bytes + token.bytes)
      }
      let task = try TaskRecord(decoding: writer.bytes)
      #expect(task.id == 3 && task.notBefore == 9)
      switch task.kind {
      case .redeem(server, voucher, nil) where type == 14: break
      case .refill(server, nil) where type == 16: break
      default: Issue.record("another task")
      }
    }
  }

  @Test func `who had redeemed a voucher and not registered hears that the link is used, and nothing waits for ever`() throws {
    let store = InMemoryDeviceStore()
    var engine = try engine(store)
    // The voucher is redeemed, and what registers is among the tokens of the server's record, or shown already.
    for task in engine.state.tasks { if case .redeem = task.kind { engine.state.removeTask(task.id) } }
    #expect(engine.state.tasks.count == 1)
    let work = try engine.nextWork(now: 1)
    #expect(work.isEmpty && !engine.hasWork)
    #expect(engine.takeEvents() == [.registrationRefused(address)])
    #expect(try ConversationEngine.open(store: store, random: random)?.hasWork == false)
  }

  @Test func `a token of the one kind, shown to register, is refused, and so is the registration`() throws {
    let store = InMemoryDeviceStore()
    var engine = try engine(store)
    let token = Token(id: .random(using: random), signature: .random(using: random))
    for var task in engine.state.tasks {
      if case .redeem = task.kind { engine.state.removeTask(task.id) }
      if case .register(let server, _) = task.kind {
        task.kind = .register(server: server, token: token)
        engine.state.updateTask(task)
      }
    }
    let work = try engine.nextWork(now: 1)
    let first = try #require(work.first)
    guard case .call(.register(token, _, _, _)) = first.action else { throw EngineError.damagedState }
    try engine.complete(first.id, .answer(.tokenRefused), now: 2)
    #expect(engine.takeEvents() == [.registrationRefused(address)])
    #expect(!engine.hasWork)
  }
}
